"""What a package asks for, as its metadata says it (``numpy>=1.26,<3; extra == "x"``), against what is installed.

As much of the standard (PEP 440, PEP 508) as requirements use; what is not understood counts as met. Only the standard
library is imported.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import zip_longest

_FORM = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?\s*\(?([^;()@]*)\)?\s*(?:;(.*))?", re.DOTALL)
_EXTRA = re.compile(r"""\bextra\s*==\s*["']([^"']+)["']""")
_VERSION = re.compile(
    r"v?(?:\d+!)?(\d+(?:\.\d+)*)[-_.]?(?:(a|b|c|rc|alpha|beta|pre|preview|dev)[-_.]?\d*)?", re.IGNORECASE
)
_CLAUSE = re.compile(r"(===|==|!=|~=|>=|<=|>|<)\s*(\S+)")


@dataclass(frozen=True)
class Requirement:
    """One line of what a package asks for.

    Attributes
    ----------
    name : of a distribution, in the normal form (``open-clip-torch``)
    extras : of that distribution
    versions : clauses with commas between them, empty for any
    extra : of the asking package for which it counts, empty: always
    conditional : whether it also depends on the system or the Python
    """

    name: str
    extras: tuple[str, ...] = ()
    versions: str = ""
    extra: str = ""
    conditional: bool = False

    def allows(self, version: str) -> bool:
        """Whether an installed version is one that is asked for."""
        return allows(self.versions, version)

    def __str__(self) -> str:
        return f"{self.name}{self.versions}"


def normal(name: str) -> str:
    """The normal form of the name of a distribution."""
    return re.sub(r"[-_.]+", "-", name).lower()


def requirement(line: str) -> Requirement | None:
    """A line of metadata or of pyproject.toml; None where it is none, such as a URL."""
    found = _FORM.fullmatch(line)
    if found is None:
        return None
    name, extras, versions, marker = found.groups()
    extra = _EXTRA.search(marker or "")
    rest = _EXTRA.sub("", marker or "").strip(" ()")
    return Requirement(
        normal(name),
        tuple(normal(e) for e in re.split(r"\s*,\s*", (extras or "").strip()) if e),
        re.sub(r"\s+", "", versions),
        normal(extra[1]) if extra else "",
        bool(re.sub(r"^(and|or)\b|\b(and|or)$", "", rest).strip()),
    )


def allows(versions: str, installed: str) -> bool:
    """Whether a version meets all clauses of ``>=1.26,<3``; builds (``2.13.0+cpu``) are those of their version."""
    return all(_meets(clause.strip(), installed) for clause in versions.split(",") if clause.strip())


def _meets(clause: str, installed: str) -> bool:
    found, version = _CLAUSE.fullmatch(clause), _key(installed)
    if found is None or version is None:
        return True
    sign, bound = found.groups()
    if sign == "===":
        return installed == bound
    prefix = bound.endswith(".*")
    wanted = _key(bound.removesuffix(".*"))
    if wanted is None:
        return True
    if prefix or sign == "~=":
        given = bound.removesuffix(".*").split(".")
        size = len(given) if prefix else len(given) - 1
        same = _padded(version[0], size)[:size] == _padded(wanted[0], size)[:size]
        return not same if sign == "!=" else same and (prefix or _compare(version, wanted) >= 0)
    order = _compare(version, wanted)
    if sign == "<" and version[1] < wanted[1] and _compare((version[0], 0), (wanted[0], 0)) == 0:
        return False  # a version before 2.0, such as 2.0rc1, is no version below 2.0
    return {"==": order == 0, "!=": order != 0, ">=": order >= 0, "<=": order <= 0, ">": order > 0, "<": order < 0}[
        sign
    ]


def _key(version: str) -> tuple[tuple[int, ...], int] | None:
    """(numbers, 0 or -1 for one before the release) of a version."""
    found = _VERSION.match(version.strip())
    return None if found is None else (tuple(map(int, found[1].split("."))), -1 if found[2] else 0)


def _padded(numbers: tuple[int, ...], size: int) -> tuple[int, ...]:
    return numbers + (0,) * (size - len(numbers))


def _compare(a: tuple[tuple[int, ...], int], b: tuple[tuple[int, ...], int]) -> int:
    for x, y in zip_longest(a[0], b[0], fillvalue=0):
        if x != y:
            return 1 if x > y else -1
    return (a[1] > b[1]) - (a[1] < b[1])
