"""The options of the commands that work on stores; only the standard library is imported here."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.command_options import REQUIRED, checked_choices, setting

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
    """One run of ``avreplay import`` (:func:`avreplay.import_scores`).

    Attributes
    ----------
    file : a score bundle, or with a mapping any file of scores
    store : path or URL of the store to make
    mapping : TOML file that says what the arrays of the file are
    format : None: by the suffix of the file

    Raises: UsageError for an unknown format.
    """

    file: str = setting(REQUIRED, "Scores.", metavar="FILE", argument=True)
    store: str = setting(REQUIRED, "The store.", metavar="STORE", argument=True)
    mapping: str | None = setting(None, "TOML file that says what the arrays of FILE are; see docs.", metavar="FILE")
    format: str | None = setting(None, "Format of FILE.", choices=tuple(FORMATS), shown_default="by its suffix")

    def __post_init__(self) -> None:
        checked_choices(self)
