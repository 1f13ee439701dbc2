"""What an import of embeddings did, and which commands work on the store that it made."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from ....core.text import printable
from ...layout.schema import count_notes
from ...store import open_store
from .made_up import made_up
from .plan import EmbeddingsMapping

_SHOWN = 20
_WITHOUT_DATA = ("missing", "unreadable", "failed")


@dataclass(frozen=True, repr=False)
class ImportSummary:
    """What an import of embeddings did.

    Attributes
    ----------
    store : where it is
    videos, new : in the store; of which this call brought in
    segments, labels : how many
    counts : videos by status
    notes : videos by kind of note
    left_out : videos of the files that the list of ids does not name
    widths : of the embeddings, by modality that was brought in
    made_up : what the store holds that is not in the files as it is, in sentences
    works : the commands that work on it
    lacks : the others, with what they lack
    failures : (id, status, reason) of the videos without data
    """

    store: str
    videos: int
    new: int
    segments: int
    labels: int
    counts: dict[str, int]
    notes: dict[str, int]
    left_out: int
    widths: dict[str, int]
    made_up: list[str]
    works: list[str]
    lacks: dict[str, str]
    failures: list[tuple[str, str, str]]

    def __repr__(self) -> str:
        return f"<ImportSummary {self.store}: {self.videos} videos, {self.new} of them new>"

    @property
    def exit_code(self) -> int:
        """1 where a video has no data, else 0."""
        return 1 if self.failures else 0

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def text(self) -> str:
        counts = ", ".join(f"{n} {status}" for status, n in self.counts.items())
        widths = ", ".join(f"{name} {width} wide" for name, width in self.widths.items())
        lines = [
            f"{self.videos} videos ({counts}), {self.segments} segments, {widths} in {self.store}; {self.new} new",
            f"made up      {self.made_up[0]}",
            *(f"             {sentence}" for sentence in self.made_up[1:]),
        ]
        if self.notes:
            lines.append(f"notes        {', '.join(f'{n} {kind}' for kind, n in self.notes.items())}")
        if self.left_out:
            lines.append(f"left out     {self.left_out} videos of the files, which the list of ids does not name")
        lines += [f"  {printable(id)}: {status}, {printable(why)}" for id, status, why in self.failures[:_SHOWN]]
        if len(self.failures) > _SHOWN:
            lines.append(f"  and {len(self.failures) - _SHOWN} more; --json has them all")
        lines.append(f"works        {', '.join(self.works)}")
        for why in dict.fromkeys(self.lacks.values()):
            lines.append(f"not yet      {', '.join(name for name, own in self.lacks.items() if own == why)}: {why}")
        return "\n".join(lines)


def summary_of(
    url: str | os.PathLike[str], plan: EmbeddingsMapping, new: int, left_out: int, tower: bool
) -> ImportSummary:
    """The summary of a finished import into a store. Raises: DataError where the store cannot be read."""
    store = open_store(url)
    records = store.videos
    works, lacks = commands_of(plan, bool(store.vocabulary_id), tower)
    dims = store.config["dims"]
    return ImportSummary(
        store.url, len(records), new, sum(r.segments for r in records if r.has_data), len(store.labels),
        dict(sorted(Counter(r.status for r in records).items())), count_notes(r.notes for r in records), left_out,
        {name: dims[name] for name in plan.modalities}, made_up(plan), works, lacks,
        [(r.id, r.status, r.reason) for r in records if r.status in _WITHOUT_DATA],
    )  # fmt: skip


def commands_of(plan: EmbeddingsMapping, has_text: bool, tower: bool) -> tuple[list[str], dict[str, str]]:
    """The commands that work on the store of a mapping, and the others with what they lack."""
    works, lacks = ["info", "verify", "probe"], {}
    no_text = "embeddings of text; name them in [embeddings.text] (backbone, or path and labels)"
    for name in ("replay", "tune", "finetune"):
        if not has_text:
            lacks[name] = "needs labels; `avreplay embed-text` gives some" if tower else f"needs {no_text}"
        elif name == "finetune" and len(plan.modalities) < 2:
            lacks[name] = "needs both audio and visual embeddings"
        else:
            works.append(name)
    if tower:
        works.append("embed-text")
    else:
        lacks["embed-text"] = "needs the encoder of the embeddings; name it as backbone in [embeddings.text]"
    return works, lacks
