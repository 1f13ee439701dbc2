"""What an encoder of a cluster declares to Ray, and how many of them a node gets."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...cache.cluster import Need, Node
from ...core.command_options import parse_size, split_settings
from ...core.errors import UsageError

KEYS = ("gpus", "cpus", "memory")


@dataclass(frozen=True)
class EncoderNeeds:
    """What was requested of ``--ray-encoder``; None: a node's share.

    Where a backbone computes on a GPU, an encoder has one, and its share of the node's processors. On processors, a
    node has one encoder with all of them. What encoders leave of the cluster's processors helps to decode.
    """

    gpus: float | None = None
    cpus: float | None = None
    memory: int | None = None

    @classmethod
    def parse(cls, pairs: Sequence[str]) -> EncoderNeeds:
        """Of ``KEY=VALUE``. Raises: UsageError for an unknown key, a value that is no number, or a key twice."""
        found: dict[str, Any] = {}
        for key, text in split_settings(pairs, "need of an encoder", "gpus=1"):
            if key not in KEYS:
                raise UsageError(f"an encoder has no need {key!r}; it has {', '.join(KEYS)}")
            if key in found:
                raise UsageError(f"the need {key} of an encoder is given twice")
            if key == "memory":
                found[key] = parse_size(text, "--ray-encoder memory")
            elif re.fullmatch(r"[0-9]+(?:\.[0-9]+)?", text.strip()):
                found[key] = float(text)
            else:
                raise UsageError(
                    f"{key}={text} is no amount for an encoder; write, say, gpus=0.5, cpus=4 or memory=16GB"
                )
        if found.get("gpus", 0.0) > 1 and found["gpus"] % 1:
            raise UsageError(f"gpus={found['gpus']:g} is no amount for an encoder; above 1 it must be a whole number")
        return cls(**found)

    def with_device(self, options: Mapping[str, Any], takes_device: bool, nodes: Sequence[Node]) -> EncoderNeeds:
        """The same with GPUs decided: one where the backbone is told to compute there, or may choose and there are any.

        Raises: UsageError for a numbered device: each encoder sees its own GPUs only, from 0.
        """
        device = options.get("device")
        if isinstance(device, str) and re.fullmatch(r"cuda:[0-9]+", device):
            raise UsageError(f"each encoder of a cluster has GPUs of its own; write cuda instead of {device}")
        if self.gpus is not None:
            return self
        if device is None:
            gpus = 1.0 if takes_device and any(node.gpus >= 1 for node in nodes) else 0.0
        else:
            gpus = 1.0 if str(device).startswith("cuda") else 0.0
        return EncoderNeeds(gpus, self.cpus, self.memory)

    def of(self, node: Node) -> list[Need]:
        """What each encoder of a node declares; none where the node has no room for one."""
        gpus, memory = self.gpus or 0.0, self.memory or 0
        if self.cpus is not None:
            need = Need(self.cpus, gpus, memory)
            count = need.fits(node)
        elif gpus:
            count = Need(0.0, gpus, memory).fits(node)
            need = Need(float(node.cpus // count) if count else 0.0, gpus, memory)
        else:
            count = 1 if node.cpus >= 1 and node.memory >= memory else 0
            need = Need(float(int(node.cpus)), 0.0, memory)
        return [need] * count

    def words(self) -> str:
        """What one encoder needs, for a sentence."""
        parts = [f"{self.gpus:g} GPUs" if self.gpus else "", f"{self.cpus or 1:g} CPUs"]
        parts.append(f"{self.memory / 1e9:.1f} GB" if self.memory else "")
        return ", ".join(part for part in parts if part)
