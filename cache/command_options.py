"""The options of the commands that work on stores; only the standard library is imported here."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.command_options import REQUIRED, checked_choices, setting
from ..core.errors import UsageError

FORMATS: dict[str, tuple[str, ...]] = {"npz": (".npz",), "hdf5": (".h5", ".hdf5", ".hdf"), "csv": (".csv", ".tsv")}
"""Formats of files of scores, with the suffixes by which they are known."""


@dataclass(frozen=True)
class StoreRequest:
    """The store that a command works on.

    Attributes
    ----------
    store : path or fsspec URL
    """

    store: str = setting(REQUIRED, "The store.", metavar="STORE", argument=True)


@dataclass(frozen=True)
class ImportRequest:
    """One run of ``avreplay import`` (:func:`avreplay.import_scores`, :func:`avreplay.import_embeddings`).

    Attributes
    ----------
    source : a score bundle; with a mapping any file of scores, or a file or folder of embeddings
    store : path or URL of the store to make; None where a mapping is guessed
    mapping : TOML file that says what the arrays are
    format : of scores; None: by the suffix of the file
    labels : a list of labels, for the text of embeddings
    guess : look at ``source`` and print a mapping of embeddings

    Raises: UsageError for an unknown format, no store without ``guess``, and options that do not go with ``guess``.
    """

    source: str = setting(REQUIRED, "Scores, or a file or folder of embeddings.", metavar="SOURCE", argument=True)
    store: str | None = setting(None, "The store.", metavar="STORE", argument=True)
    mapping: str | None = setting(None, "TOML file that says what the arrays of SOURCE are; see docs.", metavar="FILE")
    format: str | None = setting(None, "Format of scores.", choices=tuple(FORMATS), shown_default="by their suffix")
    labels: str | None = setting(None, "Labels for the text of embeddings, one a line.", metavar="FILE")
    guess: bool = setting(False, "Look at SOURCE and print a mapping of embeddings to edit.")

    def __post_init__(self) -> None:
        checked_choices(self)
        if self.guess:
            for name in ("store", "mapping", "format", "labels"):
                if getattr(self, name) is not None:
                    raise UsageError(f"--guess only prints a mapping of SOURCE; leave out {name}")
        elif self.store is None:
            raise UsageError("give the STORE to make after SOURCE, or --guess to print a mapping")
