"""``avreplay install``: extras of this package, and backbones with all that they need, by pip or uv."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from ...core.errors import DataError, UsageError, did_you_mean
from ...core.installation import command_line, extras, install_arguments
from ..command_options import InstallRequest
from .registry import BUILT_IN


@dataclass(frozen=True)
class Installed:
    """What ``avreplay install`` ran, or would run.

    Attributes
    ----------
    lines : the command lines, as a shell takes them
    dry_run : none of them was run
    """

    lines: tuple[str, ...]
    dry_run: bool

    def as_dict(self) -> dict[str, Any]:
        return {"commands": list(self.lines), "run": not self.dry_run}

    def text(self) -> str:
        return "\n".join(self.lines) if self.dry_run else "installed; `avreplay doctor` says what fits together"


def install_lines(names: Sequence[str]) -> list[list[str]]:
    """The arguments of ``pip install``, one list a run, for backbones and extras.

    Raises: UsageError for a name that is neither, and for a backbone that needs nothing.
    """
    known = {name: facts for name, facts in BUILT_IN.items() if facts.extra}
    wanted, alone = [], []
    for name in names:
        if name in BUILT_IN and name not in known:
            raise UsageError(f"the backbone {name!r} needs nothing more than avreplay itself")
        extra = known[name].extra if name in known else name
        if extra not in extras():
            offer = did_you_mean(name, [*known, *extras()])
            raise UsageError(f"there is no backbone and no extra {name!r}{offer}; extras are {', '.join(extras())}")
        wanted.append(extra)
        alone += [facts.alone for facts in known.values() if facts.extra == extra and facts.alone]
    lines = [install_arguments(",".join(dict.fromkeys(wanted)))]
    return lines + ([["--no-deps", *dict.fromkeys(alone)]] if alone else [])


def install(request: InstallRequest, report: Callable[[str], None]) -> Installed:
    """Install backbones or extras into the environment of the running Python.

    ``report`` gets each command line before it runs; what pip prints goes to stderr.

    Raises
    ------
    UsageError
        an unknown name, or neither pip nor uv is there
    DataError
        a command failed; those after it are not run
    """
    installer = _installer()
    commands = [[*installer, *arguments] for arguments in install_lines(request.names)]
    lines = tuple(map(command_line, commands))
    if not request.dry_run:
        for command, line in zip(commands, lines, strict=True):
            report(line)
            try:
                code = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=_stderr(), check=False).returncode
            except OSError as error:
                raise DataError(f"`{line}` cannot be run: {error.strerror or error}") from error
            if code:
                raise DataError(f"`{line}` failed with exit code {code}; its last lines say why")
    return Installed(lines, request.dry_run)


def _installer() -> list[str]:
    """The beginning of an installing command for this Python: of its own pip, else of uv."""
    if find_spec("pip") is not None:
        return [sys.executable, "-m", "pip", "install"]
    uv = shutil.which("uv")
    if uv is None:
        python = command_line([sys.executable])
        raise UsageError(f"this Python has no pip, and there is no uv; run `{python} -m ensurepip` first")
    return [uv, "pip", "install", "--python", sys.executable]


def _stderr() -> int:
    """The descriptor that what pip prints goes to: stdout is for results."""
    try:
        return sys.stderr.fileno()
    except (OSError, ValueError, AttributeError):  # a stream of a test or notebook
        return subprocess.DEVNULL
