"""The layout of a store and its version; the records of videos, embeddings and vocabularies.

Layout (Zarr v3; JSON lies in group attributes, there are no other files)::

    STORE/                         attributes: format, schema_version, kind, fingerprint, config, plan, vocabulary,
                                 rates, ledger, inner, and backbone_class where a backbone from elsewhere made it
      shards/00000/                one group per 256 videos; its attributes, written last, are the commit marker
        audio_segments (S, Da)     flat over the shard's segments; float16 or float32, NaN where a stream is absent
        visual_segments (S, Dv)
        audio_clip (n, Da)         n videos of the shard that have segments
        visual_clip (n, R, Dv)
        window_index (W, 3)        video within the shard, start, end (half-open)
        window_audio (W, Da)
        window_visual (W, R, Dv)
        audio_frames (S, F, Da)    the F parts of each segment, where the encoder gives them (``rates``)
        audio_visual_segments (S, Dj)  of sound and pictures together, where the encoder has a tower for both
      vocabularies/<id>/           audio_text (C, Da), visual_text (C, Dv), and audio_visual_text (C, Dj) where there is
                                   such a tower; attributes: labels, prompts, and logits of a model that has them
        scores/                    the score bundle of all committed shards: derived, can always be computed again
      reference/                   rows of fixed inputs, by which another encoder is noticed, see :mod:`..reference`
      score_sets/<name>/<key>/     further scores of the store's videos, see :mod:`..score_sets`; derived
      backbones/<name>/            a whole store of another backbone's embeddings of the same videos, see
                                   :mod:`..inner_stores`

A store of kind ``scores`` (an imported bundle) has no shards.

The attributes of every group hold the sha256 of each of its files and, last, a ``seal``: a hash of the other attributes
and of the group's place (:mod:`.group_file`). The ledger of the root lists the seals of all groups once a writer has
finished, and is null while one is at work or after one was killed (:mod:`.ledger`). ``inner`` of the root lists the
seals of the roots of the stores inside it, null likewise (:mod:`.root_writer`); early stores of version 2 have no list.

Version 1 has no seals, ledger, notes, content hashes, reference rows and rates. It is read, and never written into;
:mod:`..upgrade` makes version 2 of it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from sys import intern
from typing import Any

import numpy as np
from numpy.typing import NDArray

FORMAT = "avreplay.store"
SCHEMA_VERSION = 2
SHARD_VIDEOS = 256
"""Videos of a shard, unless another number is given."""
CHUNK_VIDEOS = 64
"""Videos of an inner chunk of a shard's arrays, on average."""

STAGING_SUFFIX = ".new"
"""Suffix of the name of a shard that is written to replace another one; removed when it takes the other's place."""

SCORE_SETS_FOLDER = "score_sets"
INNER_STORES_FOLDER = "backbones"
"""Folder of the stores inside a store, one per backbone."""
REFERENCE_GROUP = "reference"
"""Group of the reference rows."""

PARENTS = ("shards", "vocabularies", SCORE_SETS_FOLDER)
"""Folders of groups. Their own zarr.json, which zarr makes, is empty; the ledger has the hash of its bytes."""

RATES = {"audio": 1, "visual": 1}
"""Rows of the finest embeddings per segment and modality, where an encoder gives no frames; see :func:`rates_of`."""

FOLDER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
"""Valid names of folders inside a store that users name."""

STATUSES: dict[str, str] = {
    "ok": "",
    "no_audio": "the file has no audio track",
    "no_video": "the file has no video track",
    "empty_file": "the file has zero bytes",
    "truncated": "the file ends before its content does",
    "unreadable": "the file cannot be decoded",
    "missing": "there is no such file",
    "failed": "the encoder failed",
}
"""Every status of a video, with its usual reason."""


NOTES: dict[str, str] = {
    "late_pictures": "the pictures begin after the sound",
    "early_end_of_pictures": "the pictures end before the sound; the last one stands",
    "late_sound": "the sound begins after the pictures",
    "early_end_of_sound": "the sound ends before the pictures",
    "pause": "there is no sound, or no new picture, for a while",
    "track_chosen": "there are several tracks of a kind",
    "damaged_pictures": "some pictures are damaged, each shorter than the rule for a status",
    "damaged_sound": "some sound is damaged, shorter than the rule for a status",
    "clock_jump": "the time stamps jump; they were joined to one clock",
    "unused_track": "a track was left out",
    "open_end": "the file does not say that it ends where it does",
    "unread_data": "the file goes on after the end of the recording",
    "padded": "a modality of an import has fewer segments; its last embedding is repeated",
    "cut": "a modality of an import has more segments; the first are kept",
    "gaps": "files of an import are missing between others; the embedding before is repeated",
}
"""Every kind of note on a video, with its meaning; a note is no reason to doubt the embeddings, but worth knowing."""


@dataclass(frozen=True)
class Note:
    """Something worth knowing about a video beside its status.

    kind : a key of :data:`NOTES`
    text : the sentence with its figures, say ``pictures begin at 3.0 s; the first one stands before``
    """

    kind: str
    text: str


