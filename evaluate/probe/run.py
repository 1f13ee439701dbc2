"""The linear probe (paper, Table 7): how well one second's embedding tells that second's events, linearly.

The paper says of its setting only that the classifier is linear, fully supervised and per second, that it is trained on
CLIP or CLAP features, and that LLP serves for evaluation. What is chosen here:

* One logistic regression a label (LLP: several labels may hold at once), or one over all classes and background where
  a second has one class (AVE). Features are the cached segment embeddings, standardised with the training seconds'
  mean and deviation. Decisions at 0.5, or for the most probable class; no threshold is tuned.
* *Fully supervised* needs labels per second, which LLP has for validation and test only. So the probe is trained on
  LLP's validation split by default, and on the training split elsewhere. A training split of video-level labels (LLP's
  own, or any with ``train_labels="video"``) is used as weakly supervised work does: each label of a video holds in
  every second of it, in both tracks. Results say which it was.
* The track that is learned and scored is that of the modality; on AVE it is the audio-visual one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache.store import Store
from ...core.errors import DataError, UsageError
from ...core.events import TRACKS, Events
from ...core.labels import LabelIndex
from ..command_options import MODALITIES, TRAIN_LABELS
from ..datasets.annotations import Annotations
from ..datasets.registry import tracks_apart
from ..files.predictions import Predictions
from ..scoring import Evaluation, evaluate_predictions
from ..shared_options import check_seed
from .linear import LinearProbe, fit_probe


@dataclass(frozen=True, eq=False)
class ProbeResult:
    """A trained and scored probe: figures of the probed track in percent, predictions, and what it was trained on."""

    modality: str
    metrics: dict[str, float]
    predictions: Predictions
    evaluation: Evaluation
    train_split: str
    train_labels: str
    train_videos: int
    train_segments: int
    labels_learned: int
    converged: bool
    seed: int
    shuffled: bool

    def as_dict(self) -> dict[str, Any]:
        """What ``avreplay probe --json`` prints."""
        kept = ("dataset", "split", "videos_scored", "videos_expected", "ids_sha256", "profile")
        scored = self.evaluation.as_dict()
        own = ("modality", "train_split", "train_labels", "train_videos", "train_segments", "labels_learned",
               "converged", "seed", "shuffled")  # fmt: skip
        return {**{k: scored[k] for k in kept}, **{k: getattr(self, k) for k in own}, "metrics": self.metrics}


def probe(
    store: Store,
    modality: str,
    train: Annotations,
    test: Annotations,
    *,
    train_store: Store | None = None,
    train_labels: str = "segment",
    strength: float = 1.0,
    seed: int = 0,
    shuffle_labels: bool = False,
    profile: str = "paper",
) -> ProbeResult:
    """Train a linear classifier on the seconds of one split and score it on another.

    The fit draws no random numbers and runs on one thread: the same input gives the same result.

    Parameters
    ----------
    store : a store of embeddings, of any backbone, with the videos of the test split
    modality : ``audio`` or ``visual``: whose embeddings, and on datasets with tracks apart whose events
    train, test : annotations of the two splits, with the same labels
    train_store : where the videos of the training split are, if not in ``store``; of the same configuration
    train_labels : ``segment``, or ``video``: every label of a video in every second (see the module)
    strength : inverse of the weight of the L2 penalty, above 0
    seed : of the permutation of ``shuffle_labels``, a control: training labels are dealt to other seconds, so that the
        figures are what label frequencies alone give
    profile : how AVE is scored, see :func:`avreplay.evaluate_predictions`; ``paper`` counts every event of a video

    Raises
    ------
    DataError
        a store without embeddings, no training seconds, a video in both splits, segments of another length, stores of
        different configurations, labels that differ between the splits, and as :func:`avreplay.evaluate_predictions`
    UsageError
        an unknown modality or kind of labels, a strength that is not above 0, a seed out of range,
        scikit-learn not installed
    """
    _check(modality, train_labels, strength)
    check_seed(seed)
    source = store if train_store is None else train_store
    if source.fingerprint != store.fingerprint:
        raise DataError(f"{source.url} and {store.url} were made with different configurations; extract both alike")
    track = TRACKS.index(modality if tracks_apart(test) else "audio_visual")
    learned = _Split(source, modality, train)
    scored = learned.of(test) if train_store is None else _Split(store, modality, test)
    shared = sorted({train.video_ids[v] for v in learned.video} & {test.video_ids[v] for v in scored.video})
    if shared:
        raise DataError(f"{len(shared)} videos are in the training and in the scored split, {shared[0]!r} for one")

    truth = _masks(weakened(train) if train_labels == "video" else train, track, test)
    rows, targets = learned.seconds(truth)
    if not len(rows):
        raise DataError(f"{source.url} has {modality} of no video of {train.dataset} {train.split}; extract that split")
    if shuffle_labels:
        targets = targets[np.random.default_rng(seed).permutation(len(targets))]
    fitted = fit_probe(learned.embeddings[rows], targets, strength, one_class=track == 2)
    predictions = scored.predictions(fitted, track, test.labels, {
        "probe": modality, "train_split": train.split, "train_labels": train_labels, "strength": strength,
        "seed": seed, "shuffle_labels": shuffle_labels,
    })  # fmt: skip
    evaluation = evaluate_predictions(predictions, test, profile=profile)
    own = {k: v for k, v in evaluation.metrics.items() if k.startswith(f"{modality}_")}
    return ProbeResult(
        modality, own or dict(evaluation.metrics), predictions, evaluation, train.split, train_labels,
        len(set(learned.owner[rows].tolist())), len(rows), int(targets.any(axis=0).sum()), fitted.converged, seed,
        shuffle_labels,
    )  # fmt: skip


def weakened(annotations: Annotations) -> Annotations:
    """The same videos with video-level labels: each label of any track, in every second and every track."""
    tracks = []
    for v, segments in enumerate(annotations.segments_per_video.tolist()):
        labels = sorted({e[0] for k in range(3) for e in annotations.events.track(v, k)})
        tracks.append([[(c, 0, segments) for c in labels if segments]] * 3)
    return replace(annotations, events=Events.from_tracks(tracks))


class _Split:
    """The seconds of a store that belong to the videos of some annotations.

    ``embeddings`` (S, D) of the whole store; ``record``, ``video`` the matched videos: their place in the store and in
    the annotations; ``owner`` (S,) which annotated video a row belongs to, -1 for none.
    """

    def __init__(
        self, store: Store, modality: str, annotations: Annotations, loaded: tuple[Any, NDArray[Any]] | None = None
    ) -> None:
        self._store, self._modality = store, modality
        self._loaded = store.segment_embeddings(modality) if loaded is None else loaded
        records, self.embeddings = self._loaded
        self.records = records
        at = annotations.match([r.id for r in records])
        self.present = [getattr(r, f"has_{modality}") for r in records]
        self.record = [i for i, v in enumerate(at) if v >= 0]
        self.video = [at[i] for i in self.record]
        counts = np.array([r.segments for r in records], np.int64)
        self.first = np.cumsum(counts) - counts
        self.owner = np.repeat(np.array(at, np.int64), counts)
        self._seconds = float(store.config["segment_seconds"])
        lengths = np.broadcast_to(np.asarray(annotations.segment_seconds, np.float64), (len(annotations.video_ids),))
        for v in self.video:
            if not np.isclose(lengths[v], self._seconds, rtol=1e-6, atol=0):
                raise DataError(
                    f"{store.url} has segments of {self._seconds:g} s, and {annotations.video_ids[v]!r} is annotated "
                    f"in segments of {lengths[v]:g} s; extract with --segment-seconds {lengths[v]:g}"
                )

    def of(self, annotations: Annotations) -> _Split:
        """The same store under other annotations, not read again."""
        return _Split(self._store, self._modality, annotations, self._loaded)

    def seconds(self, truth: Sequence[NDArray[np.bool_]]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Rows of the annotated seconds that have an embedding, and their labels (n, C)."""
        rows, targets = [np.zeros(0, np.int64)], [np.zeros((0, truth[0].shape[1] if truth else 0), bool)]
        for i, v in zip(self.record, self.video, strict=True):
            if self.present[i]:
                n = min(self.records[i].segments, len(truth[v]))
                rows.append(self.first[i] + np.arange(n))
                targets.append(truth[v][:n])
        return np.concatenate(rows), np.concatenate(targets)

    def predictions(
        self, fitted: LinearProbe, track: int, labels: tuple[str, ...], params: dict[str, Any]
    ) -> Predictions:
        """Runs of seconds in which a label holds, in the probed track; videos without the stream stay empty."""
        tracks = []
        for i in self.record:
            of_video: list[list[tuple[int, int, int]]] = [[], [], []]
            if self.present[i]:
                first = self.first[i]
                of_video[track] = runs(fitted.decide(self.embeddings[first : first + self.records[i].segments]))
            tracks.append(of_video)
        kept = [self.records[i] for i in self.record]
        return Predictions(
            labels, params, tuple(r.id for r in kept), np.array([r.segments for r in kept], np.int64),
            Events.from_tracks(tracks), self._seconds,
        )  # fmt: skip


