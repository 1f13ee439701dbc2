"""What an explorer works on: a store that is read once, with what each setting makes of it.

The annotated videos come first, in the order of the annotations, then the others: so the figures are of the first rows
of every table, and a setting is replayed for all videos at once.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache.store import Store, open_store
from ...core.bundle import ScoreBundle
from ...core.decoders.base import Decoder, Inputs, Reads, Text
from ...core.decoders.replayed import replayed
from ...core.errors import UsageError
from ...core.events import Events
from ...core.metrics.base import Metric, Scores, checked_score
from ...core.pooling import Pool, pool_frames, pool_of
from ..datasets.annotations import Annotations
from ..inputs import decoder_inputs, reads_of
from ..tuning.problem import Problem, make_problem
from .setting import Setting, known_decoders
from .tools import Words

_KEPT = 8
"""Answers that are kept: the setting in hand, the baseline, and what a reader goes back and forth between."""


def known(value: float) -> float | None:
    """A number as JSON has it: None where it is undefined."""
    return None if np.isnan(value) else float(value)


@dataclass(frozen=True, eq=False)
class Answer:
    """What a setting makes of all videos.

    Attributes
    ----------
    setting : which
    events : one setting, N videos, label indices into the session's labels
    fitted : the events of the M annotated videos with the annotations' labels; None without annotations
    scores : figures of these; None without annotations
    milliseconds : what replay and figures took
    own_confidence : whether the decoder gave the confidences of the events
    """

    setting: Setting
    events: Events
    fitted: Events | None
    scores: Scores | None
    milliseconds: float
    own_confidence: bool

    @property
    def figures(self) -> dict[str, float | None]:
        """Percent by name, None where a figure is undefined."""
        if self.scores is None:
            return {}
        return {n: known(v) for n, v in zip(self.scores.names, self.scores.values[0].tolist(), strict=True)}

    def of_videos(self, name: str) -> NDArray[np.float64] | None:
        """Each annotated video's part (M,) in a figure, percent; None for one that is no mean over videos."""
        s = self.scores
        if s is None or s.per_video is None or name not in s.video_names:
            return None
        return s.per_video[0, :, s.video_names.index(name)]


