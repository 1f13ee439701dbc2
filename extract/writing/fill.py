"""Adding windows to a store that was made with fewer: only what is missing is encoded, shard by shard.

A shard with more windows is written beside the old one and takes its place when it is whole, so that the store is valid
at every moment. The store declares the new window rule once all its shards have it; its bytes are then those of an
extraction with that rule from the start. Embeddings of another backbone are added by `second_backbone`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...cache import Store, StoreWriter, VideoEmbeddings, VideoRecord, open_store
from ...cache.stored_embeddings import stored_embeddings
from ...core.errors import DataError, UsageError
from ..backbones.base import Backbone, BackboneSpec
from ..backbones.registry import as_backbone
from ..command_options import ExtractSettings
from ..encoding.encode import METHODS, OF_WINDOWS, Rows
from ..encoding.plan import Planner, VideoPlan
from ..encoding.sampling import has_all, most_windows, window_list
from ..media.find_videos import Source, find_videos
from ..media.probe import MediaInfo
from ..progress import Show
from ..summary import ExtractSummary
from .configuration import declare_for
from .encode_shards import Outcome
from .shard_loop import ShardLoop

WINDOW_SETTINGS = ("windows", "max_all_segments")
_MORE = ("none", "multiscale", "auto", "all")


@dataclass(frozen=True)
class FillPlanner:
    """Plans what `new` has and `old` has not; the plan's places are those of ``new``."""

    old: Planner
    new: Planner

    def __call__(self, info: MediaInfo) -> VideoPlan:
        old, new = self.old(info), self.new(info)
        lacking = {kind: getattr(new, kind)[known_rows(old, new, kind) < 0] for kind in OF_WINDOWS}
        known = {kind: getattr(new, kind)[:0] for kind in METHODS if kind not in OF_WINDOWS}
        return replace(new, **lacking, **known)


def known_rows(old: VideoPlan, new: VideoPlan, kind: str) -> NDArray[np.int64]:
    """For each item of the new plan its row in the old one, -1 where it has none."""
    place = {_key(item): row for row, item in enumerate(getattr(old, kind).tolist())}
    return np.array([place.get(_key(item), -1) for item in getattr(new, kind).tolist()], np.int64)


def fill_store(
    videos: Source | Sequence[Source],
    store_url: str | os.PathLike[str],
    backbone: Backbone | type[Backbone] | str = "demo",
    labels: Sequence[str] = (),
    settings: ExtractSettings | None = None,
    *,
    progress: Show = None,
    stop: Callable[[], bool] | None = None,
) -> ExtractSummary:
    """Add the windows of ``settings.windows`` to a store, and labels if any are given.

    Nothing that the store has is encoded again. Run it again after an interruption; several parts can be filled at
    once, as in `extract_videos`, whose parameters these are.

    Raises
    ------
    UsageError
        another backbone, or windows that are not more than the store has
    DataError
        no store there, an unfinished one, one of another configuration; videos that cannot be read as they were
    Interrupted
        stopped from the keyboard
    """
    settings = settings or ExtractSettings()
    backbone = as_backbone(backbone)
    before = check_fill(store_url, backbone, settings)
    loop = ShardLoop(store_url, backbone, labels, settings, progress, stop)
    spec = loop.backbone.spec
    planner = FillPlanner(Planner.of(spec, before), Planner.of(spec, settings))
    problems: list[VideoRecord] = []
    with loop.writer(may_differ=WINDOW_SETTINGS) as writer:
        writer.finish_replacements()
        store = open_store(store_url)
        lacking = [index for index, _ in writer.shards() if lacks_windows(store, index, settings)]
        wanted = [(index, [r.id for r in store.records_of(index) if r.has_data]) for index in lacking]
        files = {v.id: v for v in find_videos(videos, (id for _, ids in wanted for id in ids))} if wanted else {}

        def write(index: int, outcomes: list[Outcome]) -> bool:
            bad = [p for p in map(_problem, outcomes, with_data(store, index)) if p is not None]
            problems.extend(bad)
            if not bad:
                writer.replace_shard(index, _merged(store, index, outcomes, planner, spec))
            return not bad

        loop.encode(wanted, files, planner, write)
        with loop.writing():
            whole = writer.declare(
                loop.config, lambda now: not any(lacks_windows(now, k, settings) for k in now.committed)
            )
        # of several parts, the last one writes the scores
        loop.finish(writer, scores=whole or settings.part is None)
    if problems:
        p = problems[0]
        raise DataError(
            f"{len(problems)} videos cannot be filled, {p.id!r} among them: {p.reason}; their shards stay as they "
            "were: give the videos that the store was made from, and run the same command again"
        )
    return loop.summary(videos)