def runs(mask: NDArray[np.bool_]) -> list[tuple[int, int, int]]:
    """Maximal runs ``(label, onset, offset)`` of a mask (T, C), by label."""
    edges = np.diff(np.pad(mask.astype(np.int8), ((1, 1), (0, 0))), axis=0).T
    return [
        (c, int(a), int(b))
        for c in range(mask.shape[1])
        for a, b in zip(np.flatnonzero(edges[c] > 0), np.flatnonzero(edges[c] < 0), strict=True)
    ]


def _masks(train: Annotations, track: int, test: Annotations) -> list[NDArray[np.bool_]]:
    """Per training video the labels (of the test split) that hold in each of its segments, (T, C)."""
    index = LabelIndex(test.labels, test.aliases)
    to = [index.find(name, f"labels of {train.source}") for name in train.labels]
    masks = []
    for v, segments in enumerate(train.segments_per_video.tolist()):
        mask = np.zeros((segments, len(test.labels)), bool)
        for label, onset, offset, _ in train.events.track(v, track):
            mask[onset:offset, to[label]] = True
        masks.append(mask)
    return masks


def _check(modality: str, train_labels: str, strength: float) -> None:
    if modality not in MODALITIES:
        raise UsageError(f"there is no modality {modality!r}; modalities are {', '.join(MODALITIES)}")
    if train_labels not in TRAIN_LABELS:
        raise UsageError(f"train_labels is {train_labels!r}; it must be one of {', '.join(TRAIN_LABELS)}")
    if not 0 < strength < float("inf"):
        raise UsageError(f"strength is {strength}; it must be above 0")
