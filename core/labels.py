"""Label names: one place for case, spaces, underscores, punctuation and aliases."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

from .errors import DataError, shown

_COMPARED, _LONG = 2000, 100
"""Labels, and characters of one, that are compared to find the nearest: it takes time quadratic in the characters."""


def folded(name: str) -> str:
    """The name without case, with single spaces for anything that is not a letter or a digit.

    A name of punctuation only has nothing to fold and stays as it is.
    """
    return " ".join(re.findall(r"[^\W_]+", name.casefold())) or name


class LabelIndex:
    """Finds the index of a label by its name: as it is written, then folded, then by its aliases.

    Parameters
    ----------
    labels : the canonical names, in index order
    aliases : other names of labels, ``{other name: label}``; the label may be spelled in any known way

    Raises
    ------
    DataError
        two labels that differ only in case or punctuation; an alias of a label that does not exist; an alias that
        is itself the name of another label
    """

    def __init__(self, labels: Sequence[str], aliases: Mapping[str, str] | None = None) -> None:
        self.labels: tuple[str, ...] = tuple(labels)
        self._exact = {name: i for i, name in enumerate(self.labels)}
        self._folded: dict[str, int] = {}
        for i, name in enumerate(self.labels):
            other = self._folded.setdefault(folded(name), i)
            if other != i:
                raise DataError(
                    f"the labels {shown(self.labels[other])} and {shown(name)} differ at most in case and punctuation; "
                    "drop one"
                )
        found = {alias: self.find(name, f"the alias {shown(alias)}") for alias, name in (aliases or {}).items()}
        for alias, i in found.items():
            other = self._folded.setdefault(folded(alias), i)
            if other != i:
                raise DataError(
                    f"the alias {shown(alias)} of {shown(self.labels[i])} already names {shown(self.labels[other])}; "
                    "remove one"
                )

    def find(self, name: str, where: str) -> int:
        """Index of a label. Raises DataError naming the place and the nearest label when it is not known."""
        i = self._exact.get(name)
        if i is None:
            i = self._folded.get(folded(name))
            if i is not None:
                self._exact[name] = i  # files write a label many times, in one spelling
        if i is None:
            near = self._nearest(folded(name))
            hint = f"; the nearest is {shown(near)}" if near else ""
            raise DataError(f"{where}: the label {shown(name)} is not one of the {len(self.labels)} labels{hint}")
        return i

    def _nearest(self, name: str) -> str:
        """The label that is most like a folded name; empty where comparing would take long, or there are none."""
        known = [other for other in islice(self._folded, _COMPARED) if len(other) <= _LONG]
        near = difflib.get_close_matches(name, known, 1, 0.0) if len(name) <= _LONG else []
        return self.labels[self._folded[near[0]]] if near else ""

    def mapping(self, names: Iterable[str]) -> list[int]:
        """Index of each name, -1 where it is not known."""
        return [self._exact.get(n, self._folded.get(folded(n), -1)) for n in names]


def merged_aliases(known: Mapping[str, str], given: Mapping[str, str] | None) -> dict[str, str]:
    """Known aliases and a user's; where both name the same thing, the user's holds."""
    taken = {folded(alias) for alias in given or ()}
    return {**{a: name for a, name in known.items() if folded(a) not in taken}, **(given or {})}
