"""A forecast in words."""

from __future__ import annotations

from ...core.toy import TOY, foreign_video
from .forecast import SEARCH, Forecast

_UNITS = ("B", "KB", "MB", "GB", "TB", "PB")


def forecast_text(f: Forecast) -> str:
    """Lines of what each part costs, at most 80 columns wide where names are short."""
    stores = "" if f.stores == 1 else f", in {f.stores} stores that are read as one"
    return "\n".join(
        [
            f"{f.videos:,} videos of {f.video_seconds:.1f} s, {f.hours:,.1f} hours in all, by {f.backbone}",
            f"from {_short(f.measured_on)}, measured on this machine; the encoder on {f.device}",
            *_notes(f),
            "",
            _row("encoder", f"{_hours(f.encoder_hours)} of one device, {f.encoder_seconds:.3f} s a video"),
            _row("decoder", f"{_hours(f.decoder_hours)} of one core, {f.decoder_seconds:.3f} s a video"),
            _row("wall", f"{_hours(f.wall_hours)} with {_many(f.devices, 'device')} and {_many(f.cores, 'core')}; "
                         f"the {f.bound_by} decides"),
            _row("", f"{_many(f.cores_to_feed, 'core')} decode{'s' if f.cores_to_feed == 1 else ''} as fast as "
                     f"{_many(f.devices, 'device')} encode{'s' if f.devices == 1 else ''}"),
            _row("store", f"{_bytes(f.embedding_bytes)} embeddings, {_bytes(f.score_bytes)} scores of "
                          f"{_many(f.labels, 'label')}, {f.windows} windows a video"),
            _row("", f"{_bytes(f.size.metadata_bytes)} metadata; {f.size.objects:,} objects in {f.size.shards:,} "
                     f"shards{stores}"),
            _row("requests", f"{f.size.write_requests:,} to write it on an object store, "
                             f"{f.size.read_requests:,} to read all of it"),
            _row("memory", f"{_bytes(f.extract_memory)} to extract, on each machine; {_bytes(f.replay_memory)} to "
                           "replay"),
            *_replay(f),
        ]
    )  # fmt: skip


def _notes(f: Forecast) -> list[str]:
    """Why the true cost may be far from this one."""
    toy = f"note: {TOY} is a toy encoder, far cheaper than others; choose with --backbone"
    generated = "note: a generated video was measured; give one like yours with --media"
    return [toy] * (f.backbone == TOY) + [generated] * (foreign_video([f.measured_on]) is None)


def _replay(f: Forecast) -> list[str]:
    if f.replay_hours is None or f.search_hours is None:
        return []
    return [
        _row("replay", f"{_hours(f.replay_hours)} of one core a setting, {_hours(f.search_hours)} for a search of "
                       f"{SEARCH:,}")
    ]  # fmt: skip


def _row(name: str, text: str) -> str:
    return f"  {name:<10}{text}"


def _many(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def _hours(hours: float) -> str:
    if hours < 1 / 60:
        return f"{hours * 3600:.1f} s"
    return f"{hours * 60:.1f} min" if hours < 1 else f"{hours:,.1f} h"


def _bytes(count: float) -> str:
    unit = 0
    while count >= 1000 and unit + 1 < len(_UNITS):
        count, unit = count / 1000, unit + 1
    return f"{count:.0f} {_UNITS[unit]}" if unit == 0 else f"{count:.1f} {_UNITS[unit]}"


def _short(name: str) -> str:
    return name if len(name) <= 40 else f"{name[:39]}…"
