"""Video files in, a store of embeddings and scores out. A file that cannot be used costs nothing but itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence

from ...core.arguments import typed_arguments
from ..backbones.base import Backbone
from ..command_options import ExtractSettings
from ..encoding.plan import Planner
from ..media.find_videos import Source, find_videos
from ..progress import Show
from ..summary import ExtractSummary
from .encode_shards import Outcome
from .shard_loop import ShardLoop


@typed_arguments
def extract_videos(
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
    """Extract a folder of videos, or the given files, into a store; or go on where an earlier run was interrupted.

    Videos are decoded ahead and encoded together, whole shards are written. A file that cannot be used gets a status
    and a reason in the store and is skipped. The result is the same, byte for byte, for any number of workers and
    however often the run was interrupted, where the backbone gives an item the same row in any company.

    Parameters
    ----------
    videos : a folder, a file, or several; see `find_videos`
    store_url : a local path or fsspec URL; a store of another configuration is refused
    backbone : a `Backbone`, a class of one, a name, or ``package.module:Class``
    labels : what to score; none: embeddings only, `embed_labels` can add labels later
    ids : exactly the videos to extract; those without a file get the status ``missing``
    progress : show it on stderr; None: if that is a terminal; or what shows it elsewhere, see :mod:`..progress`
    stop : called between shards; True stops, as Ctrl-C does

    Raises
    ------
    UsageError
        no videos, an unknown backbone, wrong labels
    DataError
        the place holds something else or another configuration; the backbone fails as a whole; the disk is full
    Interrupted
        stopped from the keyboard; what was committed is in the store, and the same call finishes it
    """
    settings = settings or ExtractSettings()
    files = {video.id: video for video in find_videos(videos, ids)}
    loop = ShardLoop(store_url, backbone, labels, settings, progress, stop)
    with loop.writer(list(files), shard_videos=settings.shard_size(len(files))) as writer:

        def write(index: int, outcomes: list[Outcome]) -> bool:
            writer.write_shard(index, [loop.stored(outcome) for outcome in outcomes])
            return True

        loop.encode(writer.pending(), files, Planner.of(loop.backbone.spec, settings), write)
        loop.finish(writer)
    return loop.summary(videos)
