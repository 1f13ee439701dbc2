"""The options of the commands that work on stores; only the standard library is imported here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..core.command_options import REQUIRED, check_memory, checked_choices, memory_setting, setting
from ..core.errors import UsageError

FORMATS: dict[str, tuple[str, ...]] = {"npz": (".npz",), "hdf5": (".h5", ".hdf5", ".hdf"), "csv": (".csv", ".tsv")}
"""Formats of files of scores, with the suffixes by which they are known."""

MEMORY_WITH_MAPPING = (
    "memory is set for score bundles; a mapping reads embeddings video by video, and scores as a whole"
)


@dataclass(frozen=True)
class StoreRequest:
    """The store that a command works on.

    Attributes
    ----------
    store : path or fsspec URL
    """

    store: str = setting(REQUIRED, "The store.", metavar="STORE", argument=True)


@dataclass(frozen=True)
class InfoRequest:
    """The stores that ``avreplay info`` looks at (:func:`.info.store_info`).

    Attributes
    ----------
    store : what :func:`.joined.open_stores` opens
    """

    store: Sequence[str] = setting(REQUIRED, "The store, or several to be read as one.", metavar="STORE", argument=True)


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
    memory : for a score bundle: of a larger file, blocks are read and written
    guess : look at ``source`` and print a mapping of embeddings

    Raises: UsageError for an unknown format, no store without ``guess``, a memory that is no size, and options that do
    not go with each other.
    """

    source: str = setting(REQUIRED, "Scores, or a file or folder of embeddings.", metavar="SOURCE", argument=True)
    store: str | None = setting(None, "The store.", metavar="STORE", argument=True)
    mapping: str | None = setting(None, "TOML file that says what the arrays of SOURCE are; see docs.", metavar="FILE")
    format: str | None = setting(None, "Format of scores.", choices=tuple(FORMATS), shown_default="by their suffix")
    labels: str | None = setting(None, "Labels for the text of embeddings, one a line.", metavar="FILE")
    memory: str | None = memory_setting("a larger score bundle is read and written in blocks")
    guess: bool = setting(False, "Look at SOURCE and print a mapping of embeddings to edit.")

    def __post_init__(self) -> None:
        checked_choices(self)
        check_memory(self.memory)
        if self.guess:
            for name in ("store", "mapping", "format", "labels", "memory"):
                if getattr(self, name) is not None:
                    raise UsageError(f"--guess only prints a mapping of SOURCE; leave out {name}")
        elif self.store is None:
            raise UsageError("give the STORE to make after SOURCE, or --guess to print a mapping")
        elif self.mapping is not None and self.memory is not None:
            raise UsageError(f"{MEMORY_WITH_MAPPING}; leave out --memory")
