"""The encoders of an extraction on a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ...cache.cluster import connect
from ..backbones.options import takes_option
from ..backbones.registry import backbone_class, class_path
from ..media.find_videos import VideoFile
from ..writing.devices import Job
from .backbone import ClusterBackbone, encoders_on
from .encoder import BackboneSource
from .needs import EncoderNeeds


@contextmanager
def job_encoders(
    address: str, needs: Sequence[str], job: Job, videos: Sequence[VideoFile]
) -> Iterator[ClusterBackbone]:
    """The encoders of an extraction. Raises: as `connect`, `EncoderNeeds.parse` and `encoders_on`."""
    wanted, found = EncoderNeeds.parse(needs), backbone_class(job.backbone)
    shards = -(-len(videos) // job.settings.shard_size(len(videos)))
    with connect(address) as cluster:
        takes_device = takes_option(job.backbone, "device")
        with encoders_on(
            cluster,
            BackboneSource(job.backbone, job.options),
            job.settings,
            wanted.with_device(job.options, takes_device, cluster.nodes()),
            sources=job.media,
            videos=videos,
            stored_class=class_path(found),
            most=max(1, shards),
        ) as encoders:
            yield encoders
