"""Sets of options: what a field of them is, how values are checked, and how layers of settings become one set."""

from __future__ import annotations

import difflib
import inspect
import math
from collections.abc import Mapping
from dataclasses import Field, asdict, dataclass, field, fields, replace
from typing import Any, Self

import numpy as np

from ..errors import UsageError

_UNSET = object()


def option(
    default: Any,
    help: str,
    *,
    choices: tuple[str, ...] | None = None,
    low: float | None = None,
    high: float | None = None,
    paper: Any = _UNSET,
) -> Any:
    """A field of an :class:`OptionSet`: the default is what ``release`` does, ``paper`` what the equations say."""
    meta = {"help": help, "choices": choices, "low": low, "high": high, "quirk": paper is not _UNSET}
    meta["paper"] = default if paper is _UNSET else paper
    return field(default=default, metadata=meta)


@dataclass(frozen=True)
class OptionSet:
    """Base of the decoders' parameters: frozen, every value checked.

    Raises
    ------
    UsageError
        an unknown choice, a wrong type or a number outside its range, naming the option and what it takes.
    """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        # types by their names, as a module that postpones the evaluation of annotations gives them
        own = inspect.get_annotations(cls)
        cls.__annotations__ = {k: t.__name__ if t in (bool, int, float, str) else t for k, t in own.items()}

    def __post_init__(self) -> None:
        for f in fields(self):
            object.__setattr__(self, f.name, checked(f, getattr(self, f.name)))

    def override(self, values: Mapping[str, Any]) -> Self:
        """A copy with some options changed; values may be strings, as from ``--set key=value``."""
        known = {f.name: f for f in fields(self)}
        for key in values:
            if key not in known:
                near = difflib.get_close_matches(key, known, 1)
                hint = f"; did you mean {near[0]!r}?" if near else f"; options are {', '.join(known)}"
                raise UsageError(f"there is no option {key!r}{hint}")
        return replace(self, **values)

    def as_dict(self) -> dict[str, Any]:
        """All options by name, as stored in predictions."""
        return asdict(self)


@dataclass(frozen=True)
class Option:
    """One line of the options table: what it does, its default, and what each profile sets it to."""

    name: str
    default: Any
    expects: str
    help: str
    release: Any
    paper: Any


def list_options(of: type[OptionSet]) -> list[Option]:
    """Every option of a set, in order, for help texts and the quirk table."""
    return [
        Option(f.name, f.default, expectation(f), f.metadata["help"], f.default, f.metadata["paper"])
        for f in fields(of)
    ]


def quirk_profiles(of: type[OptionSet]) -> dict[str, dict[str, Any]]:
    """The options in which the release and the paper may differ: ``release`` and ``paper``, values by name."""
    quirks = [f for f in fields(of) if f.metadata["quirk"]]
    return {"release": {f.name: f.default for f in quirks}, "paper": {f.name: f.metadata["paper"] for f in quirks}}


def named_layer(kind: str, name: str, table: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    """A preset or profile by name. Raises UsageError naming the nearest and all there are."""
    if name not in table:
        near = difflib.get_close_matches(name, table, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise UsageError(f"there is no {kind} {name!r}{hint} ({kind}s: {', '.join(table)})")
    return table[name]


def checked(f: Field, value: Any) -> Any:
    """The value as the field's type, or a UsageError."""
    kind, meta = str(f.type), f.metadata
    bad = UsageError(f"{f.name} is {value!r}; expected {expectation(f)}")
    if f.name == "audio_scores":
        text = str(value)
        if text in ("clip", "segment") or (text.isascii() and text.isdigit() and int(text) >= 1):
            return "segment" if text == "1" else text
        raise bad
    if kind == "bool":
        if isinstance(value, str) and value.lower() in ("true", "false", "1", "0", "yes", "no", "on", "off"):
            return value.lower() in ("true", "1", "yes", "on")
        if not isinstance(value, (bool, np.bool_)):
            raise bad
        return bool(value)
    if kind == "str":
        if value not in meta["choices"]:
            near = difflib.get_close_matches(str(value), meta["choices"], 1)
            raise UsageError(f"{bad}; did you mean {near[0]!r}?") if near else bad
        return str(value)
    if isinstance(value, (bool, np.bool_)):
        raise bad
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise bad from None
    below = meta["low"] is not None and number < meta["low"]
    above = meta["high"] is not None and number > meta["high"]
    if not math.isfinite(number) or below or above or (kind == "int" and number != int(number)):
        raise bad
    return int(number) if kind == "int" else number


def expectation(f: Field) -> str:
    """What a field takes, in words."""
    meta, kind = f.metadata, str(f.type)
    if f.name == "audio_scores":
        return "clip, segment or a number of segments"
    if meta["choices"]:
        return "one of " + ", ".join(meta["choices"])
    if kind == "bool":
        return "true or false"
    noun = "a whole number" if kind == "int" else "a number"
    if meta["low"] is not None and meta["high"] is not None:
        return f"{noun} from {meta['low']} to {meta['high']}"
    return f"{noun} of at least {meta['low']}" if meta["low"] is not None else noun
