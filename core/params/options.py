"""Sets of options: what a field of them is, how values are checked, and how layers of settings become one set.

Imports the standard library only: the command line makes its help from these declarations.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import Field, asdict, dataclass, field, fields, replace
from typing import Any, Self, TypeVar, dataclass_transform

from ..errors import UsageError, did_you_mean, shown

_UNSET = object()

PROFILES = ("release", "paper")
"""How the quirks of released code are treated: as the authors' code does, or as the paper says."""


@dataclass(frozen=True)
class Need:
    """Scores that a decoder reads because of an option.

    arrays : names of arrays of a score bundle, of which one is enough; a message names the first
    tracks : needed for events of any of these tracks; empty: of all
    when : the values that options must have for it, by name
    unless : the values that options must not have, by name
    because : the option that a message gives as the reason, ``name=value``; empty: the one it is declared with
    windows : ``(start, end)`` of the windows that must be there, by options and T, where only windows are; None: any
    """

    arrays: tuple[str, ...]
    tracks: tuple[str, ...] = ()
    when: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    unless: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    because: str = ""
    windows: Callable[[Any, int], Iterable[tuple[int, int]]] | None = None


@dataclass(frozen=True)
class Column:
    """A field of the record that kernels read in place of a set of options.

    name : of the field
    value : its number, made of the value of the option; None: the value itself
    kind : ``int`` or ``float``, both of 64 bits
    rounded : held as float32 where the decoder computes in float32
    scores : part of how scores are normalised, so that settings which differ in it share no scores
    """

    name: str
    value: Callable[[Any], Any] | None = None
    kind: str = "int"
    rounded: bool = False
    scores: bool = False


def option(
    default: Any,
    help: str,
    *,
    choices: tuple[str, ...] | None = None,
    low: float | None = None,
    high: float | None = None,
    paper: Any = _UNSET,
    release_by_preset: bool = False,
    parse: Callable[[Any], Any] | None = None,
    expects: str = "",
    aliases: tuple[str, ...] = (),
    value_aliases: Mapping[str, str] | None = None,
    needs: tuple[Need, ...] = (),
    columns: tuple[Column, ...] = (),
    file_unless: tuple[str, ...] | None = None,
    later: bool = False,
) -> Any:
    """A field of an :class:`OptionSet`.

    Parameters
    ----------
    default : the value, which is what the profile ``release`` does
    help : one sentence
    choices : the values of an option of words
    low, high : bounds of a number, included
    paper : what the profile ``paper`` sets, where released code and equations may differ
    release_by_preset : presets say what the release does here, since it differs from one dataset to another, or what a
        system does that the release does not hold: the profile ``release`` leaves what a preset sets, ``paper`` does
        not
    parse : for an option that is neither words, a number nor a switch: the value as it is kept, ValueError for others
    expects : what ``parse`` takes, in words
    aliases : former names, taken with a note
    value_aliases : former values, ``{former: present}``, taken with a note
    needs : scores that a decoder reads because of the option
    columns : the fields of a kernel's record that stand for it
    file_unless : every value besides these words is the path of a file, whose content tells searches apart
    later : the option came after settings were stored; they are as they were where it has its default, and it is left
        out of what is stored then
    """
    if choices is not None and any("," in choice for choice in choices):
        raise UsageError(f"an option has the choices {choices}; a comma separates choices, so none can hold one")
    quirk = paper is not _UNSET
    return field(
        default=default,
        metadata={
            "help": help, "choices": choices, "low": low, "high": high, "quirk": quirk,
            "paper": paper if quirk else default, "release_by_preset": release_by_preset, "parse": parse,
            "expects": expects, "aliases": aliases,
            "value_aliases": dict(value_aliases or {}), "needs": needs, "columns": columns,
            "file_unless": file_unless, "later": later,
        },
    )  # fmt: skip


C = TypeVar("C", bound="OptionSet")


@dataclass_transform(frozen_default=True)
def option_set(cls: type[C]) -> type[C]:
    """A class decorator: a frozen dataclass of options, whose former names are taken as arguments too."""
    made = dataclass(frozen=True)(cls)
    begin, former = made.__init__, former_names(made)

    @functools.wraps(begin)
    def __init__(self: Any, *args: Any, **values: Any) -> None:
        begin(self, *args, **(values if former.keys().isdisjoint(values) else present_names(made, values)))

    made.__init__ = __init__  # type: ignore[method-assign]
    return made


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
        named = {k: t.__name__ if t in (bool, int, float, str) else t for k, t in own.items()}
        type.__setattr__(cls, "__annotations__", named)

    def __post_init__(self) -> None:
        for f in fields(self):
            object.__setattr__(self, f.name, checked(f, getattr(self, f.name)))

    def override(self, values: Mapping[str, Any]) -> Self:
        """A copy with some options changed; values may be strings, as from ``--set key=value``.

        Former names of options and values are taken with a note. Raises UsageError for an unknown option.
        """
        named = present_names(type(self), values)
        known = {f.name: f for f in fields(self)}
        for key in named:
            if key not in known:
                hint = did_you_mean(key, known) or f"; options are {', '.join(known)}"
                raise UsageError(f"there is no option {shown(key)}{hint}")
        return replace(self, **named)

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


