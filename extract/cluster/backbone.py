"""The backbone of a cluster, from the side of the command: `extract`, `--fill`, `--retry` and `embed-text` take it as
any other one. This process alone writes the store, so that no node needs to see it, and nothing that comes back from a
node that was taken for lost can harm a shard."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache.cluster import Cluster, Node, Pool, check_paths
from ...cache.cluster.pool import Worker
from ...core.errors import DataError, shown
from ..backbones.base import Embeddings, Frame, Modality, Waveform
from ..command_options import ExtractSettings
from ..course import State
from ..encoding.encode import METHODS
from ..encoding.plan import VideoPlan
from ..media.find_videos import VideoFile
from ..media.probe import MediaInfo
from ..media.video_readers import READERS
from ..progress import Show, extraction_progress
from ..summary import EncoderShare
from ..writing.elsewhere import BackboneElsewhere
from ..writing.encode_shards import Outcome
from ..writing.reference import Reference
from .encoder import BackboneSource, EncoderFacts, ShardDone, ShardEncoder, ShardWork
from .needs import EncoderNeeds

SHARDS_AHEAD = 2
"""Shards in hand of an encoder: one is encoded, one decoded ahead."""

LOOKED_AT = 8
"""Video files that are looked for on each node before it gets work."""

_STATE_SECONDS = 1.0


class ClusterBackbone(BackboneElsewhere):
    """Encoders on the nodes of a cluster; made by :func:`encoders_on`."""

    def __init__(self, pool: Pool[ShardWork, ShardDone], first: Worker[ShardWork], stored_class: str | None) -> None:
        facts: EncoderFacts = first.facts
        self.name, self.spec, self.device = facts.name, facts.spec, facts.device
        self.stored_class = stored_class
        self._pool = pool
        self._facts = facts
        self._done: dict[Worker[ShardWork], ShardDone] = {}
        self._elsewhere: Counter[Worker[ShardWork]] = Counter()

    def declaration(self) -> dict[str, Any]:
        """As the encoders have it."""
        return dict(self._facts.declared)

    def prompts(self, labels: Sequence[str], modality: Modality) -> list[str]:
        """Of an encoder."""
        return list(self._pool.answer("prompts", list(labels), modality))

    def encode_text(self, prompts: Sequence[str], modality: Modality) -> NDArray[np.float32]:
        """By an encoder."""
        found: NDArray[np.float32] = self._pool.answer("encode_text", list(prompts), modality)
        return found

    def reference(self, towers: bool) -> Reference:
        """Of an encoder."""
        found: Reference = self._pool.answer("reference", towers)
        return found

    def check(self) -> str:
        """What the check of an encoder says."""
        return str(self._pool.answer("check"))

    def encode_images(self, frames: Sequence[Frame]) -> Embeddings:
        """Raises: NotImplementedError; whole shards are encoded on the nodes."""
        raise NotImplementedError

    def encode_audio(self, clips: Sequence[Waveform]) -> Embeddings:
        """Raises: NotImplementedError; whole shards are encoded on the nodes."""
        raise NotImplementedError

    # --- shards -------------------------------------------------------------------------------------------------

    def encode_shards(
        self,
        pending: Sequence[tuple[int, list[str]]],
        files: Mapping[str, VideoFile],
        planner: Callable[[MediaInfo], VideoPlan],
        progress: Show = None,
    ) -> Iterator[tuple[int, list[Outcome]]]:
        """The shards in the order in which they come back; what a lost node had in hand is encoded again.

        Raises: as `Pool.results`.
        """

        def units() -> Iterator[tuple[str, ShardWork]]:
            for index, ids in pending:
                own = {id: _absolute(files[id]) for id in ids if id in files}
                yield f"shard {index}", ShardWork(index, ids, own, planner, self._helpers())

        sizes = {f"shard {k}": sum(files[id].path is not None for id in ids if id in files) for k, ids in pending}
        course = _ClusterCourse(self._pool, sum(sizes.values()))
        with extraction_progress(course.state, progress):
            for key, worker, done in self._pool.results_by(units()):
                self._done[worker] = done
                self._elsewhere[worker] += done.elsewhere
                course.done += sizes[str(key)]
                yield int(str(key).removeprefix("shard ")), done.outcomes

    def _helpers(self) -> int:
        """Videos that other nodes decode for each encoder: those that their free processors allow."""
        workers = self._pool.workers
        free = sum(node.cpus for node in self._pool.cluster.nodes()) - sum(worker.need.cpus for worker in workers)
        return int(max(0.0, free) // max(1, len(workers)))

    def encoded(self) -> dict[str, int]:
        """Items that were encoded in the shards that came back, by kind."""
        return {kind: sum(done.encoded[kind] for done in self._done.values()) for kind in METHODS}

    def shares(self) -> list[EncoderShare]:
        """Of each encoder that became ready, lost ones included, what it did."""
        found = []
        now = time.monotonic()
        for worker in self._pool.known:
            if not worker.ready:
                continue
            done = self._done.get(worker)
            seconds = (worker.ended or now) - worker.began
            encode = done.seconds["encode"] if done else 0.0
            counts = (worker.count, self._elsewhere[worker])
            found.append(EncoderShare(worker.node.words, worker.facts.device, *counts, encode, seconds))
        return found

    def stages(self) -> dict[str, float]:
        """Seconds of all encoders by stage."""
        names = ("decode_wait", "encode")
        return {name: sum(done.seconds[name] for done in self._done.values()) for name in names}


class _SameEncoder:
    """Called with every worker that becomes ready. Raises: DataError where its encoder is another one than that of the
    first, or has another video reader."""

    def __init__(self) -> None:
        self._first: Worker[ShardWork] | None = None

    def __call__(self, worker: Worker[ShardWork]) -> None:
        first = self._first = self._first or worker
        one, other = ({**w.facts.declared, "video reader": w.facts.reader} for w in (first, worker))
        differing = [key for key in sorted({*one, *other}) if one.get(key) != other.get(key)]
        if differing:
            key = differing[0]
            raise DataError(
                f"{worker.node.words} has another encoder: its {key} is {shown(other.get(key))}, and on "
                f"{first.node.words} it is {shown(one.get(key))}; give all nodes the same weights and versions"
            )


class _ClusterCourse:
    """How far the shards of a cluster are: those that came back, and what encoders say of those in hand."""

    def __init__(self, pool: Pool[ShardWork, ShardDone], files: int) -> None:
        self._pool = pool
        self._files = files
        self._began = time.perf_counter()
        self._watch = pool.watch("state", _STATE_SECONDS)
        self.done = 0

    def state(self) -> State:
        """How far it is now; asked from another thread."""
        with suppress(Exception):  # a node that is lost says nothing
            next(self._watch)
        known = [worker.last for worker in list(self._pool.workers) if isinstance(worker.last, State) and worker.hand]
        in_hand = State.together(known)
        done = min(self._files, self.done + in_hand.done)
        files, seconds = max(1, self._files), time.perf_counter() - self._began
        share = min(1.0, (self.done + in_hand.share * in_hand.files) / files)
        left = seconds * (1 - share) / share if share > 0 else None
        return State(done, self._files, share, seconds, left, in_hand.current)


@contextmanager
def encoders_on(
    cluster: Cluster,
    source: BackboneSource,
    settings: ExtractSettings,
    needs: EncoderNeeds,
    *,
    sources: Sequence[str | os.PathLike[str]] = (),
    videos: Sequence[VideoFile] = (),
    stored_class: str | None = None,
    most: int | None = None,
) -> Iterator[ClusterBackbone]:
    """Encoders on a cluster, for as long as the context lasts.

    Parameters
    ----------
    needs : with GPUs decided
    sources, videos : the folders and files that every node has to see, and what is to be encoded
    most : encoders at most

    Raises
    ------
    DataError
        no node has room for an encoder; a node that does not see the videos, or does not have the backbone, named
    UsageError
        the same where the request is wrong, say an option that the backbone does not take
    """
    nodes = cluster.nodes()
    if not any(needs.of(node) for node in nodes):
        raise DataError(
            f"no node of the cluster has {needs.words()} for an encoder: "
            + "; ".join(f"{n.words} has {n.gpus:g} GPUs, {n.cpus:g} CPUs" for n in nodes[:4])
            + "; give --ray-encoder less, or add nodes"
        )
    paths = _to_see(sources, videos)

    def check(some: Sequence[Node]) -> None:
        if paths:
            check_paths(some, paths)

    check([node for node in nodes if node.cpus or needs.of(node)])
    READERS[settings.video_reader].declare()
    pool = Pool[ShardWork, ShardDone](
        cluster,
        ShardEncoder,
        (source, settings),
        needs.of,
        ahead=SHARDS_AHEAD,
        threads=SHARDS_AHEAD,
        check=check,
        accept=_SameEncoder(),
    )
    with pool:
        yield ClusterBackbone(pool, pool.begin(most), stored_class)


def _to_see(sources: Sequence[str | os.PathLike[str]], videos: Sequence[VideoFile]) -> list[tuple[str, int | None]]:
    """Folders, and a few files with their sizes."""
    folders = [(os.path.abspath(source), None) for source in sources if os.path.isdir(source)]
    files = [video.path for video in videos if video.path is not None]
    few = files[:: max(1, len(files) // LOOKED_AT)][:LOOKED_AT]
    found: list[tuple[str, int | None]] = [*folders]
    for path in few:
        with suppress(OSError):  # what is wrong with it is its status
            found.append((os.path.abspath(path), os.path.getsize(path)))
    return found


def _absolute(video: VideoFile) -> VideoFile:
    return video if video.path is None else replace(video, path=Path(os.path.abspath(video.path)))
