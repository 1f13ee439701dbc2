"""At which stage a label got lost between two segments, told from a trace: the words are those of
`core/decoders/explain.py`, which has the scores of the store; what a trace does not hold is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.decoders.explain import spans_text
from ...core.events import TRACKS
from .data import ReportData, ReportRun, Trace
from .style import spans

_LACKING = {"audio": "sound", "visual": "pictures", "audio_visual": "sound or no pictures"}
Span = tuple[int, int]
Candidate = tuple[int, int, float, bool]
"""Onset, offset, score of the window, and whether it became an event."""


class TraceStages:
    """What the trace of a run says about a track of a video."""

    def __init__(self, data: ReportData, run: ReportRun, trace: Trace, video: int, track: str) -> None:
        self.run: ReportRun = run
        self.trace: Trace = trace
        self.video: int = video
        self.track: str = track
        self.params: Mapping[str, Any] = run.params
        self.av2a: bool = self.params.get("decoder", "av2a") == "av2a"
        self.there: bool = track in trace.tracks
        rows, place = trace.rows(data.offsets, video), trace.place(video)
        if self.there:
            self.score: NDArray[np.float64] = np.asarray(trace.score[track][rows], np.float64)
            self.tau: NDArray[np.float64] = np.asarray(trace.tau[track][rows], np.float64)
            self.active: NDArray[np.bool_] = np.asarray(trace.active[track][place])
        self.found: dict[int, list[Candidate]] | None = None
        if trace.candidates is not None:
            self.found = {}
            events = trace.candidates.events
            kept = trace.candidates.kept[events.rows(place, track)].tolist()
            for (label, a, b, score), k in zip(events.track(place, track), kept, strict=True):
                self.found.setdefault(label, []).append((a, b, score, k))

    def lost(self, label: int, onset: int, offset: int) -> str:
        """Stage and reason, for a span in which the run has no event of the label."""
        if self.trace.videos is not None and not self.trace.videos[self.video]:
            return "trace: it is not of this video"
        if self.trace.labels is not None and not self.trace.labels[label]:
            return "labels: the run does not know this label"
        if self.av2a and self.track == "audio_visual" and self.params.get("fusion") == "late":
            return self._late_fusion(label, onset, offset)
        if not self.there:
            return f"trace: it has no {self.track} track"
        if not self.active[label]:
            return self._not_active()
        above = self.above(label, onset, offset)
        own = self.candidates(label, onset, offset)
        if not above.any() and not own:
            return f"thresholds: {self.thresholds(label, onset, offset)}"
        if own is None:
            return f"after the thresholds: {self.thresholds(label, onset, offset)}; the trace has no candidates, " + (
                "write it again"
            )
        if not own:
            runs = [(a, b) for a, b in spans(self.above(label), split=False) if a < offset and b > onset]
            lengths = ", ".join(str(b - a) for a, b in runs)
            return f"candidates: runs of {lengths} segments are shorter than min_length {self._param('min_length')}"
        return f"refinement: {self.windows(own)}"

    def there_by(self, label: int, onset: int, offset: int) -> str:
        """Why segments are in an event, after a colon; empty where the trace does not say."""
        if not self.there or not self.active[label]:
            return ""
        bridged = not self.above(label, onset, offset).all() and bool(self.candidates(label, onset, offset))
        gap = f"; the others lie in a gap that is bridged (max_gap {self._param('max_gap')})" if bridged else ""
        return f": {self.thresholds(label, onset, offset, nearest=False)}{gap}"

    def above(self, label: int, onset: int = 0, offset: int | None = None) -> NDArray[np.bool_]:
        """Which segments of a span are above their threshold."""
        with np.errstate(invalid="ignore"):
            found: NDArray[np.bool_] = self.score[onset:offset, label] > self.tau[onset:offset, label]
        return found

    def candidates(self, label: int, onset: int, offset: int) -> list[Candidate] | None:
        """The candidates of a label that overlap a span; None where the trace has none at all."""
        if self.found is None:
            return None
        return [one for one in self.found.get(label, ()) if one[0] < offset and one[1] > onset]

    def thresholds(self, label: int, onset: int, offset: int, nearest: bool = True) -> str:
        """How many segments are above their threshold, and where none is, which comes nearest."""
        inside = self.above(label, onset, offset)
        text = f"{int(inside.sum())} of {offset - onset} segments are above their threshold"
        gap = self.score[onset:offset, label] - self.tau[onset:offset, label]
        if np.isnan(gap).all():
            return f"{text}, for they have none"
        if nearest and not inside.any():
            t = onset + int(np.nanargmax(gap))
            text += (
                f"; the nearest is segment {t}: score {self.score[t, label]:.4f}, threshold {self.tau[t, label]:.4f}"
            )
        return text

    def windows(self, own: Sequence[Candidate]) -> str:
        """What refinement made of candidates."""
        if all(kept and np.isnan(score) for _, _, score, kept in own):
            refine = self.params.get("refine", True)
            return "the only candidate of a track is kept unchecked" if refine else "refine is false"
        return "; ".join(f"window [{a}, {b}) scores {score:.4f}, {self._verdict(score, k)}" for a, b, score, k in own)

    def _verdict(self, score: float, kept: bool) -> str:
        if self.params.get("refine_rule") == "argmax":
            # the trace does not tell a window's other labels
            best = "the best of its window, or of a track without a valid one"
            return f"kept as {best}" if kept else "not the best of its window"
        tau_r = self.params.get("tau_r")
        if not isinstance(tau_r, (int, float)):
            return "kept" if kept else "rejected"
        exact = float(np.float32(tau_r)) if self.params.get("precision", "float32") == "float32" else float(tau_r)
        if kept:
            valid = f"above tau_r {tau_r:g}"
            return valid if score > exact else f"not {valid}, kept as the best of a track without a valid one"
        return f"not above tau_r {tau_r:g}"

    def _not_active(self) -> str:
        selects = self.params.get("select_classes", True)
        tau_f = self.params.get("tau_f")
        rule = f"not above tau_f {tau_f:g}" if isinstance(tau_f, (int, float)) else "not high enough"
        reason = f"selection: clip score (not in the trace) {rule}" if selects else ""
        if self.active.any():
            return reason or "selection: the label was not selected"
        # no label at all: either reason looks the same in a trace
        stream = f"the video has no {_LACKING[self.track]}"
        return f"{reason}, or {stream}" if reason else f"stream: {stream}"

    def _late_fusion(self, label: int, onset: int, offset: int) -> str:
        texts = []
        for track in TRACKS[:2]:
            events = self.run.events.track(self.video, track)
            found = [(a, b) for c, a, b, _ in events if c == label and a < offset and b > onset]
            if not found:
                return f"{track}: there is no {track} event of this label there"
            texts.append(f"{track} events {spans_text(found)}")
        return f"late fusion: audio and visual events do not overlap ({'; '.join(texts)})"

    def _param(self, name: str) -> str:
        return str(self.params.get(name, ""))
