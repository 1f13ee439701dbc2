"""An import of embeddings: a mapping and files in, a store of embeddings out, shard by shard."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ....core.errors import DataError, Interrupted
from ...layout.location import Location
from ...layout.schema import SHARD_VIDEOS, VideoRecord, Vocabulary
from ...store import Store
from ...stored_embeddings import stored_embeddings
from ...writer import StoreWriter
from .files import ReadTensors
from .ids import Listed
from .made_up import made_up
from .plan import MODALITIES, EmbeddingsMapping
from .sources import Source, open_source
from .summary import ImportSummary, summary_of
from .text import kept_vocabulary, text_labels, text_of_arrays
from .videos import VideoReader, Wanted
from .width import width_of

_SHARD_BYTES = 256 << 20
"""Of the arrays of a shard as they lie in the files, about: what is held at once is a few times as much."""


@dataclass(frozen=True, eq=False)
class TextTower:
    """The encoder of text that belongs to the embeddings; made in ``extract/``.

    declared : of the backbone, as stores declare it
    widths : of its embeddings, by modality
    encode : labels to a vocabulary
    prompts, reference : fixed texts and their rows, by which other weights are noticed
    backbone_class : ``module:Class`` of one from elsewhere
    """

    declared: Mapping[str, Any]
    widths: Mapping[str, int]
    encode: Callable[[Sequence[str]], Vocabulary]
    prompts: Sequence[str]
    reference: Mapping[str, NDArray[Any]]
    backbone_class: str | None = None


def import_by_mapping(
    source: str | os.PathLike[str],
    url: str | os.PathLike[str],
    plan: EmbeddingsMapping,
    *,
    labels: Sequence[str] | None = None,
    tower: TextTower | None = None,
    read_tensors: ReadTensors | None = None,
    advance: Callable[[int, int], None] = lambda done, of: None,
) -> ImportSummary:
    """Make a store of the embeddings that a mapping names, or go on with one whose import was interrupted.

    A store that is there keeps what it has: new videos are added, those without data are looked for again.

    Parameters
    ----------
    source : the folder of the files, or a file
    labels : of the text; by default the mapping's list
    tower : of the backbone that the mapping names for text
    read_tensors : reads files of torch
    advance : called with the number of videos that are done, and of all

    Raises
    ------
    DataError
        what concerns more than one video: a folder, a list or an array of all videos that is missing, damaged or does
        not fit; a store of something else
    UsageError
        a package that a format needs is not installed
    Interrupted
        stopped from the keyboard; the same call goes on
    """
    path = Path(source)
    if not path.exists():
        raise DataError(f"there is no file or folder {path}; check the path")
    folder, file = (path, None) if path.is_dir() else (path.parent, path)
    with ExitStack() as opened:
        listed = Listed(folder, file, plan, read_tensors)
        sources, clips = _open(folder, file, plan, listed, read_tensors, opened)
        wanted = listed.wanted({**sources, **{f"{name} clip": clip for name, clip in clips.items()}})
        known = _known_widths(url)
        widths = known or {
            name: width_of(plan.modalities.get(name), sources.get(name), wanted, name, of_text)
            for name, of_text in (dict.fromkeys(MODALITIES, 1) if tower is None else tower.widths).items()
        }
        _refuse_other_tower(plan, tower, widths)
        names = text_labels(folder, plan, labels)
        vocabulary = None
        if plan.text is not None and plan.text.arrays:
            vocabulary = text_of_arrays(folder, file, plan, names, widths, read_tensors)
        elif labels is not None and tower is None:
            raise DataError(
                f"{plan.path} has no text for the labels; name it in [embeddings.text], or leave out --labels"
            )
        reader = VideoReader(plan, sources, clips, widths)
        config = {
            "imported": {**_old_name(url), **plan.declared(), "made_up": made_up(plan)},
            **({} if tower is None else {"backbone": dict(tower.declared)}),
            "dims": {**widths, "visual_rows": 1},
            "dtype": plan.dtype,
            "segment_seconds": float(plan.segment_seconds),
            "windows": "none",
        }
        StoreWriter.check(url, config)
        renew = not kept_vocabulary(url, plan, names, vocabulary)
        if not known:
            _refuse_where_nothing_is_read(reader, wanted)
        writer = StoreWriter.open(
            url, config, [video.id for video in wanted], backbone_class=None if tower is None else tower.backbone_class,
            shard_videos=_shard_videos([*sources.values(), *clips.values()], len(wanted)),
        )  # fmt: skip
        with writer:
            if tower is not None:
                writer.keep_reference(tower.prompts, tower.reference)
                vocabulary = tower.encode(names) if names and renew else None
            new = _write(writer, url, reader, wanted, advance)
            if vocabulary is not None and renew:
                writer.set_vocabulary(vocabulary)
            writer.finish()
        known_ids = {video.raw for video in wanted}
        left_out = {id for source in sources.values() for id in source.ids or () if id not in known_ids}
    return summary_of(url, plan, new, len(left_out), tower is not None)


def _open(
    folder: Path,
    file: Path | None,
    plan: EmbeddingsMapping,
    listed: Listed,
    read_tensors: ReadTensors | None,
    opened: ExitStack,
) -> tuple[dict[str, Source], dict[str, Source]]:
    """Where the arrays of each modality lie, and those of whole clips."""
    column = plan.ids.listed.column if plan.ids.listed is not None and plan.ids.listed.column else "video_id"
    sources: dict[str, Source] = {}
    clips: dict[str, Source] = {}
    for name, modality in plan.modalities.items():
        hop = modality.seconds or plan.segment_seconds / (modality.per_segment or 1)
        rest = (read_tensors, opened, column, plan.other_files())
        sources[name] = open_source(folder, file, modality.array, hop, listed.counts, *rest)
        if modality.clip is not None:
            clips[name] = open_source(folder, file, modality.clip, hop, listed.counts, *rest)
        if sources[name].ids is not None and not sources[name].ids:
            where = modality.array.where
            raise DataError(f"{folder} has nothing of {name} at {where.path or where.key!r}; check path and key")
    return sources, clips


def _known_widths(url: str | os.PathLike[str]) -> dict[str, int] | None:
    """Of the store that is there; None where there is none."""
    place = Location(url)
    if place.attributes(any_version=True) is None:
        return None
    config = Store(place).config
    dims = config.get("dims")
    return None if "imported" not in config or dims is None else {name: dims[name] for name in MODALITIES}


def _refuse_where_nothing_is_read(reader: VideoReader, wanted: Sequence[Wanted]) -> None:
    """Raises: DataError where no video can be read: a store of such a mapping would refuse the corrected one."""
    first = None
    try:
        for video in wanted:
            record, _ = reader.read(video)
            if record.has_data:
                return
            first = first if first is not None and first.status == "unreadable" else record
    except KeyboardInterrupt:
        raise Interrupted("interrupted before anything was written; run the same command again") from None
    assert first is not None
    raise DataError(f"none of the {len(wanted)} videos can be read; {first.id}: {first.reason}")


def _old_name(url: str | os.PathLike[str]) -> dict[str, Any]:
    """What a store of an older version declares beside the mapping: the name of the folder."""
    place = Location(url)
    imported = {} if place.attributes(any_version=True) is None else Store(place).config.get("imported", {})
    return {"source": imported["source"]} if "source" in imported else {}


def _refuse_other_tower(plan: EmbeddingsMapping, tower: TextTower | None, widths: Mapping[str, int]) -> None:
    for name in plan.modalities if tower is not None else ():
        assert tower is not None
        if tower.widths[name] != widths[name]:
            raise DataError(
                f"{plan.path}: [embeddings.text]: the backbone {tower.declared['name']!r} makes {name} embeddings of "
                f"width {tower.widths[name]}, and those of the files are {widths[name]} wide; name the one they are of"
            )


def _shard_videos(sources: Sequence[Source], count: int) -> int:
    mean = sum(source.bytes for source in sources) // max(count, 1)
    return max(1, min(SHARD_VIDEOS, _SHARD_BYTES // max(mean, 1)))


def _write(
    writer: StoreWriter,
    url: str | os.PathLike[str],
    reader: VideoReader,
    wanted: Sequence[Wanted],
    advance: Callable[[int, int], None],
) -> int:
    """Write the shards that are left, and those again in which videos without data are found now; how many are new."""
    videos = {video.id: video for video in wanted}
    done = new = 0
    try:
        writer.finish_replacements()
        left, before = dict(writer.pending()), Store(Location(url))
        for index, ids in writer.shards():
            if index in left:
                of_shard = []
                for id in ids:
                    of_shard.append(_read(reader, videos.get(id), id))
                    done += 1
                    advance(done, len(videos))
                writer.write_shard(index, of_shard)
                new += len(ids)
            else:
                new += _again(writer, reader, videos, index, before)
                done += len(ids)
                advance(done, len(videos))
    except KeyboardInterrupt:
        raise Interrupted(
            f"interrupted: {done} of {len(videos)} videos were read, those of whole shards are in {url}; run the same "
            "command again to do the rest"
        ) from None
    return new


def _read(reader: VideoReader, video: Wanted | None, id: str) -> Any:
    if video is None:
        return VideoRecord(id, "missing", "the mapping does not name it any more"), None
    return reader.read(video)


def _again(writer: StoreWriter, reader: VideoReader, videos: Mapping[str, Wanted], index: int, store: Store) -> int:
    """Replace a shard where a video that lacks data is found now; how many. The others keep what the store has."""
    stored = store.records_of(index)
    lacking = [record for record in stored if record.status != "ok" and record.id in videos]
    again = ((record, reader.read(videos[record.id])) for record in lacking)
    found = {record.id: now for record, now in again if _better(now[0], record)}
    if found:
        kept = stored_embeddings(store, index)
        writer.replace_shard(index, [found.get(r.id, (r, kept.get(r.id))) for r in stored])
    return len(found)


def _better(now: VideoRecord, before: VideoRecord) -> bool:
    return now.has_audio + now.has_visual > before.has_audio + before.has_visual
