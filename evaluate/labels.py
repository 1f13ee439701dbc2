"""Label names: one place for case, spaces, underscores, punctuation and aliases."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence

from ..core.errors import DataError


def folded(name: str) -> str:
    """The name without case, with single spaces for anything that is not a letter or a digit."""
    return " ".join(re.findall(r"[^\W_]+", name.casefold()))


class LabelIndex:
    """Finds the index of a label by its name, however it is spelled.

    Raises
    ------
    DataError
        two labels that differ only in case or punctuation, an alias of a label that does not exist
    """

    def __init__(self, labels: Sequence[str], aliases: Mapping[str, str] | None = None) -> None:
        self.labels = tuple(labels)
        self._exact = {name: i for i, name in enumerate(self.labels)}
        self._folded: dict[str, int] = {}
        for i, name in enumerate(self.labels):
            other = self._folded.setdefault(folded(name), i)
            if other != i:
                raise DataError(f"the labels {self.labels[other]!r} and {name!r} differ only in case or punctuation")
        for alias, name in (aliases or {}).items():
            self._folded.setdefault(folded(alias), self.find(name, "the aliases"))

    def find(self, name: str, where: str) -> int:
        """Index of a label. Raises DataError naming the place and the nearest label when it is not known."""
        i = self._exact.get(name)
        if i is None:
            i = self._folded.get(folded(name))
        if i is None:
            near = difflib.get_close_matches(folded(name), self._folded, 1, 0.0)
            hint = f"; the nearest is {self.labels[self._folded[near[0]]]!r}" if near else ""
            raise DataError(f"{where}: the label {name!r} is not one of the {len(self.labels)} labels{hint}")
        return i

    def mapping(self, names: Iterable[str]) -> list[int]:
        """Index of each name, -1 where it is not known."""
        return [self._exact.get(n, self._folded.get(folded(n), -1)) for n in names]