def rates_of(config: Mapping[str, Any]) -> dict[str, int]:
    """Rows of the finest embeddings per segment and modality, as the root of a store with this configuration says."""
    return {**RATES, "audio": int(config.get("dims", {}).get("audio_frames", 1))}


def count_notes(notes: Iterable[tuple[Note, ...]]) -> dict[str, int]:
    """The number of videos with a note of each kind, from the notes of each video."""
    kinds = Counter(kind for some in notes for kind in {note.kind for note in some})
    return dict(sorted(kinds.items()))


@dataclass(frozen=True, repr=False, slots=True)
class VideoRecord:
    """The outcome of the extraction of one video.

    id : the video id
    status : a key of :data:`STATUSES`
    reason : why it is not ``ok``, in words
    segments : number of segments
    duration : in seconds
    notes : what else is worth knowing
    """

    id: str
    status: str = "ok"
    reason: str = ""
    segments: int = 0
    duration: float = 0.0
    notes: tuple[Note, ...] = ()

    def __repr__(self) -> str:
        reason = f" ({self.reason[:40]})" if self.reason else ""
        return f"<VideoRecord {self.id[:30]}: {self.status}{reason}, {self.segments} segments>"

    @property
    def has_audio(self) -> bool:
        """Whether the video has a usable audio stream."""
        return self.status == "ok" or self.status == "no_video"

    @property
    def has_visual(self) -> bool:
        """Whether the video has a usable video stream."""
        return self.status == "ok" or self.status == "no_audio"

    @property
    def has_data(self) -> bool:
        """Whether there are embeddings of the video."""
        return self.segments > 0 and (self.has_audio or self.has_visual)

    def as_dict(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return {**asdict(self), "notes": [asdict(note) for note in self.notes]}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> VideoRecord:
        """The record of the JSON values of :meth:`as_dict`; those of version 1 of the layout have no notes."""
        notes = tuple(Note(**note) for note in fields.get("notes", ()))
        status, reason = intern(fields["status"]), intern(fields["reason"])  # the same few in most records
        return cls(fields["id"], status, reason, fields["segments"], fields["duration"], notes)


@dataclass(frozen=True, eq=False, repr=False)
class VideoEmbeddings:
    """The embeddings of one video; ``None`` where the stream is absent.

    Shapes: audio_segments (T, Da), audio_clip (Da,), visual_segments (T, Dv), visual_clip (R, Dv), windows (W, 2)
    int64, half-open segment ranges, window_audio (W, Da), window_visual (W, R, Dv); of encoders that have them
    audio_frames (T, F, Da) and audio_visual_segments (T, Dj); embeddings are float32 or float16.
    """

    windows: NDArray[np.int64]
    audio_segments: NDArray[Any] | None = None
    audio_clip: NDArray[Any] | None = None
    window_audio: NDArray[Any] | None = None
    visual_segments: NDArray[Any] | None = None
    visual_clip: NDArray[Any] | None = None
    window_visual: NDArray[Any] | None = None
    audio_frames: NDArray[Any] | None = None
    audio_visual_segments: NDArray[Any] | None = None

    def __repr__(self) -> str:
        streams = [
            f"{name} {len(array)} × {array.shape[-1]}"
            for name, array in (("audio", self.audio_segments), ("visual", self.visual_segments))
            if array is not None
        ]
        return f"<VideoEmbeddings: {', '.join([*streams, f'{len(self.windows)} windows'])}>"


@dataclass(frozen=True, eq=False, repr=False)
class Vocabulary:
    """C labels, the prompts that stand for them, and their text embeddings: audio (C, Da), visual (C, Dv) float32.

    logits : the scale and bias of the model's own logit, by modality: scores are scale times product plus bias; those
        of a modality without them are the products

    audio_visual_prompts, audio_visual_text : of an encoder with a tower for sound and pictures together, (C, Dj)
    """

    labels: tuple[str, ...]
    audio_prompts: tuple[str, ...]
    visual_prompts: tuple[str, ...]
    audio_text: NDArray[np.float32]
    visual_text: NDArray[np.float32]
    logits: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    audio_visual_prompts: tuple[str, ...] = ()
    audio_visual_text: NDArray[np.float32] | None = None

    def text(self, modality: str) -> NDArray[np.float32]:
        """The text embeddings of a modality. Raises: KeyError where there are none."""
        found: NDArray[np.float32] | None = getattr(self, f"{modality}_text")
        if found is None:
            raise KeyError(modality)
        return found

    @property
    def modalities(self) -> tuple[str, ...]:
        """Those that it has text embeddings for."""
        return ("audio", "visual") if self.audio_visual_text is None else ("audio", "visual", "audio_visual")

    def __repr__(self) -> str:
        widths = f"audio {self.audio_text.shape[-1]}, visual {self.visual_text.shape[-1]}"
        return f"<Vocabulary: {len(self.labels)} labels, text embeddings of width {widths}>"


def shard_name(index: int) -> str:
    """The group of a shard, by its place in the plan."""
    return f"shards/{index:05d}"
