"""What ``avreplay extract`` does: options in, a store and a summary out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.errors import UsageError
from .backbone import load_backbone
from .check import check_backbone
from .listing import parse_options
from .pipeline import ExtractSettings, ExtractSummary, extract_videos
from .vocabulary import read_labels

MOST_FAILURES = 20
"""Failures that the summary names one by one."""


@dataclass(frozen=True)
class ExtractOutcome:
    """A summary with the words and the exit code of the command."""

    summary: ExtractSummary

    @property
    def exit_code(self) -> int:
        """1 if any video of the store could not be used as it should, else 0."""
        return 1 if self.summary.failures else 0

    def as_dict(self) -> dict[str, Any]:
        return self.summary.as_dict()

    def text(self) -> str:
        s = self.summary
        counts = ", ".join(f"{n} {status}" for status, n in s.counts.items())
        lines = [
            f"{s.store}: {s.videos} videos ({counts})",
            f"{s.new} new in {s.seconds:.1f} s, {s.videos_per_second:.1f} videos/s, "
            f"{s.times_real_time:.0f} times real time; {s.resumed} were there",
        ]
        lines += [f"  {v.id}: {v.status}, {v.reason}" for v in s.failures[:MOST_FAILURES]]
        if len(s.failures) > MOST_FAILURES:
            lines.append(f"  and {len(s.failures) - MOST_FAILURES} more; `avreplay info {s.store} --json` has them all")
        return "\n".join(lines)


def extract_to_store(
    media: Sequence[str],
    store: str,
    *,
    backbone: str = "demo",
    labels_file: str | None = None,
    ids_file: str | None = None,
    frames: str = "middle",
    backbone_settings: Sequence[str] = (),
    check: bool = False,
    say: Callable[[str], None] = print,
    **settings: Any,
) -> ExtractOutcome:
    """Extract files or folders into a store with labels and ids from files.

    ``backbone_settings`` are options of the backbone as ``KEY=VALUE``; with ``check`` the backbone is tried on
    generated media first, and ``say`` gets what was seen. Raises as :func:`extract_videos` does, and UsageError where
    a backbone has no labels of its own and none are given.
    """
    encoder = load_backbone(backbone, **parse_options(backbone_settings))
    if labels_file is not None:
        labels = read_labels(labels_file)
    elif backbone == "demo":
        from .demo_world import LABELS

        labels = LABELS
    else:
        raise UsageError(f"the backbone {backbone} needs labels; give a file with --labels, one a line")
    if check:
        say(check_backbone(encoder).text())
    ids = read_labels(ids_file) if ids_file is not None else None
    chosen = ExtractSettings(frame_rule=frames, **settings)
    return ExtractOutcome(extract_videos(list(media), store, encoder, labels, chosen, ids=ids))
