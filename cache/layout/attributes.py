"""What the attributes of each kind of group must say, in version 1 and 2; others may add further ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from ...core.bundle_checks import MAX_SEGMENT_SECONDS
from ...core.errors import DataError
from ..reading.schema import checked
from .location import Location
from .schema import FOLDER_NAME, RATES, rates_of

_Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 40)]
_Width = Annotated[int, msgspec.Meta(ge=1, le=1 << 24)]
_Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e12)]
_SegmentSeconds = Annotated[float, msgspec.Meta(gt=0, le=MAX_SEGMENT_SECONDS)]
_Hash = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
_Folder = Annotated[str, msgspec.Meta(pattern=f"^{FOLDER_NAME.pattern}$")]


class Rates(msgspec.Struct):
    """Rows of the finest embeddings per segment."""

    audio: int
    visual: int


class Root(msgspec.Struct):
    """The root of a store."""

    format: str
    schema_version: int
    kind: Literal["embeddings", "scores"]
    fingerprint: _Hash
    config: dict[str, Any]
    plan: list[list[str]]
    vocabulary: _Folder | None
    backbone_class: str | None = None
    rates: Rates | None = None
    ledger: dict[str, _Hash] | None = None
    inner: dict[_Folder, _Hash | None] | None = None
    seal: _Hash | None = None


class _Dims(msgspec.Struct):
    audio: _Width
    visual: _Width
    visual_rows: _Width
    audio_frames: _Width = 1
    audio_visual: _Width | None = None


class EmbeddingsConfig(msgspec.Struct):
    """What every declared configuration of embeddings holds."""

    dtype: Literal["float16", "float32"]
    segment_seconds: _SegmentSeconds
    dims: _Dims
    backbone: dict[str, Any] = {}


class _Note(msgspec.Struct):
    kind: str
    text: str


class Record(msgspec.Struct):
    """The record of one video; those of version 1 have no notes."""

    id: str
    status: str
    reason: str
    segments: _Count
    duration: _Seconds
    notes: list[_Note] = []


class Marker(msgspec.Struct, kw_only=True):
    """What the markers of all committed groups have in common: the hashes of the group's files."""

    committed: bool
    sha256: dict[str, _Hash]


class ShardMarker(Marker, kw_only=True):
    """The marker of a shard."""

    videos: list[Record]
    content: _Hash | None = None


class VocabularyMarker(Marker, kw_only=True):
    """The marker of a vocabulary."""

    labels: list[str]
    audio_prompts: list[str]
    visual_prompts: list[str]
    audio_visual_prompts: list[str] = []
    logits: dict[Literal["audio", "visual", "audio_visual"], tuple[float, float]] = {}


class ScoresMarker(Marker, kw_only=True):
    """The marker of the scores of a vocabulary; ``shards``: the digest of the shards that they were computed from."""

    kind: str
    segment_seconds: _SegmentSeconds
    video_ids: list[str]
    shards: str
    content: _Hash | None = None


class ScoreSetMarker(ScoresMarker, kw_only=True):
    """The marker of the group of a score set."""

    labels: list[str]
    config: dict[str, Any]
    fingerprint: _Hash


class ReferenceMarker(Marker, kw_only=True):
    """The marker of the reference rows; those of earlier versions do not say what they were made with."""

    prompts: list[str]
    made_with: dict[str, str] = {}


class ScoreSetPointer(msgspec.Struct):
    """The attributes of a score set's folder."""

    current: _Folder


def check_attributes(place: Location, group: str, attributes: Mapping[str, Any], schema: type[msgspec.Struct]) -> None:
    """Raises: DataError where attributes are not those of their kind; the message has the file and the place in it."""
    where = f"{place.url}/{group}/zarr.json" if group else f"{place.url}/zarr.json"
    checked(dict(attributes), schema, where, f"`avreplay verify {place.url}` says what to do")


def typed_marker(place: Location, group: str, schema: type[Marker]) -> dict[str, Any] | None:
    """The marker of a committed group, with all that ``schema`` declares; None where it is missing or unfinished."""
    marker = place.marker(group)
    if marker is not None:
        check_attributes(place, group, marker, schema)
    return marker


def check_root_attributes(place: Location, root: Mapping[str, Any]) -> None:
    """Raises: DataError where the attributes of a root are incomplete, of another type, or of a newer avreplay."""
    check_attributes(place, "", root, Root)
    where = f"{place.url}/zarr.json"
    if root["kind"] == "embeddings":
        checked(dict(root["config"]), EmbeddingsConfig, f"{where}, 'config'", "restore it from a copy")
        if not all(root["plan"]):
            raise DataError(f"{where} plans a shard without videos; restore it from a copy")
    if root["schema_version"] == 1:
        return
    for key in ("seal", "rates", "ledger"):
        if key not in root:
            raise DataError(f"{where} has lost {key!r}; restore it from a copy")
    readable = rates_of(root["config"]) if root["kind"] == "embeddings" else RATES
    if root["rates"] != readable:
        raise DataError(
            f"{place.url} has {root['rates']} rows a segment, of which this avreplay reads only {readable}; "
            "read it with a newer avreplay"
        )
