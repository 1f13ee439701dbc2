"""One video: annotated and predicted events of each track, scores against thresholds, and why a label is an event."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.bundle import ScoreBundle
from ...core.decoders.replayed import replayed
from ...core.errors import UsageError
from ...core.events import TRACKS, Events
from .session import Answer, Session, known
from .setting import Setting
from .smallest_change import smallest_changes

_DIGITS = 6
_RAW = {"audio": "audio_segments", "visual": "visual_segments", "audio_visual": "audio_visual_segments"}

Rows = list[list[float | None]]
"""Label, onset, offset and score of events; onset and offset in segments. Those of the decoder also have a confidence,
and onset and offset in seconds where these are its own, else None."""

_MEAN_SCORE = "the mean raw score of the label in the event's segments"


def timeline(session: Session, index: int, answer: Answer, baseline: Answer | None) -> dict[str, Any]:
    """All that the page shows of a video.

    Raises: UsageError for a video that there is not.
    """
    check_index(session, index)
    b = session.bundle
    segments, seconds = int(b.segments_per_video[index]), float(b.segment_seconds)
    truth = session.truth if index < session.num_annotated else None
    to_label = session.problem(answer.setting) if truth is not None else None
    annotated = {} if to_label is None else _labels_back(to_label.target.to_label)
    one = answer.events.select([index])
    tracks = []
    for track in answer.setting.decoder.tracks:
        rows = None if truth is None else _rows(truth.events, index, track, annotated)
        before = None if baseline is None else _rows(baseline.events, index, track)
        tracks.append({"track": track, "truth": rows, "events": _sure_rows(one, track), "baseline": before})
    figures = {} if answer.scores is None or truth is None else {
        name: known(float(values[index]))
        for name in answer.scores.video_names
        if (values := answer.of_videos(name)) is not None
    }  # fmt: skip
    return {
        "index": index, "id": b.video_ids[index], "segments": segments, "segment_seconds": seconds,
        "seconds": segments * seconds, "notes": _notes(b, index), "tracks": tracks,
        "curves": _curves(session, index, answer, tracks), "figures": figures,
        "confidence": f"what the decoder {answer.setting.decoder.name} gives" if answer.own_confidence else _MEAN_SCORE,
    }  # fmt: skip


def why(
    session: Session,
    index: int,
    track: str,
    label: int,
    segment: int,
    setting: Setting,
    wanted: Callable[[], bool] | None = None,
) -> dict[str, Any]:
    """Stage by stage what became of a label at a segment, and the smallest changes that make it otherwise.

    wanted : as :func:`.smallest_change.smallest_changes` has it; None: without the changes

    Raises: UsageError for a video, label, track or segment that there is not; as :meth:`Decoder.explain` and
        :func:`.smallest_change.smallest_changes`.
    """
    check_index(session, index)
    inputs = session.inputs(setting)
    told = setting.decoder.explain(inputs, setting.params, index, track, label, segment, segment + 1)
    events = session.answer(setting).events.track(index, track)
    is_event = any(c == label and s <= segment < e for c, s, e, _ in events)
    found = None
    if wanted is not None:
        at = (index, track, label, segment)
        found = [c.as_dict() for c in smallest_changes(setting.decoder, inputs, setting.params, *at, wanted)]
    return {
        "text": told.text(),
        "stages": [{"name": str(s.name), "passed": bool(s.passed), "text": str(s.text)} for s in told.stages],
        "lost_at": told.lost_at,
        "is_event": is_event,
        "change": found[0] if found else None,
        "changes": found,
    }


def check_index(session: Session, index: int) -> None:
    """Raises: UsageError for a video that there is not."""
    if not 0 <= index < len(session.video_ids):
        raise UsageError(f"there is no video {index}; the store has {len(session.video_ids)}")


def _labels_back(to_label: NDArray[np.int32]) -> dict[int, int]:
    """The store's label of each label of the annotations."""
    return {c: i for i, c in enumerate(to_label.tolist()) if c >= 0}


def _rows(events: Events, video: int, track: str, names: dict[int, int] | None = None) -> Rows:
    """Events of a track; ``names`` gives the label for each label, which are left out where it has none."""
    found: Rows = []
    for label, onset, offset, score in events.track(video, track):
        own = label if names is None else names.get(label)
        if own is not None:
            found.append([own, onset, offset, known(score)])
    return found


def _sure_rows(events: Events, track: str) -> Rows:
    """The events of the only video, with how sure the decoder is of each and its own seconds."""
    found = _rows(events, 0, track)
    assert events.confidence is not None
    for i, row in enumerate(found, events.rows(0, track).start):
        seconds = (None, None) if events.seconds is None else events.seconds[i].tolist()
        row += [float(events.confidence[i]), *seconds]
    return found


def _notes(b: ScoreBundle, index: int) -> list[str]:
    lacking = [what for what, has in (("sound", b.has_audio), ("pictures", b.has_visual)) if not has[index]]
    return [f"the video has no {' and no '.join(lacking)}"] if lacking else []


def _curves(session: Session, index: int, answer: Answer, tracks: list[dict[str, Any]]) -> dict[str, Any]:
    """Score and threshold of each segment, of the labels of a track that are active, annotated or predicted."""
    setting = answer.setting
    inputs = session.inputs(setting).select([index])
    b = inputs.scores
    trace = None
    if setting.decoder.traces:
        trace = replayed(setting.decoder, inputs, [setting.params], threads=1, trace=True).trace
    found = {}
    for shown in tracks:
        track = shown["track"]
        k = TRACKS.index(track)
        wanted = {int(row[0]) for rows in (shown["truth"], shown["events"], shown["baseline"]) for row in rows or ()}
        if trace is not None:
            active = np.flatnonzero(trace.active[k, 0]).tolist()
            score, tau = trace.score[k], trace.tau[k]
        else:
            raw = getattr(b, _RAW[track])
            active = sorted(wanted)
            score = np.full((int(b.segments_per_video[0]), b.num_labels), np.nan) if raw is None else raw
            tau = np.full(score.shape, np.nan)
        found[track] = [
            {
                "label": c, "name": b.labels[c], "active": c in active, "score": _numbers(score[:, c]),
                "threshold": _numbers(tau[:, c]),
            }
            for c in sorted(wanted.union(active))
        ]  # fmt: skip
    return found


def _numbers(values: NDArray[Any]) -> list[float | None]:
    return [None if np.isnan(v) else float(f"{v:.{_DIGITS}g}") for v in values.tolist()]
