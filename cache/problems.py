"""What a check of a store finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Problem:
    """One damaged, missing or foreign file.

    group : the group in the store that it belongs to, empty for the root
    path : its path in the store
    problem : what is wrong with it, as the end of a sentence that begins with the path
    fix : what to do about it
    """

    group: str
    path: str
    problem: str
    fix: str

    def as_dict(self) -> dict[str, str]:
        """The fields as JSON values; ``fix`` has the key ``mend`` there, as in all versions."""
        return {"group": self.group, "path": self.path, "problem": self.problem, "mend": self.fix}


@dataclass(frozen=True)
class Verification:
    """What a check of a store found.

    url : the store
    schema_version : of its layout
    problems : of the store and of the stores inside it; none: nothing that was checked is damaged
    unchecked : sentences on what could not be checked, and why; none: everything was
    """

    url: str
    schema_version: int
    problems: tuple[Problem, ...]
    unchecked: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return {
            "store": self.url,
            "schema_version": self.schema_version,
            "problems": [p.as_dict() for p in self.problems],
            "unchecked": list(self.unchecked),
        }

    def text(self) -> str:
        """What ``avreplay verify`` prints on stdout; nothing where there are problems."""
        if self.problems:
            return ""
        if not self.unchecked:
            return f"{self.url}: every byte is what was written"
        return "\n".join([f"{self.url} (schema version {self.schema_version}): nothing is damaged", *self.unchecked])
