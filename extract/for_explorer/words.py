"""New words for a store: a label that was typed is embedded by the store's encoder, and scored in all its videos."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache import JoinedStore, Store, Vocabulary, open_store
from ...cache.inner_stores import backbone_name
from ...cache.layout.location import Location
from ...cache.new_labels import NewLabelScores
from ...cache.reference import refuse_other_rows
from ...core.bundle import ScoreBundle
from ...core.errors import DataError, UsageError
from ...core.names import MAX_NAME, fits
from ..backbones.base import Backbone
from ..backbones.registry import BUILT_IN, reload_backbone
from ..demo.toy import toy_lines
from ..labels import embed_labels, encode_labels
from ..writing.reference import reference_of


class NewWords:
    """New labels for a store, by the encoder that made it. Any thread may call any method.

    The encoder is loaded when the first word is embedded, and kept; words that were embedded are remembered.

    Parameters
    ----------
    store : an open store
    backbone, backbone_options : as `embed_labels` takes them
    """

    def __init__(
        self, store: Store, *, backbone: Backbone | type[Backbone] | str | None = None, **backbone_options: Any
    ) -> None:
        self._store = store
        self._given = backbone
        self._options = backbone_options
        self._lock = threading.Lock()
        self._encoder: Backbone | None = None
        self._known: dict[str, Vocabulary] = {}
        self._scores = NewLabelScores(store)

    @cached_property
    def why_not(self) -> str:
        """Why no word can be embedded here, in one sentence; empty where it can be tried. Loads nothing."""
        store, name = self._store, backbone_name(self._store.config)
        if isinstance(store, JoinedStore):
            return (
                f"new words are of one store, and {store.url} are several; open one of them, or give all the label "
                "with `avreplay embed-text`"
            )
        if store.kind == "scores":
            return (
                f"{store.url} holds imported scores without embeddings, so a new word cannot be compared with its "
                "videos; open the store of an extraction"
            )
        if name is None:
            return f"a new word cannot be embedded for {store.url}: {store.text_mend()}"
        facts = BUILT_IN.get(name)
        if self._given is None and facts is not None and facts.missing:
            return f"a new word needs the encoder {name}, which is not installed here: {facts.install}"
        return ""

    def load(self) -> None:
        """Load the encoder now, so that the first word does not wait for it.

        Raises
        ------
        DataError, UsageError
            `why_not`; an encoder that cannot be made, declares something else or has other weights than the store's
        """
        with self._lock:
            self._load()

    def _load(self) -> Backbone:
        if self._encoder is None:
            if self.why_not:
                raise DataError(self.why_not)
            config = self._store.config
            found = reload_backbone(
                config["backbone"], self._store.backbone_class, backbone=self._given, **self._options
            )
            own = reference_of(found)
            refuse_other_rows(Location(self._store.url), own.rows, own.tolerances, own.made_with)
            self._encoder = found
        return self._encoder

    def check(self, label: str, known: Sequence[str] = ()) -> str:
        """The label with single spaces inside and none around. Raises: UsageError where it cannot be a label, or is
        one of the store's or of ``known``."""
        return _checked(label, (*self._store.labels, *known))

    def note(self, label: str) -> str:
        """What should be known of a label with this encoder (the demo encoder knows few), in one line; may be empty."""
        return " ".join(toy_lines(backbone_name(self._store.config) or "", [label])).removeprefix("WARNING: ")

    def embed(self, label: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The text embeddings of a label for sound (Da,) and for pictures (Dv,), as ``embed-text`` would store them.

        Raises: as `load`; DataError where the encoder gives a wrong shape, NaN or infinity.
        """
        found = self._vocabulary((label,))
        return found.audio_text[0], found.visual_text[0]

    def scores(self, labels: Sequence[str], *, similarity: str = "product", fused: bool = False) -> ScoreBundle:
        """The columns that new labels add to the store's bundle, as a bundle of these labels alone.

        ``store.bundle().with_labels(words.scores([label]))`` is what ``store.bundle()`` is after ``embed-text`` with
        the label at the end of the list, up to the last bit of float32; with ``similarity="cosine"`` the same of
        ``store.cosines(fused=...)``.

        Raises: as `embed`, and as `cache.new_labels.NewLabelScores.scores`.
        """
        return self._scores.scores(self._vocabulary(labels), similarity=similarity, fused=fused)

    def keep(self, labels: Sequence[str]) -> tuple[str, ...]:
        """Write the labels that the store has now and these into the store, as ``embed-text`` does; returns all.

        Those that it has already are left as they are. A store that is open shows its former labels; open it again to
        see the new ones.

        Raises: as `load`; UsageError for what cannot be a label, DataError where the store cannot be written now.
        """
        with self._lock:
            encoder = self._load()
            everything = list(open_store(self._store.url).labels)
            for label in labels:
                if label not in everything:
                    everything.append(_checked(label, everything))
            embed_labels(self._store.url, everything, backbone=encoder)
        return tuple(everything)

    def _vocabulary(self, labels: Sequence[str]) -> Vocabulary:
        with self._lock:
            encoder = self._load()
            for label in labels:
                if label not in self._known:
                    self._known[label] = encode_labels(encoder, (label,))
            parts = [self._known[label] for label in labels]
        joint = [p.audio_visual_text for p in parts if p.audio_visual_text is not None]
        return Vocabulary(
            tuple(labels),
            tuple(p.audio_prompts[0] for p in parts),
            tuple(p.visual_prompts[0] for p in parts),
            np.concatenate([p.audio_text for p in parts]),
            np.concatenate([p.visual_text for p in parts]),
            encoder.logits,
            tuple(p.audio_visual_prompts[0] for p in parts if p.audio_visual_prompts),
            np.concatenate(joint) if joint else None,
        )


def _checked(label: str, known: Sequence[str]) -> str:
    label = " ".join(label.split())
    if not label:
        raise UsageError("the new label is blank; type a word or a short sentence")
    if len(label) > MAX_NAME or not fits(label):
        raise UsageError(f"the new label has control characters or more than {MAX_NAME} characters; type another one")
    if label in known:
        raise UsageError(f"the label {label!r} is there already; type another one")
    return label
