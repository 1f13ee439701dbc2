"""Which split a file is of, where its name says so: ``validation.tsv`` is no test split."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ...cache.reading.files import named
from ...cache.reading.gzip_file import plain_name
from ...core.errors import UsageError, shown

_SPLIT_OF = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test", "eval": "eval", "evaluation": "eval",
}  # fmt: skip
"""Words of names that say a split, and which of them say the same."""


def refuse_other_split(file: Path, split: str, splits: Sequence[str] = ()) -> None:
    """Refuse a file whose name says that it is of another split than the one asked for, so that the same videos are not
    taken for two splits. A name that says no split, or several, is taken for any; so is one that says a split which is
    none of ``splits``, where a dataset has just these: it could not be asked for.

    Raises: UsageError.
    """
    stem = Path(plain_name(file)).stem
    said = _said(stem)
    if len(said) == 1 and split != stem and _said(split).keys() != said.keys():
        ((meant, word),) = said.items()
        if splits:
            known = [name for name in splits if meant in _said(name)]
            if not known:
                return
            word = known[0]
        raise UsageError(f"{named(file)} is the split {word}, not {shown(split)}; ask for the split {word}")


def _said(name: str) -> dict[str, str]:
    """The splits that a name says, each with the word for it."""
    words = [word for word in re.split(r"[^a-z]+", name.lower()) if word in _SPLIT_OF]
    return {_SPLIT_OF[word]: word for word in words}
