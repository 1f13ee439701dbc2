"""When the pictures of a file are shown: by the stamps of its packets, or by those of the decoded pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate, chain, pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .info import MediaInfo
from .opening import MediaError, check_machine, open_media
from .packets import Packets, fraction_of
from .scan import Scan, corrected
from .wholeness import declared_frames, falls_short

if TYPE_CHECKING:
    from av.video.stream import VideoStream

_MOSTLY = 0.9
"""The share of decoded frames whose time stamps must rise for the time stamps to be used."""

_REPEATED = 2
"""So many pictures in a row may have stamps that do not rise, and are shown between those around them."""


def with_pictures(info: MediaInfo, track: VideoStream, seen: Packets, scan: Scan, timed: bool) -> MediaInfo:
    """The time stamps of the pictures: of the packets, or of the decoded frames where the packets cannot know."""
    if timed:
        info = replace(info, frame_pts=np.sort(seen.stamps), time_base=seen.time_base)
        return replace(info, by_order=_stamped_as_decoded(info, track, seen))
    rate = fraction_of(track.average_rate, Fraction(25))
    rate = rate if rate > 0 else Fraction(25)
    stamps, decoding = _decoded_pts(info), scan.decoding_stamps(track.index)
    # where the time stamps cannot show it, the header's number of frames can
    end = float(len(stamps) / rate) if decoding is None else float(int(decoding[-1]) * seen.time_base + 1 / rate)
    declared = float(declared_frames(track) / rate)
    if falls_short(end, declared):
        raise MediaError("truncated", f"the file ends after {end:.1f} s and declares {declared:.1f} s")
    whole = decoding is not None and len(decoding) == len(stamps) and not info.video_correction
    known = [stamp for stamp in stamps if stamp is not None]
    rising = [b for a, b in pairwise(chain([-math.inf], accumulate(known, max))) if b > a]
    if len(rising) >= _MOSTLY * len(stamps) and not (whole and scan.format_name == "avi"):
        spread = _spread(stamps)
        if spread is not None:
            return replace(info, frame_pts=spread, time_base=seen.time_base, by_order=True)
        return replace(info, frame_pts=np.array(rising, np.int64), time_base=seen.time_base)
    if decoding is not None and whole:  # AVI knows when frames are decoded, of which the k-th shows the k-th
        return replace(info, frame_pts=decoding, time_base=seen.time_base, by_order=True)
    first = int(decoding[0]) if decoding is not None else min(known, default=0)
    begin = round(float(first * seen.time_base) * rate)
    return replace(info, frame_pts=begin + np.arange(len(stamps)), time_base=1 / rate, by_order=True)


def _spread(stamps: Sequence[int | None]) -> NDArray[np.int64] | None:
    """[N] stamps of which those that do not rise lie between the ones around them; None if too many are wrong.

    In MPEG program streams a picture repeats a stamp where a stored one does not fit FFmpeg's guess before it.
    """
    known = np.array([stamp for stamp in stamps if stamp is not None], np.int64)
    if len(known) < max(len(stamps), 3):
        return None
    kept = np.append(0, np.flatnonzero(known[1:] > np.maximum.accumulate(known)[:-1]) + 1)
    if len(kept) < 2 or len(kept) == len(known) or np.diff(np.append(kept, len(known))).max() > _REPEATED + 1:
        return None
    end = known[kept[-1]] + int(np.median(np.diff(known[kept])))
    made = np.interp(np.arange(len(known)), np.append(kept, len(known)), np.append(known[kept], end)).astype(np.int64)
    return made if (np.diff(made) > 0).all() else None


def _stamped_as_decoded(info: MediaInfo, track: VideoStream, seen: Packets) -> bool:
    """Whether the stamps rise in the order of decoding, not of showing: the k-th picture shown has the k-th stamp.

    Of pictures that a codec may reorder and that lie in the order of their stamps, only decoding tells.
    """
    if not track.codec_context.has_b_frames or (np.diff(seen.stamps) <= 0).any():
        return False
    stamps = [stamp for stamp in _decoded_pts(info) if stamp is not None]
    rising: list[int] = seen.stamps.tolist()
    return sorted(stamps) == rising and stamps != rising


def _decoded_pts(info: MediaInfo) -> list[int | None]:
    """Time stamps of the decoded frames, on one clock."""
    import av

    stamps: list[int | None] = []
    with open_media(info.path) as container:
        video = container.streams[info.video_index or 0]
        assert isinstance(video, av.VideoStream)
        for packet in corrected(container, [video], [info.video_correction]):
            try:
                stamps += [frame.pts for frame in packet.decode()]
            except av.error.FFmpegError as error:
                check_machine(error, info.path)
    if not stamps:
        raise MediaError("unreadable", f"no frame could be decoded ({video.codec_context.name})")
    return stamps
