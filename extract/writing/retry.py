"""Trying videos again that gave no data: files that were missing, broken or not finished may be whole by now.

A shard in which something changed is written beside the old one and takes its place when it is whole; the embeddings of
its other videos are passed on as they are stored. The store's bytes are then those of an extraction for which the files
were whole from the start.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence

from ...cache import Store, StoreWriter, VideoEmbeddings, VideoRecord, open_store
from ...cache.stored_embeddings import stored_embeddings
from ...core.errors import DataError, UsageError
from ..backbones.base import Backbone
from ..command_options import ExtractSettings
from ..encoding.plan import Planner
from ..media.find_videos import Source, VideoFile, find_videos
from ..progress import Show
from ..summary import ExtractSummary
from .configuration import stored_settings
from .encode_shards import Outcome
from .fill import lacks_windows
from .shard_loop import ShardLoop


def retry_videos(
    videos: Source | Sequence[Source],
    store_url: str | os.PathLike[str],
    backbone: Backbone | type[Backbone] | str = "demo",
    labels: Sequence[str] = (),
    settings: ExtractSettings | None = None,
    *,
    ids: Iterable[str] | None = None,
    progress: Show = None,
    stop: Callable[[], bool] | None = None,
) -> ExtractSummary:
    """Try every video of a store that has no data again, with the files given now, and do the rest of its plan.

    A video of which no file is given now keeps its status and reason; no video is added to the plan. Run it again after
    an interruption; several parts can be done at once, as in `extract_videos`, whose parameters these are.

    Parameters
    ----------
    settings : None: those that the store was made with
    ids : of the videos without data, only these; None: all of them

    Raises
    ------
    UsageError
        a store of imported scores; ids that are not in the store
    DataError
        no store there, one of another configuration, or one to which windows are being added
    Interrupted
        stopped from the keyboard
    """
    store = open_store(store_url)
    files = {video.id: video for video in left_to_do(store, videos, ids)}
    settings = settings or ExtractSettings(**stored_settings(store.config))
    loop = ShardLoop(store_url, backbone, labels, settings, progress, stop)
    with loop.writer() as writer:
        writer.finish_replacements()
        store = open_store(store_url)
        again = _to_try_again(store, writer, files, settings)

        def write(index: int, outcomes: list[Outcome]) -> bool:
            found = {outcome.record.id: loop.stored(outcome) for outcome in outcomes}
            if index not in again:
                writer.write_shard(index, list(found.values()))
            elif any(found[r.id][0] != r for r in store.records_of(index) if r.id in found):
                writer.replace_shard(index, _renewed(store, index, found))
            return True

        work = sorted([*again.items(), *writer.pending()])
        loop.encode(work, files, Planner.of(loop.backbone.spec, settings), write)
        loop.finish(writer)
    return loop.summary(videos)


def left_to_do(store: Store, videos: Source | Sequence[Source], ids: Iterable[str] | None = None) -> list[VideoFile]:
    """What `retry_videos` would do: the videos without data of which there is a file now, and the rest of the plan."""
    if store.kind != "embeddings":
        raise UsageError(f"{store.url} holds imported scores; only the videos of an extraction can be tried again")
    planned = [id for shard in store.plan for id in shard]
    chosen = set(planned if ids is None else ids)
    foreign = sorted(chosen.difference(planned))
    if foreign:
        raise UsageError(f"{store.url} has no video {foreign[0]!r} to try again; without --retry it would be added")
    data = {record.id: record.has_data for record in store.videos}
    return [
        video
        for video in find_videos(videos, planned)
        if video.id not in data or (not data[video.id] and video.path is not None and video.id in chosen)
    ]


def _to_try_again(
    store: Store, writer: StoreWriter, files: Mapping[str, VideoFile], settings: ExtractSettings
) -> dict[int, list[str]]:
    """The videos to try again, by shard."""
    again = {}
    for index in [index for index, _ in writer.shards() if index in store.committed]:
        ids = [record.id for record in store.records_of(index) if not record.has_data and record.id in files]
        if ids and lacks_windows(store, index, settings):
            raise DataError(
                f"{store.url} has begun to be filled with more windows; finish that first, with the command that "
                "began it"
            )
        if ids:
            again[index] = ids
    return again


def _renewed(
    store: Store, index: int, found: Mapping[str, tuple[VideoRecord, VideoEmbeddings | None]]
) -> list[tuple[VideoRecord, VideoEmbeddings | None]]:
    """The videos of a shard, those found now in the place of their old records, the others as they are stored."""
    kept = stored_embeddings(store, index)
    return [found.get(record.id, (record, kept.get(record.id))) for record in store.records_of(index)]