class Session:
    """A store with its annotations, and the answers to settings. Its methods may be called from any thread.

    Attributes
    ----------
    video_ids : N ids, the annotated ones first
    truth : annotations of the first M videos; None without annotations
    expected : how many videos the split has
    words : labels that were added here, see :meth:`add_word`
    turn : held while a setting is replayed: who waits for it is next
    """

    def __init__(
        self,
        store: Store,
        start: Setting,
        annotations: Annotations | None,
        *,
        metrics: str | Metric = "auto",
        scores: str | None = None,
        threads: int | None = None,
        words: Words | None = None,
    ) -> None:
        self.store: Store = store
        self.start: Setting = start
        self.annotations: Annotations | None = annotations
        self.metrics: str | Metric = metrics
        self.scores: str | None = scores
        self.threads: int | None = threads
        self.decoders: dict[str, Decoder[Any]] = {**known_decoders(), start.as_dict()["decoder"]: start.decoder}
        self.words: list[str] = []
        self._words = words
        self._read: dict[Reads, Inputs] = {}
        self._problems: dict[Reads, Problem] = {}
        self._answers: OrderedDict[Any, Answer] = OrderedDict()
        self.turn: threading.RLock = threading.RLock()
        bundle = self._inputs(start).scores
        self._own = frozenset(bundle.labels)
        self.video_ids: tuple[str, ...] = bundle.video_ids
        problem = self._problem(start)
        self.truth: Annotations | None = None if problem is None else problem.annotations
        self.expected: int = bundle.num_videos if problem is None else problem.expected

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the store, and then the words that were added."""
        return self._inputs(self.start).scores.labels

    @property
    def num_annotated(self) -> int:
        return 0 if self.truth is None else len(self.truth.video_ids)

    @property
    def bundle(self) -> ScoreBundle:
        """The scores as the first setting reads them."""
        return self._inputs(self.start).scores

    def inputs(self, setting: Setting) -> Inputs:
        """What the decoder of a setting reads, of all videos. Raises: as :func:`..inputs.decoder_inputs`."""
        with self.turn:
            return self._inputs(setting)

    def answer(self, setting: Setting) -> Answer:
        """What a setting makes of all videos, from the last ones asked for if it is among them.

        Raises: DataError for scores that the setting needs and that are missing; UsageError for a setting whose decoder
            reads what the store does not have.
        """
        with self.turn:
            answer = self._answers.get(setting.key)
            if answer is None:
                answer = self._answers[setting.key] = self._made(setting)
                while len(self._answers) > _KEPT:
                    self._answers.popitem(last=False)
            self._answers.move_to_end(setting.key)
            return answer

    def problem(self, setting: Setting) -> Problem | None:
        """The annotated videos as a setting's decoder reads them; None without annotations."""
        with self.turn:
            return self._problem(setting)

    def add_word(self, label: str) -> tuple[int, float]:
        """Score another label in all videos: its index, and the milliseconds that took.

        Raises: UsageError for a blank label or one that there is; DataError where the store's encoder cannot be used.
        """
        begin = time.perf_counter()
        with self.turn:
            if self._words is None or self.why_no_words():
                raise UsageError(self.why_no_words())
            label = self._words.check(label, self.labels)
            self.words.append(label)
            try:
                self._forget()
                self._inputs(self.start)
            except Exception:
                self.words.remove(label)
                self._forget()
                raise
            return self.labels.index(label), 1e3 * (time.perf_counter() - begin)

    def drop_word(self, label: str) -> None:
        """Forget a label that was added. Raises: UsageError for any other."""
        with self.turn:
            if label not in self.words:
                raise UsageError(f"{label!r} is no label that was added here")
            self.words.remove(label)
            self._forget()

    def keep_words(self) -> tuple[str, ...]:
        """Write the labels that were added into the store; all of its labels.

        Raises: UsageError where none was added; as ``embed-text`` does.
        """
        with self.turn:
            if self._words is None or not self.words:
                raise UsageError("no label was added that could be kept")
            self._words.keep(self.words)
            self.words = []
            self.store = open_store(self.store.url)
            self._forget()
            return self.labels

    def note_of(self, label: str) -> str:
        """What should be known of a label that was added, in one line; may be empty."""
        return "" if self._words is None else self._words.note(label)

    def why_no_words(self) -> str:
        """Why no label can be added, in a sentence; empty where it can."""
        if self.scores is not None and pool_of(self.scores) is None:
            return f"the score set {self.scores} is of a trained model, which knows its own labels only"
        return "the store's encoder is not at hand" if self._words is None else self._words.why_not

    def _forget(self) -> None:
        self._read.clear()
        self._problems.clear()
        self._answers.clear()

    def _inputs(self, setting: Setting) -> Inputs:
        reads = reads_of(setting.decoder, [setting.params])
        inputs = self._read.get(reads)
        if inputs is None:
            inputs = decoder_inputs(self.store, reads, self.scores)
            if self.words and self._words is not None:
                inputs = _extended(inputs, reads, self.words, self._words, pool_of(self.scores))
            inputs = self._read[reads] = inputs.select(self._order(inputs.scores))
        return inputs

    def _order(self, bundle: ScoreBundle) -> NDArray[np.int64]:
        """The annotated videos in the order of the annotations, then the others."""
        if self.annotations is None:
            return np.arange(bundle.num_videos)
        at = np.array(self.annotations.match(bundle.video_ids), np.int64)
        return np.argsort(np.where(at < 0, len(self.annotations.video_ids), at), kind="stable")

    def _problem(self, setting: Setting) -> Problem | None:
        if self.annotations is None:
            return None
        reads = reads_of(setting.decoder, [setting.params])
        if reads not in self._problems:
            inputs = self._inputs(setting)
            self._problems[reads] = _problem_of(inputs, self._own, self.annotations, setting.decoder, self.metrics)
        return self._problems[reads]

    def _made(self, setting: Setting) -> Answer:
        inputs, problem = self._inputs(setting), self._problem(setting)
        begin = time.perf_counter()
        done = replayed(setting.decoder, inputs, [setting.params], threads=self.threads)
        fitted = scores = None
        if problem is not None:
            target = problem.target
            fitted = target.fitted(done.events.first_videos(problem.num_videos))
            scores = checked_score(target.metric, fitted, target.truth)
        took = 1e3 * (time.perf_counter() - begin)
        return Answer(setting, done.events, fitted, scores, took, done.own_confidence)


def _extended(inputs: Inputs, reads: Reads, labels: Sequence[str], words: Words, pool: Pool | None) -> Inputs:
    """Inputs with more labels, whose frames are pooled as those of the others were."""
    if pool is None:
        added = words.scores(labels, similarity=reads.similarity, fused=reads.fused)
    else:
        added = pool_frames(words.scores(labels), pool)
    text = inputs.text
    if text is not None:
        rows = [words.embed(label) for label in labels]
        text = Text(*(np.concatenate([a, np.stack(b)]) for a, b in
                      zip((text.audio, text.visual), zip(*rows, strict=True), strict=True)))  # fmt: skip
    return replace(inputs, scores=inputs.scores.with_labels(added), text=text)


def _problem_of(
    inputs: Inputs,
    own: Set[str],
    annotations: Annotations,
    decoder: Decoder[Any],
    metrics: str | Metric,
) -> Problem:
    """The annotated videos, scored as ``avreplay evaluate`` scores them; labels that came since the store was
    opened (kept ones too) are none of the annotations', and their events do not count.

    own : labels that the store had then

    Raises: as :func:`..tuning.problem.make_problem`.
    """
    b = inputs.scores
    counts = np.array([label in own for label in b.labels], np.bool_)
    names_only = ScoreBundle.create(
        video_ids=b.video_ids, labels=[label for label in b.labels if label in own],
        segments_per_video=b.segments_per_video, kind=b.kind, segment_seconds=b.segment_seconds,
    )  # fmt: skip
    made = make_problem(names_only, annotations, decoder=decoder, metrics=metrics)
    to_label = np.full(b.num_labels, -1, np.int32)
    to_label[counts] = made.target.to_label
    return replace(made, target=replace(made.target, to_label=to_label))
