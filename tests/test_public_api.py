"""The public names of the package."""

from __future__ import annotations

import avreplay
import pytest


def test_every_public_name_is_there_and_documented():
    for name in avreplay.__all__:
        assert getattr(avreplay, name).__doc__, name


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nonsense"):
        _ = avreplay.nonsense
