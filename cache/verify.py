"""Checking that every byte of a store is still what was written, as ``avreplay verify`` does."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from ..core.errors import DataError
from .atomic_write import PARTIAL
from .layout.fingerprint import fingerprint
from .layout.location import Location
from .layout.schema import INNER_STORES_FOLDER, SCORE_SETS_FOLDER, STAGING_SUFFIX, shard_name
from .score_sets import current_group, score_set_names, set_folder
from .store import Store

_FOREIGN = "does not belong to the store"
_REMOVE = "remove that file"


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


def verify_store(url: str | os.PathLike[str]) -> list[Problem]:
    """Hash every file of a store, and of the stores inside it, again.

    Returns
    -------
    the problems found; an empty list means that every file is what was written

    Raises
    ------
    DataError
        there is no store that can be opened
    """
    check = _Check(Location(url))
    check.groups()
    check.root()
    check.inner_stores()
    return check.problems


class _Check:
    """One run through a store; ``problems`` collects what is wrong."""

    def __init__(self, place: Location) -> None:
        self.place = place
        self.store = Store(place)
        self.problems: list[Problem] = []
        self._known = {"zarr.json"}
        """Files that belong to a group, or that the next writer of their group removes."""
        self._sets = self._score_sets()

    def groups(self) -> None:
        """The shards, vocabularies, scores and score sets."""
        embeddings = self.store.kind == "embeddings"
        if embeddings:
            # a shard that was replacing another one when its writer ended is complete, or finished by the next writer
            for i in range(len(self.store.plan)):
                for suffix in ("", STAGING_SUFFIX):
                    self._group(f"{shard_name(i)}{suffix}", "delete that folder and run the extraction again")
        fix = "run `avreplay embed-text` again" if embeddings else "import the bundle into a new path"
        for name in self.store.vocabulary_ids:
            self._group(f"vocabularies/{name}", fix, without=("scores/",))
            self._group(f"vocabularies/{name}/scores", fix)
        for name, group in self._sets.items():
            if group:
                self._group(group, "write that score set again with --overwrite", needed=True)
            # groups of an unfinished set, or of one that was being replaced: the next writer of the set removes them
            files = self.place.files(set_folder(name))
            unfinished = {f for f in files if f.count("/") > 2 and not f.startswith(f"{group}/")}
            self._known.update({f"{set_folder(name)}/zarr.json", *unfinished})

    def root(self) -> None:
        """Files that belong to no group."""
        parents = {"shards/zarr.json", "vocabularies/zarr.json", f"{SCORE_SETS_FOLDER}/zarr.json"}
        for path in self.place.own_files():
            # a partly written file is of a writer that works now, or of one that was killed: the next one removes it
            if path not in self._known and path not in parents and not path.endswith(PARTIAL):
                self._add("", path, _FOREIGN, _REMOVE)

    def inner_stores(self) -> None:
        """The stores inside the store, and whatever else their folder holds."""
        inner, foreign = self.store.inner()
        for path, problem in foreign.items():
            self._add(path, path, problem, "move it elsewhere")
        for name, url in inner.items():
            path = f"{INNER_STORES_FOLDER}/{name}"
            for p in verify_store(url):
                self._add(f"{path}/{p.group}".rstrip("/"), f"{path}/{p.path}", p.problem, p.fix)

    def _add(self, group: str, path: str, problem: str, fix: str) -> None:
        self.problems.append(Problem(group, path, problem, fix))

    def _group(self, name: str, fix: str, *, without: tuple[str, ...] = (), needed: bool = False) -> None:
        """The files of one group; ``without``: paths of a group inside it; ``needed``: it must be committed."""
        marker_path = f"{name}/zarr.json"
        try:
            marker = self.place.marker(name)
        except DataError as error:
            self._add(name, marker_path, str(error), fix)
            self._known.update(self.place.files(name))
            return
        files = {f for f in self.place.files(name) if not f[len(name) + 1 :].startswith(without)}
        self._known.update(files)
        if marker is not None:
            self._known.add(marker_path)
            self._committed(name, marker, files, fix)
        elif needed:
            self._add(name, marker_path, "is missing", fix)
        # otherwise it is unfinished: the next run of its writer replaces it

    def _committed(self, name: str, marker: dict[str, Any], files: set[str], fix: str) -> None:
        """The files of a committed group against the hashes in its marker."""
        for path, digest in sorted(marker["sha256"].items()):
            full = f"{name}/{path}"
            if full not in files:
                self._add(name, full, "is missing", fix)
            elif self.place.sha256(full) != digest:
                self._add(name, full, "has other bytes than were written", fix)
        for full in sorted(files - {f"{name}/{p}" for p in marker["sha256"]} - {f"{name}/zarr.json"}):
            if not full.endswith(PARTIAL):
                self._add(name, full, _FOREIGN, _REMOVE)
        if name in self._sets.values() and fingerprint(marker["config"]) != marker["fingerprint"]:
            self._add(name, f"{name}/zarr.json", "has another configuration than was written", fix)

    def _score_sets(self) -> dict[str, str]:
        """The group of every score set by its name, empty for a set that was never finished."""
        sets: dict[str, str] = {}
        for name in score_set_names(self.place):
            try:
                group = current_group(self.place, name)
            except DataError as error:
                self._add(set_folder(name), f"{set_folder(name)}/zarr.json", str(error), "remove that folder")
                group = None
            sets[name] = group or ""
        return sets
