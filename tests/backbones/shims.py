"""What lets the packages import beside the CPU build of torch, and keeps every test off the network.

With the CPU build of torch, torchvision's compiled part does not load: its two operators are declared here so that the
package imports; nothing here calls them.
"""

from __future__ import annotations

import os
import socket
from typing import Any

import pytest
import torch

os.environ["HF_HUB_OFFLINE"] = "1"
torch.set_num_threads(2)

_OPERATORS = torch.library.Library("torchvision", "DEF")
if not hasattr(torch.ops.torchvision, "nms"):
    for _name in ("nms", "qnms"):
        _OPERATORS.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


@pytest.fixture(autouse=True)
def no_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any attempt to reach the network fails the test, also where the package would swallow the error."""

    def refuse(*args: Any, **kwargs: Any) -> None:
        pytest.fail("a test of a backbone reached for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
