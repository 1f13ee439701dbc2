"""What a store holds: its layout, its version, and the records of videos, embeddings and vocabularies.

Layout (Zarr v3; JSON lives in group attributes, there are no other files)::

    STORE/                         attributes: format, schema_version, kind, fingerprint, config, plan, vocabulary,
                                 and backbone_class where a backbone from outside this package made it
      shards/00000/                one group per 256 videos; its attributes, written last, are the commit marker
        audio_segments (S, Da)     flat over the shard's segments; float16 or float32, NaN where a stream is absent
        visual_segments (S, Dv)
        audio_clip (n, Da)         n videos of the shard that have segments
        visual_clip (n, R, Dv)
        window_index (W, 3)        video within the shard, start, end (half-open)
        window_audio (W, Da)
        window_visual (W, R, Dv)
      vocabularies/<id>/           audio_text (C, Da), visual_text (C, Dv); attributes: labels, prompts
        scores/                    the score bundle of all committed shards: derived, can always be made anew
      score_sets/<name>/<key>/   further scores of the store's videos, see :mod:`.score_sets`; derived
      backbones/<name>/          a whole store of another backbone's embeddings of the same videos, see
                                 :mod:`.inner_stores`

A store of kind ``scores`` (an imported bundle) has no shards. Score sets and inner stores came after the first stores
of this version: they add folders that older readers do not open, so the version stays, and every reader of it opens the
store.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FORMAT = "avreplay.store"
SCHEMA_VERSION = 1
SHARD_VIDEOS = 256
CHUNK_VIDEOS = 64
BESIDE = ".new"
"""Added to the name of a shard that is written to take another one's place; gone once it has."""

FOLDER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
"""What may name a folder inside a store."""

BACKBONES = "backbones"
"""Folder of the stores inside a store, one a backbone."""

STATUSES = {
    "ok": "",
    "no_audio": "the file has no audio track",
    "no_video": "the file has no video track",
    "empty_file": "the file has zero bytes",
    "truncated": "the file ends before its content does",
    "unreadable": "the file cannot be decoded",
    "missing": "there is no such file",
    "failed": "the encoder failed",
}
"""Every status a video can have, with its usual reason."""


@dataclass(frozen=True)
class VideoRecord:
    """What became of one video: its id, status, reason, number of segments and duration in seconds."""

    id: str
    status: str = "ok"
    reason: str = ""
    segments: int = 0
    duration: float = 0.0

    @property
    def has_audio(self) -> bool:
        return self.status == "ok" or self.status == "no_video"

    @property
    def has_visual(self) -> bool:
        return self.status == "ok" or self.status == "no_audio"

    @property
    def has_data(self) -> bool:
        return self.segments > 0 and (self.has_audio or self.has_visual)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, eq=False)
class VideoEmbeddings:
    """The embeddings of one video; ``None`` where the stream is absent.

    Shapes: audio_segments (T, Da), audio_clip (Da,), visual_segments (T, Dv), visual_clip (R, Dv), windows (W, 2)
    half-open segment ranges, window_audio (W, Da), window_visual (W, R, Dv).
    """

    windows: NDArray[np.int64]
    audio_segments: NDArray | None = None
    audio_clip: NDArray | None = None
    window_audio: NDArray | None = None
    visual_segments: NDArray | None = None
    visual_clip: NDArray | None = None
    window_visual: NDArray | None = None


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Labels, the prompts that stand for them, and their text embeddings: audio (C, Da), visual (C, Dv) float32."""

    labels: tuple[str, ...]
    audio_prompts: tuple[str, ...]
    visual_prompts: tuple[str, ...]
    audio_text: NDArray[np.float32]
    visual_text: NDArray[np.float32]


def shard_name(index: int) -> str:
    return f"shards/{index:05d}"
