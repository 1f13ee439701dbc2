"""Options of commands, declared as fields of dataclasses; only the standard library is imported here.

A command's options are one dataclass, its request. Each field that a user may set is made by :func:`setting`, which
holds its default, help, choices and spelling; :func:`fields_of` lists them, for the command line, and
:func:`from_options` makes the object from the values that were given::

    @dataclass(frozen=True)
    class Request:
        store: str = setting(REQUIRED, "Store to write.", flag="--store,-o")
        frames: str = setting("middle", "Frame of a segment.", choices=("middle", "release"))
        cut: Mapping[str, Any] = group(CutSettings)

    from_options(Request, {"store": "s", "frames": None, "windows": "all"})

A field without :func:`setting` is no option. The options of a :func:`group` are those of another dataclass; the field
holds the ones that were given, by name, so that what was not given can come from elsewhere, say from a store.

A command line makes of each :class:`Setting` an option whose own default is None ("not given") or, where ``multiple``,
an empty tuple; the default is only shown (``shown_default``, else ``default``). What it parsed goes to
:func:`from_options` as it is. A value under a spelling of ``former`` is taken for the option's, with a note.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from .errors import UsageError

T = TypeVar("T")
REQUIRED: Final = dataclasses.MISSING
"""The default of a setting that has none."""

_META = "setting"
_GROUP = "group"
_KINDS: dict[str, type] = {"bool": bool, "int": int, "float": float, "str": str}


@dataclass(frozen=True)
class Setting:
    """One option of a command.

    Attributes
    ----------
    name : of the field, and of the value in :func:`from_options`
    flags : spellings, say ``("--store", "-o")``; for a truth value that can be switched off ``("--x/--no-x",)``;
        empty for an argument by position
    kind : bool, int, float or str
    default : `REQUIRED` where a value must be given
    help : one sentence
    choices : the values that it takes; None: any
    metavar : what stands for the value in help texts
    multiple : given any number of times; the value is a tuple
    optional : None is a value, and means that it is not given
    former : spellings of before, accepted with a note
    shown_default : the default in words, where the value itself does not tell
    section : the heading of help texts that it stands under; empty for that of all options
    """

    name: str
    flags: tuple[str, ...]
    kind: type
    default: Any
    help: str
    choices: tuple[str, ...] | None = None
    metavar: str | None = None
    multiple: bool = False
    optional: bool = False
    former: tuple[str, ...] = ()
    shown_default: str | None = None
    section: str = ""


def setting(
    default: Any,
    help: str,
    *,
    choices: tuple[str, ...] | None = None,
    metavar: str | None = None,
    flag: str | None = None,
    former: str | None = None,
    shown_default: str | None = None,
    argument: bool = False,
    section: str = "",
) -> Any:
    """A field of a dataclass that is an option.

    Parameters
    ----------
    default : `REQUIRED` for none
    flag : spellings with commas between them, by default ``--`` and the field's name with hyphens
    former : earlier spellings, in the same way
    argument : given by position
    choices, metavar, shown_default, section : see `Setting`
    """
    flags = () if argument else tuple((flag or "").split(",")) if flag else None
    meta = {
        "flags": flags,
        "help": help,
        "choices": choices,
        "metavar": metavar,
        "former": tuple(former.split(",")) if former else (),
        "shown_default": shown_default,
        "section": section,
    }
    return field(default=default, metadata={_META: meta})


def group(settings: type) -> Any:
    """A field that holds the given options of another dataclass of settings, by name."""
    return field(default_factory=dict, metadata={_GROUP: settings})


def fields_of(cls: type) -> list[Setting]:
    """The options of a dataclass in order, those of its groups where these stand.

    An option of the class itself takes the place of one of the same name in a group.
    """
    found: dict[str, Setting] = {}
    own = {f.name for f in dataclasses.fields(cls)}
    for f in dataclasses.fields(cls):
        if _GROUP in f.metadata:
            found.update({s.name: s for s in fields_of(f.metadata[_GROUP]) if s.name not in own})
        elif _META in f.metadata:
            found[f.name] = _setting_of(f)
    return list(found.values())


def from_options(cls: type[T], options: Mapping[str, Any]) -> T:
    """The object of a dataclass from the values of its options; None, or an absent one, stands for the default.

    Raises: UsageError for an option that it does not have; as the class does for a wrong value.
    """
    left = {name: value for name, value in options.items() if value is not None}
    given: dict[str, Any] = {}
    for f in dataclasses.fields(cls):  # type: ignore[arg-type]
        if f.name in left and f.init and _GROUP not in f.metadata:
            given[f.name] = left.pop(f.name)
    for f in dataclasses.fields(cls):  # type: ignore[arg-type]
        if _GROUP in f.metadata:
            names = {s.name for s in fields_of(f.metadata[_GROUP])}
            given[f.name] = {name: left.pop(name) for name in list(left) if name in names}
    if left:
        raise UsageError(f"there is no option {next(iter(left))!r}; options are {', '.join(_names(cls))}")
    return cls(**given)


def checked_choices(settings: object) -> None:
    """Raises UsageError for a field of a dataclass whose value is none of its choices."""
    for f in dataclasses.fields(settings):  # type: ignore[arg-type]
        if _META not in f.metadata:
            continue
        s, value = _setting_of(f), getattr(settings, f.name)
        if s.choices is not None and value not in s.choices and not (value is None and s.optional):
            raise UsageError(f"{s.name} is {value!r}; choose one of {', '.join(s.choices)}")


def split_settings(pairs: Sequence[str], what: str = "setting", example: str = "KEY=VALUE") -> list[tuple[str, str]]:
    """``KEY=VALUE`` strings as (key, value) in order; white space around a key is left out.

    Raises: UsageError without ``=`` or key; ``what`` names the thing, and ``example`` how it is written.
    """
    out = []
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"the {what} {pair!r} is not of the form {example}")
        out.append((key.strip(), value))
    return out


_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?|\.[0-9]{1,9}) *([kmgt]?)(i?)(b?)", re.IGNORECASE)
_MOST_SIZE = 2**60


def parse_size(size: str | int, name: str = "--memory") -> int:
    """A number of bytes from ``2GB``, ``500 MB``, ``1.5GiB`` or a plain number: GB is 10^9, GiB 2^30; case is ignored.

    Raises: UsageError for anything else, less than a byte or more than any machine has; ``name`` is that of the option.
    """
    text = str(size).strip()
    match = _SIZE.fullmatch(text)
    if match is None or (match[3] and not match[2]):
        raise UsageError(f"{name} {text[:40]!r} is no size; write a number of bytes such as 2GB, 500MB or 1.5GiB")
    number, prefix, binary, _ = match.groups()
    power = 1 + "kmgt".find(prefix.lower()) if prefix else 0
    whole, _, part = number.partition(".")
    unit: int = (1024 if binary else 1000) ** power
    found = int(f"{whole}{part}") * unit // int(f"1{'0' * len(part)}")
    if not 1 <= found <= _MOST_SIZE:
        raise UsageError(f"{name} {text[:40]!r} is {found} bytes; write a size such as 2GB, 500MB or 1.5GiB")
    return found


def memory_setting(larger: str = "a larger store is worked on in blocks") -> Any:
    """The option ``--memory``; ``larger`` says what is done where scores take more."""
    return setting(
        None,
        f"Memory for scores, e.g. 2GB; {larger}. Results do not depend on it.",
        metavar="SIZE",
        shown_default="1GiB",
    )


def check_memory(memory: str | None) -> None:
    """Raises: UsageError for a memory that is no size."""
    if memory is not None:
        parse_size(memory)


def size_text(size: int) -> str:
    """A number of bytes as :func:`parse_size` reads it, to three digits, rounded up: ``1.08GB``."""
    for power, unit in ((4, "TB"), (3, "GB"), (2, "MB"), (1, "kB")):
        if size >= 1000**power:
            digits = max(0, 3 - len(str(size // 1000**power)))
            scaled = -(-size * 10**digits // 1000**power)
            return f"{scaled / 10**digits:.{digits}f}{unit}"
    return f"{size}B"


def _names(cls: type) -> list[str]:
    return [s.name for s in fields_of(cls)]


def _setting_of(f: dataclasses.Field[Any]) -> Setting:
    meta = f.metadata[_META]
    text = (f.type if isinstance(f.type, str) else f.type.__name__).replace(" ", "")
    optional = "None" in text.split("|")
    text = "".join(part for part in text.split("|") if part != "None")
    container, _, inner = text.partition("[")
    multiple = container in ("tuple", "Sequence")
    kind = _KINDS[inner.split(",")[0].rstrip("]") if multiple else text]
    flags = meta["flags"]
    if flags is None:
        flags = (f"--{f.name.replace('_', '-')}",)
    return Setting(
        f.name, flags, kind, f.default, meta["help"], meta["choices"], meta["metavar"], multiple, optional,
        meta["former"], meta["shown_default"], meta["section"],
    )  # fmt: skip
