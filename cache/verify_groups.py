"""One run through the groups of a store, and the stores inside it, for :mod:`.verify`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from ..core.errors import DataError
from .atomic_write import PARTIAL
from .inner_stores import missing_inner_stores
from .layout.attributes import (
    Marker,
    ReferenceMarker,
    ScoreSetMarker,
    ScoreSetPointer,
    ScoresMarker,
    ShardMarker,
    VocabularyMarker,
    check_attributes,
)
from .layout.fingerprint import fingerprint
from .layout.group_file import MOST, group_bytes, parse_group, seal_holds
from .layout.ledger import files_by_group, may_be_begun
from .layout.location import Location
from .layout.root import root_attributes
from .layout.schema import (
    INNER_STORES_FOLDER,
    PARENTS,
    SCHEMA_VERSION,
    STAGING_SUFFIX,
    shard_name,
)
from .problems import Problem, Verification
from .store import Store
from .verify_old import unsealed_problem

_FOREIGN = "does not belong to the store"
_REMOVE = "remove that file"
_RESTORE = "restore it from a copy"


class Check:
    """One run through a store; ``problems`` collects what is wrong, ``unchecked`` what was not checked.

    ``check_store`` checks a store inside it.
    """

    def __init__(self, place: Location, check_store: Callable[[str], Verification]) -> None:
        self.place = place
        self._check_store = check_store
        self.root_bytes: bytes | None = place.content("zarr.json", MOST)
        self.root: dict[str, Any] = root_attributes(place)
        self.store: Store = Store(place)
        self.problems: list[Problem] = []
        self.unchecked: list[str] = []
        self._sealed = self.root["schema_version"] > 1
        self._ledger: dict[str, str] | None = self.root.get("ledger")
        self._files = files_by_group(place.own_files())
        self._markers: dict[str, dict[str, Any]] = {}

    def run(self) -> None:
        self._check_root()
        for group, files in self._files.items():
            expected = self._expected(group)
            if group == "" and files == ["zarr.json"]:
                continue
            if group is None or expected is None:
                self._foreign(group or "", files)
            elif group in PARENTS:
                self._parent(group)
            else:
                self._group(group, files, *expected)
        self._needed_groups()
        self._not_of_files()
        self._unsealed()
        self._say_unchecked()
        self._inner_stores()

    def _expected(self, group: str | None) -> tuple[type[msgspec.Struct], str] | None:
        """What the attributes of a group must be, and what to do where they are not; None for a group that no store of
        this kind has."""
        embeddings = self.store.kind == "embeddings"
        top, *rest = (group or "").split("/")
        again = "embed-text" if embeddings else "import"
        fix = f"delete that folder and run `avreplay {again}` again" if embeddings else "import into a new path"
        if group in PARENTS:
            return (msgspec.Struct, _RESTORE) if embeddings or group != "shards" else None
        match [top, *rest]:
            case ["shards", name] if embeddings:
                index = int(name.removesuffix(STAGING_SUFFIX))
                if index < len(self.root["plan"]) and shard_name(index).endswith(name.removesuffix(STAGING_SUFFIX)):
                    return ShardMarker, "delete that folder and run the extraction again"
            case ["reference"] if embeddings:
                return ReferenceMarker, "delete that folder; the next extraction writes it again"
            case ["vocabularies", _]:
                return VocabularyMarker, fix
            case ["vocabularies", _, "scores"]:
                return ScoresMarker, fix
            case ["score_sets", _]:
                return ScoreSetPointer, "delete that folder and write the score set again"
            case ["score_sets", _, _]:
                return ScoreSetMarker, "delete the folder of that score set and write it again"
        return None

    def _add(self, group: str, path: str, problem: str, fix: str) -> None:
        self.problems.append(Problem(group, path, problem, fix))

    def _foreign(self, group: str, paths: Iterable[str]) -> None:
        for path in paths:
            if path.endswith(PARTIAL):
                continue  # of a writer that works now, or of one that was killed: the next one removes it
            if self.place.is_link(path):
                self._add(group, path, "is a link", "put the file or folder itself in its place")
            else:
                self._add(group, path, _FOREIGN, _REMOVE)

    def _check_root(self) -> None:
        if fingerprint(self.root["config"]) != self.root["fingerprint"]:
            self._add("", "zarr.json", "has another configuration than its fingerprint says", _RESTORE)
        if self._sealed and self.root_bytes != group_bytes(self.root):
            self._add("", "zarr.json", "has other bytes than were written", _RESTORE)

    def _parent(self, group: str) -> None:
        """The empty group around others."""
        path = f"{group}/zarr.json"
        try:
            changed = self.place.attributes(group) != {}
            if self._ledger is not None:
                changed = self.place.sha256(path) != self._ledger.get(group)
        except DataError as error:
            self._add(group, path, self._phrase(error, path), _RESTORE)
            return
        if changed:
            self._add(group, path, "has other bytes than were written", _RESTORE)

    def _group(self, group: str, files: list[str], schema: type[msgspec.Struct], fix: str) -> None:
        """The files and attributes of one group."""
        path = f"{group}/zarr.json"
        try:
            content = self.place.content(path, MOST) if path in files else None
            attributes = {} if content is None else parse_group(content, f"{self.place.url}/{path}")
        except DataError as error:
            self._add(group, path, self._phrase(error, path), fix)
            return
        if not attributes:  # zarr makes an empty group before the marker is written
            self._unfinished(group, files, fix)
            return
        if self._left_over(group):
            return
        if not seal_holds(group, attributes) or (self._sealed and "seal" not in attributes):
            self._add(group, path, "has other attributes than were written, or is of another place", fix)
            return
        try:
            check_attributes(self.place, group, attributes, schema)
        except DataError as error:
            self._add(group, path, self._phrase(error, path), fix)
            return
        if issubclass(schema, Marker) and attributes["committed"] is not True:
            self._add(group, path, "says that the group is not committed", fix)
            return
        if "seal" in attributes and content != group_bytes(attributes):
            self._add(group, path, "has other bytes than were written", fix)
        if self._ledger is not None and self._ledger.get(group) != attributes["seal"]:
            self._add(group, path, "is not the one that was written into this store last", fix)
            return
        self._markers[group] = attributes
        if issubclass(schema, Marker):
            self._hashes(group, attributes["sha256"], set(files), fix)
        if schema is ShardMarker:
            planned = self.root["plan"][int(group.removesuffix(STAGING_SUFFIX).rpartition("/")[2])]
            if [record["id"] for record in attributes["videos"]] != planned:
                self._add(group, path, "has other videos than are planned for it", fix)

    def _hashes(self, group: str, hashes: dict[str, str], files: set[str], fix: str) -> None:
        """The files of a committed group against the hashes in its marker."""
        known = {f"{group}/{inside}": digest for inside, digest in hashes.items()}
        found: dict[str, str] = {}
        with contextlib.suppress(DataError, OSError):  # one that cannot be read is told below
            found = self.place.sha256_of(path for path in known if path in files)
        for path, digest in sorted(known.items()):
            if path not in files:
                self._add(group, path, "is missing", fix)
                continue
            try:
                if (found[path] if found else self.place.sha256(path)) != digest:
                    self._add(group, path, "has other bytes than were written", fix)
            except (DataError, OSError) as error:
                self._add(group, path, self._phrase(error, path), fix)
        self._foreign(group, sorted(files - known.keys() - {f"{group}/zarr.json"}))

    def _unfinished(self, group: str, files: list[str], fix: str) -> None:
        """A group without a marker: the next run of its writer replaces it, unless the store was finished."""
        if self._ledger is None:
            return
        if group not in self._ledger:
            self._foreign(group, files)
        elif f"{group}/zarr.json" in files:
            self._add(group, f"{group}/zarr.json", "has other attributes than were written", fix)
        # a marker that is missing is told by _needed_groups

    def _left_over(self, group: str) -> bool:
        """Whether a group is what a killed writer was about to remove, in a store that is not finished."""
        if self._ledger is not None:
            return False
        if group.endswith(STAGING_SUFFIX):
            return f"{group.removesuffix(STAGING_SUFFIX)}/zarr.json" in self._files.get(
                group.removesuffix(STAGING_SUFFIX), []
            )
        top, *rest = group.split("/")
        if top != "score_sets" or len(rest) < 2:
            return False
        return self._markers.get(f"{top}/{rest[0]}", {}).get("current") != rest[1]

    def _needed_groups(self) -> None:
        """Groups that the ledger names, and those that others name."""
        needed = set(self._ledger or {})
        vocabulary = self.root["vocabulary"]
        if self._ledger is None and vocabulary is not None and self.store.kind == "embeddings":
            needed.add(f"vocabularies/{vocabulary}")
        if self._ledger is None:
            sets = {group: a["current"] for group, a in self._markers.items() if "current" in a}
            needed |= {f"{group}/{current}" for group, current in sets.items()}
        for group in sorted(needed):
            if f"{group}/zarr.json" not in self._files.get(group, []):
                expected = self._expected(group)
                self._add(group, f"{group}/zarr.json", "is missing", expected[1] if expected else _RESTORE)

    def _not_of_files(self) -> None:
        """Empty folders, unless a killed writer may have made them, and what lies among the locks."""
        for path in self.place.empty_folders():
            if self._ledger is not None or not may_be_begun(path):
                self._add(path, path, f"is an empty folder, which {_FOREIGN}", "remove that folder")
        for path in self.place.foreign_locks():
            self._add("", path, _FOREIGN, "remove it")

    def _unsealed(self) -> None:
        """What follows from the values of the groups that have no seal."""
        damaged = {p.group for p in self.problems}
        for group, attributes in self._markers.items():
            if "seal" not in attributes and group not in damaged:
                found = unsealed_problem(self.place, self.store, group, attributes)
                expected = self._expected(group)
                if found is not None and expected is not None:
                    self._add(group, f"{group}/zarr.json", found, expected[1])

    def _say_unchecked(self) -> None:
        url = self.place.url
        if not self._sealed:
            self.unchecked.append(
                f"{url} has schema version 1, which does not bind durations, reasons and the list of its groups to "
                f"hashes: changes of these cannot be seen; `avreplay upgrade {url}` writes version {SCHEMA_VERSION}"
            )
        elif self._ledger is None:
            self.unchecked.append(
                f"{url} is not finished: a group that was removed or exchanged cannot be seen; run the command that "
                "wrote it last again"
            )
        if self.store.kind == "embeddings":
            shards = {g.removesuffix(STAGING_SUFFIX) for g in self._markers if g.startswith("shards/")}
            left = len(self.root["plan"]) - len(shards)
            if left and not any(p.group.startswith("shards/") for p in self.problems):
                self.unchecked.append(f"{url} has {left} of {len(self.root['plan'])} shards still to be extracted")

    def _inner_stores(self) -> None:
        """The stores inside the store, and whatever else their folder holds."""
        inner, foreign = self.store.inner()
        for path, problem in foreign.items():
            self._add(path, path, problem, "move it elsewhere")
        for name in missing_inner_stores(self.place, self.root):
            path = f"{INNER_STORES_FOLDER}/{name}"
            self._add(path, f"{path}/zarr.json", "is missing", "restore that store from a copy, or extract it again")
        listed: dict[str, str | None] | None = self.root.get("inner")
        for name in sorted(name for name, seal in (listed or {}).items() if seal is None):
            self.unchecked.append(
                f"{self.place.url}/{INNER_STORES_FOLDER}/{name} is not finished: that it was removed or exchanged "
                "cannot be seen; run the command that wrote it last again"
            )
        if listed is None and self._sealed and self.store.kind == "embeddings":
            self.unchecked.append(
                f"{self.place.url} has no list of the stores inside it, so that the removal, exchange or addition of "
                f"one cannot be seen; `avreplay upgrade {self.place.url}` writes that list"
            )
        for name, url in inner.items():
            path = f"{INNER_STORES_FOLDER}/{name}"
            try:
                found = self._check_store(url)
            except DataError as error:
                self._add(path, f"{path}/zarr.json", self._phrase(error, f"{path}/zarr.json"), _RESTORE)
                continue
            self.problems += [
                Problem(f"{path}/{p.group}".rstrip("/"), f"{path}/{p.path}", p.problem, p.fix) for p in found.problems
            ]
            self.unchecked += found.unchecked

    def _phrase(self, error: Exception, path: str) -> str:
        """A refusal as the end of a sentence that begins with the path."""
        text = str(error).partition("; `avreplay verify")[0]
        return text.removeprefix(f"{self.place.url}/{path}").lstrip(", :") or "cannot be read"
