"""Which of the files of a folder or of a repository on the hub are the weights."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from fnmatch import fnmatch
from pathlib import PurePosixPath

from ....core.errors import DataError

SUFFIXES = (".safetensors", ".bin", ".pt", ".pth")
"""Of files that hold tensors, the best first."""

INDEX = ".index.json"
"""What the index of weights in several parts ends with."""

OF_TRANSFORMERS = ("model.safetensors", "pytorch_model.bin")
OF_OPEN_CLIP = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
"""Names by which packages know their weights among those of others in the same repository."""

_OF_TRAINING = ("training_args.*", "optimizer*", "scheduler*", "rng_state*", "scaler*", "random_states*")
_SIDE_FILES = ("*.json", "*.txt", "*.model", "README.md")


class SeveralFiles(DataError):
    """One of several files of weights has to be named."""


def weight_files(files: Iterable[str]) -> list[str]:
    """Those that may hold an encoder's tensors, sorted; what training leaves beside them is not among them."""
    return sorted(f for f in files if f.endswith(SUFFIXES) and not _matches(f, _OF_TRAINING))


def side_files(files: Iterable[str]) -> list[str]:
    """Configuration, tokenizer and model card: the small files of the top folder that lie beside weights."""
    return sorted(f for f in files if "/" not in f and _matches(f, _SIDE_FILES) and not f.endswith(INDEX))


def choose_file(files: Collection[str], wanted: str | None, prefer: Sequence[str], place: str, how: str) -> str:
    """The file of weights, or the index of one in several parts, among the files of a place.

    Parameters
    ----------
    files : names relative to the place, with ``/``
    wanted : the file that the user named; None: the only one, or the first of ``prefer`` that is there
    place : what the files lie in, for messages: "the folder x", "the repository owner/name"
    how : how one of them is named, for messages, with ``{file}`` for it

    Raises
    ------
    DataError
        no such file, no weights at all, or several
    """
    found = weight_files(files)
    if wanted is not None:
        if wanted not in files:
            there = f"its files of weights are {', '.join(found)}" if found else "it has no weights"
            raise DataError(f"{place} has no file {wanted}; {there}")
        if not wanted.endswith((*SUFFIXES, INDEX)):
            raise DataError(f"{wanted} in {place} is no file of weights; name one of {', '.join(found) or 'none'}")
        return wanted
    top = [f for f in found if "/" not in f]
    for name in prefer:
        for exact in (name, f"{name}{INDEX}"):
            if exact in files:
                return exact
    for suffix in SUFFIXES:
        indices = sorted(f for f in files if "/" not in f and f.endswith(f"{suffix}{INDEX}"))
        if len(indices) == 1:
            return indices[0]
        own = [f for f in top if f.endswith(suffix)]
        if len(own) == 1 and not indices:
            return own[0]
        if own or indices:
            several = indices or own
            raise SeveralFiles(
                f"{place} has several files of weights ({', '.join(several)}); name one of them: "
                f"{how.format(file=several[0])}"
            )
    if found:
        raise SeveralFiles(
            f"{place} has its weights in folders ({', '.join(found)}); name one of them: {how.format(file=found[0])}"
        )
    raise DataError(f"{place} has no weights ({', '.join(SUFFIXES)}); choose one that has")


def _matches(path: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch(PurePosixPath(path).name, pattern) for pattern in patterns)
