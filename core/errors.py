"""The failures a user can meet, each with the exit code the command line gives it."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable
from typing import Any


class AvreplayError(Exception):
    """Base class; the message is one sentence that names the thing and how to fix it."""

    exit_code = 1


class DataError(AvreplayError):
    """Something in the data is wrong or missing (exit code 1)."""

    exit_code = 1


class NoAnswer(DataError):
    """A server does not answer, refuses, or does not have the bucket (exit code 1)."""


class Changed(DataError):
    """Another process has changed a file at the same time that was to be replaced (exit code 1)."""


class PluginFailed(DataError):
    """Code of a plug-in raised something of its own, which is the cause (exit code 1)."""


class NodesLost(DataError):
    """The nodes of a cluster, or what they had in hand, are lost (exit code 1)."""


class UsageError(AvreplayError):
    """Something in the request is wrong: an option, a name, a range (exit code 2)."""

    exit_code = 2


class Interrupted(AvreplayError):
    """Stopped from the keyboard; the message says how to go on (exit code 130, as shells have it)."""

    exit_code = 130


_short = reprlib.Repr()
_short.maxlevel, _short.maxdict, _short.maxlist = 2, 3, 3
_short.maxstring, _short.maxlong, _short.maxother = 60, 40, 60


def shown(value: Any) -> str:
    """A value for a message: its beginning, however large or deep it is, on one line."""
    return _short.repr(value)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``; did you mean 'x'?`` for the known name that is most like ``name``; empty where none is near."""
    import difflib  # costs as much as the rest of a help text, and most names are known

    by_folded = {one.casefold(): one for one in known}
    near = difflib.get_close_matches(name.casefold(), list(by_folded), 1)
    return f"; did you mean {by_folded[near[0]]!r}?" if near else ""
