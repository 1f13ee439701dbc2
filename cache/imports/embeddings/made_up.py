"""What an import makes up beside what it brings in: each pooling, filling and choice of its mapping in a sentence."""

from __future__ import annotations

from .plan import MODALITIES, EmbeddingsMapping


def made_up(plan: EmbeddingsMapping) -> list[str]:
    """One sentence for each thing in the store that is not in the files as it is; they go into its configuration."""
    found = [f"{name}: none, the mapping names no arrays of it" for name in MODALITIES if name not in plan.modalities]
    for name, m in plan.modalities.items():
        for axis, how in m.array.pool.items():
            found.append(f"{name}: " + (f"index {how} of {axis}" if isinstance(how, int) else f"{how} over {axis}"))
        if m.per_segment is not None and m.per_segment > 1:
            found.append(f"{name}: {m.segment_pool} of {m.per_segment} embeddings a segment")
        if m.seconds is not None:
            found.append(
                f"{name}: one embedding in {m.seconds:g} s, resampled to segments of {plan.segment_seconds:g} s "
                f"({m.segment_pool}; a segment without any has the one that covers its middle)"
            )
        if m.array.begins == "first":
            found.append(f"{name}: a video begins where its first file does")
        if m.normalise != "none":
            found.append(f"{name}: scaled to length 1")
        if m.scale != 1:
            found.append(f"{name}: multiplied by {m.scale:g}")
        if m.clip is None:
            found.append(f"{name}: the whole clip is the {plan.clip} of its segments")
    found.append("windows: none; replay takes the mean of segments")
    if len(plan.modalities) > 1 or plan.segments is not None:
        how = {
            "near": "at most one segment is added, by repeating the last embedding",
            "longest": "to the longest, by repeating the last embedding",
            "shortest": "to the shortest",
        }[plan.lengths]
        found.append(f"lengths: {how}")
    return found