def option_words(of: type[OptionSet]) -> dict[str, tuple[str, ...]]:
    """The words that each option takes; none for numbers."""
    switch = ("true", "false")
    return {f.name: switch if isinstance(f.default, bool) else f.metadata["choices"] or () for f in fields(of)}


def quirk_profiles(of: type[OptionSet]) -> dict[str, dict[str, Any]]:
    """The options in which the release and the paper may differ: ``release`` and ``paper``, values by name."""
    quirks = [f for f in fields(of) if f.metadata["quirk"]]
    return {"release": {f.name: f.default for f in quirks}, "paper": {f.name: f.metadata["paper"] for f in quirks}}


def named_layer(kind: str, name: str, table: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    """A preset or profile by name. Raises UsageError naming the nearest and all there are."""
    if name not in table:
        hint = did_you_mean(name, table)
        raise UsageError(f"there is no {kind} {shown(name)}{hint} ({kind}s: {', '.join(table)})")
    return table[name]


def preset_and_profile(
    of: type[OptionSet],
    preset: str | None,
    presets: Mapping[str, Mapping[str, Any]],
    profile: str | None,
    profiles: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """The values that a preset and a profile set, by name: the profile's win, but where the release does what its
    presets say (``release_by_preset``).

    Raises: UsageError as :func:`named_layer`.
    """
    values = dict(named_layer("preset", preset, presets)) if preset is not None else {}
    if profile is None:
        return values
    kept = {f.name for f in fields(of) if profile == "release" and f.metadata.get("release_by_preset")} & set(values)
    return values | {k: v for k, v in named_layer("profile", profile, profiles).items() if k not in kept}


# --- former names ------------------------------------------------------------------------------------------------


def present_name(of: type[OptionSet], name: str) -> str:
    """The name of an option as it is now, with a note where a former one was given; unknown names stay."""
    now = former_names(of).get(name, name)
    if now != name:
        _note(f"{name} is now {now}")
    return now


def present_names(of: type[OptionSet], values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by the names, and as the words, that options have now; a note for each former one, unknown ones stay.

    Of a former and the present name of one option, the later wins.
    """
    found: dict[str, Any] = {}
    for name, value in values.items():
        now = present_name(of, name)
        found[now] = present_value(of, now, value)
    return found


def present_value(of: type[OptionSet], name: str, value: Any) -> Any:
    """The value of an option as it is written now, with a note for a former one; values of no option stay."""
    return next((_present_value(f, value) for f in fields(of) if f.name == name), value)


def former_names(of: type[OptionSet]) -> dict[str, str]:
    """The present name of each former one."""
    return {former: f.name for f in fields(of) for former in f.metadata["aliases"]}


def _present_value(f: Field[Any], value: Any) -> Any:
    former = f.metadata["value_aliases"]
    if not isinstance(value, str) or value not in former:
        return value
    _note(f"{f.name}={value} is now {f.name}={former[value]}")
    return former[value]


@functools.cache
def _note(text: str) -> None:
    """Say something once in a process: the cache remembers what was said."""
    import logging  # help texts read this module and must not wait for it

    logging.getLogger("avreplay").warning(text)


# --- values ------------------------------------------------------------------------------------------------------


def checked(f: Field[Any], value: Any) -> Any:
    """The value as the field's type, or a UsageError; NumPy's scalars count as Python's numbers, former words as
    those of now."""
    kind, meta = str(f.type), f.metadata
    given = value.item() if getattr(value, "ndim", None) == 0 else value
    if meta["parse"] is not None:
        try:
            return meta["parse"](given)
        except ValueError:
            raise _refusal(f, value) from None
    if kind == "bool":
        if isinstance(given, str) and given.lower() in ("true", "false", "1", "0", "yes", "no", "on", "off"):
            return given.lower() in ("true", "1", "yes", "on")
        if not isinstance(given, bool):
            raise _refusal(f, value)
        return given
    if kind == "str":
        given = _present_value(f, given)
        if meta["choices"] is not None and given not in meta["choices"]:
            raise UsageError(f"{_refusal(f, value)}{did_you_mean(str(given), meta['choices'])}")
        return str(given)
    try:
        number = float(given)
    except (TypeError, ValueError, OverflowError):
        raise _refusal(f, value) from None
    below = meta["low"] is not None and number < meta["low"]
    above = meta["high"] is not None and number > meta["high"]
    uneven = kind == "int" and math.isfinite(number) and (number != int(number) or abs(number) >= 1 << 63)
    if isinstance(given, bool) or not math.isfinite(number) or below or above or uneven:
        raise _refusal(f, value)
    return int(number) if kind == "int" else number


def _refusal(f: Field[Any], value: Any) -> UsageError:
    return UsageError(f"{f.name} is {shown(value)}; expected {expectation(f)}")


def expectation(f: Field[Any]) -> str:
    """What a field takes, in words."""
    meta, kind = f.metadata, str(f.type)
    if meta["expects"]:
        return str(meta["expects"])
    if meta["choices"]:
        return "one of " + ", ".join(meta["choices"])
    if kind == "bool":
        return "true or false"
    noun = "a whole number" if kind == "int" else "a number"
    if meta["low"] is not None and meta["high"] is not None:
        return f"{noun} from {meta['low']} to {meta['high']}"
    return f"{noun} of at least {meta['low']}" if meta["low"] is not None else noun
