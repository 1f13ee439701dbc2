"""One encoder on a cluster, for the labels of a store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from ...cache import Store
from ...cache.cluster import connect
from ..command_options import ExtractSettings
from ..writing.configuration import stored_settings
from .backbone import ClusterBackbone, encoders_on
from .encoder import BackboneSource
from .needs import EncoderNeeds


@contextmanager
def text_encoder(
    address: str, needs: Sequence[str], store: Store, backbone: str | None, options: Mapping[str, Any]
) -> Iterator[ClusterBackbone]:
    """One encoder of the texts of a store. Raises: as `connect`, `encoders_on`, and there as `reload_backbone`."""
    wanted = EncoderNeeds.parse(needs)
    declared = store.config.get("backbone", {})
    settings = ExtractSettings(**stored_settings(store.config))
    with connect(address) as cluster:
        may_choose = "device" not in options and declared.get("name") != "demo"
        with encoders_on(
            cluster,
            BackboneSource(backbone, options, declared, store.backbone_class),
            settings,
            wanted.with_device(options, may_choose, cluster.nodes()),
            stored_class=store.backbone_class,
            most=1,
        ) as encoders:
            yield encoders
