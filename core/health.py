"""The checks of ``avreplay doctor``: one line each, what there is, whether it is right, and what to type."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

OK, NOTE, PROBLEM = "ok", "note", "problem"


@dataclass(frozen=True)
class Check:
    """One line of a check-up.

    Attributes
    ----------
    name : what was looked at
    state : ``ok``; ``note``: something is missing that only some work needs, or may surprise; ``problem``: something
        that is needed is missing, or something that is installed is broken
    found : in words
    mend : what to type or do; empty where there is nothing to do
    group : the heading it stands under
    """

    name: str
    state: str
    found: str
    mend: str = ""
    group: str = ""


@dataclass(frozen=True)
class Health:
    """All checks of a check-up."""

    checks: tuple[Check, ...]

    @property
    def exit_code(self) -> int:
        """1 where there is a problem."""
        return int(any(c.state == PROBLEM for c in self.checks))

    def as_dict(self) -> dict[str, Any]:
        return {
            "problems": self._count(PROBLEM),
            "notes": self._count(NOTE),
            "checks": [asdict(c) for c in self.checks],
        }

    def text(self) -> str:
        lines: list[str] = []
        group = ""
        for c in self.checks:
            if c.group != group:
                lines += [*([""] if lines else []), c.group]
                group = c.group
            lines.append(f"  {c.state:<8} {c.name}: {c.found}" + (f"; {c.mend}" if c.mend else ""))
        problems, notes = self._count(PROBLEM), self._count(NOTE)
        lines += ["", f"{_counted(problems, 'problem')}, {_counted(notes, 'note')}"]
        return "\n".join(lines)

    def _count(self, state: str) -> int:
        return sum(c.state == state for c in self.checks)


def check_up(groups: Iterable[tuple[str, Callable[[], Iterable[Check]]]]) -> Health:
    """Run the checks of each heading; what one of them raises is a problem, and the others go on."""
    found: list[Check] = []
    for group, checks in groups:
        done: list[Check] = []
        try:
            for c in checks():
                done.append(c)
        except Exception as error:  # whatever is broken here, the rest is still told
            done.append(Check("check", PROBLEM, f"cannot be finished ({reason_of(error)})"))
        found += [Check(c.name, c.state, _flat(c.found), _flat(c.mend), group) for c in done]
    return Health(tuple(found))


def reason_of(error: BaseException) -> str:
    """An error in a few words, on one line."""
    return _flat(f"{type(error).__name__}: {error}")[:200].rstrip(": ")


def size_text(count: float) -> str:
    """Bytes in words: ``1.5 GB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def _flat(text: str) -> str:
    return " ".join("".join(c if c.isprintable() or c.isspace() else "?" for c in text).split())


def _counted(n: int, what: str) -> str:
    return f"{n or 'no'} {what}{'' if n == 1 else 's'}"
