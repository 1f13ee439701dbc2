"""The public names of the package."""

from __future__ import annotations

import inspect
from typing import Any

import avreplay
import pytest
from avreplay.core.arguments import typed_arguments
from avreplay.core.errors import UsageError

FUNCTIONS = [name for name in avreplay.__all__ if inspect.isfunction(getattr(avreplay, name))]
DECLARE = {"option", "option_set", "plugins"}
"""They declare a class, which is checked as a whole, or take nothing."""


def test_every_public_name_is_there_and_documented():
    for name in avreplay.__all__:
        assert getattr(avreplay, name).__doc__, name


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nonsense"):
        _ = avreplay.nonsense


@pytest.mark.parametrize("value", [None, object(), 3.5, b"x", []], ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("name", ["Store", *sorted(set(FUNCTIONS) - DECLARE)])
def test_arguments_of_a_wrong_type_are_refused_in_one_sentence(name: str, value: Any) -> None:
    function = getattr(avreplay, name)
    needed = [p.name for p in inspect.signature(function).parameters.values() if p.default is p.empty]
    every = [p for p in needed if p != "backbone_options"]
    if not every:
        return
    with pytest.raises(avreplay.AvreplayError) as refused:
        function(**dict.fromkeys(every, value))
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 400


def test_the_sentence_names_the_argument_and_what_it_takes() -> None:
    with pytest.raises(UsageError, match=r"^open_store takes a text or a path as 'url', and was given None$"):
        avreplay.open_store(None)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"^Store takes a Location as 'place', and was given 's' \(str\)$"):
        avreplay.Store("s")  # type: ignore[arg-type]


def test_what_is_not_of_its_arguments_is_raised_as_it_is() -> None:
    @typed_arguments
    def work(count: int, names: list[str] | None = None) -> int:
        return [1, 2][count] // len(names or "x")

    assert work(1) == 2
    with pytest.raises(IndexError):
        work(5)
    with pytest.raises(UsageError, match="takes a whole number as 'count', and was given 'a'"):
        work("a")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="takes a list or None as 'names', and was given 3"):
        work(1, 3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="missing"):
        work()  # type: ignore[call-arg]