def lacks_windows(store: Store, index: int, settings: ExtractSettings) -> bool:
    """Whether a committed shard has other windows than the settings ask for."""
    have = store.shard_arrays(index, ["window_index"])["window_index"]
    records, count = with_data(store, index), 0
    for k, record in enumerate(records):
        mine = have[have[:, 0] == k, 1:]
        rule = record.segments, settings.windows, settings.max_all_segments
        # all windows of a long video are many: they are not made to see that it has fewer
        if (has_all(*rule) and len(mine) != most_windows(*rule)) or not np.array_equal(mine, window_list(*rule)):
            return True
        count += len(mine)
    return count != len(have)


def check_fill(store_url: str | os.PathLike[str], backbone: Backbone, settings: ExtractSettings) -> ExtractSettings:
    """The settings that the store was made with, as far as windows go, if they can be filled up.

    Raises: as `fill_store` does before it decodes a video.
    """
    store = open_store(store_url)
    if store.kind != "embeddings":
        raise UsageError(f"{store.url} holds imported scores; only the store of an extraction can be filled")
    name = store.config.get("backbone", {}).get("name")
    if name != backbone.name:
        raise UsageError(
            f"{store.url} holds embeddings of the backbone {name}, so those of {backbone.name} cannot be filled up in "
            "it; `second_backbone.add_backbone` puts another backbone's beside them"
        )
    if not store.complete:
        raise DataError(f"{store.url} is not finished; finish it first, with the command that began it")
    StoreWriter.check(store_url, declare_for(store_url, backbone, settings), WINDOW_SETTINGS)
    before = replace(settings, **{key: store.config[key] for key in WINDOW_SETTINGS})
    if fewer_windows(settings, before):
        raise UsageError(
            f"{store.url} has the windows {before.windows!r}, and {settings.windows!r} are not more; windows can only "
            "be added"
        )
    return before


def fewer_windows(settings: ExtractSettings, than: ExtractSettings) -> bool:
    """Whether a window rule gives fewer windows than another one, for videos of some lengths at least."""
    if settings.windows == than.windows == "auto":
        return settings.max_all_segments < than.max_all_segments
    return _MORE.index(settings.windows) < _MORE.index(than.windows)


def with_data(store: Store, index: int) -> list[VideoRecord]:
    """The records of a shard's videos that have data, in order."""
    return [record for record in store.records_of(index) if record.has_data]


def _problem(outcome: Outcome, stored: VideoRecord) -> VideoRecord | None:
    """What keeps a video from being filled."""
    now = outcome.record
    if outcome.rows is None:
        return now
    if (now.status, now.segments, now.duration) != (stored.status, stored.segments, stored.duration):
        return replace(now, reason="the file is another one than the store was made from")
    return None


def _merged(
    store: Store, index: int, outcomes: Sequence[Outcome], planner: FillPlanner, spec: BackboneSpec
) -> list[tuple[VideoRecord, VideoEmbeddings | None]]:
    """The videos of a shard with all their windows, as `StoreWriter.replace_shard` takes them."""
    stored = stored_embeddings(store, index)
    full = {}
    for outcome in outcomes:
        assert outcome.info is not None
        assert outcome.rows is not None
        old, new = planner.old(outcome.info), planner.new(outcome.info)
        known = _rows_of(old, stored[outcome.record.id], spec)
        rows = Rows.empty(outcome.record.id, new, spec)
        rows.frames, rows.pairs = known.frames, known.pairs
        for kind in OF_WINDOWS:
            place = known_rows(old, new, kind)
            target = getattr(rows, kind)
            target[place >= 0] = getattr(known, kind)[place[place >= 0]]
            target[place < 0] = getattr(outcome.rows, kind)
        full[outcome.record.id] = rows.embeddings(spec)
    return [(record, full.get(record.id)) for record in store.records_of(index)]


def _rows_of(plan: VideoPlan, e: VideoEmbeddings, spec: BackboneSpec) -> Rows:
    """The rows that a plan's embeddings were made of."""
    rows = Rows.empty("", plan, spec)
    visual = rows.pictures if spec.visual_rows > 1 else rows.sequences
    if e.visual_segments is not None and e.visual_clip is not None and e.window_visual is not None:
        rows.pictures[plan.segment_picture] = e.visual_segments
        visual[plan.clip_visual] = e.visual_clip
        visual[plan.window_visual] = e.window_visual
    if e.audio_segments is not None and e.audio_clip is not None and e.window_audio is not None:
        rows.sounds[plan.segment_sound] = e.audio_segments
        rows.sounds[plan.clip_sound] = e.audio_clip
        rows.sounds[plan.window_sound] = e.window_audio
    if e.audio_frames is not None:
        rows.frames[:] = e.audio_frames
    if e.audio_visual_segments is not None:
        rows.pairs[:] = e.audio_visual_segments
    return rows


def _key(item: Iterable[int] | int) -> tuple[int, ...]:
    return (item,) if isinstance(item, int) else tuple(item)
