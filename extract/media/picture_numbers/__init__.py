"""The numbers that codecs give their pictures: where one is left out, the pictures after it were made from a lost one.

A decoder of most codecs shows pictures whose references are lost all the same, made from older ones, and says nothing.
The time stamps cannot tell a loss from a pause that is meant so. What a codec counts can:

H.264
    ``frame_num`` counts the pictures that others refer to (within 16 or more).
AV1
    ``order_hint`` counts the pictures in the order in which they are shown (within 128, as a rule).
MPEG-4 part 2
    Pictures count the seconds since the one before, so that a loss over the turn of a second leaves seconds out.
MPEG-1 and MPEG-2
    ``temporal_reference`` counts the pictures of a group.

Of HEVC the decoder leaves such pictures out by itself. VP8 and VP9 count nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from .av1 import AV1
from .h264 import H264
from .mpeg2 import MPEG2
from .mpeg4 import MPEG4


class PictureNumbers(Protocol):
    """Follows the numbers of a track's pictures.

    Attributes
    ----------
    needs_gap : a number that is left out is a loss only where the time stamps leave something out, too
    settles_after : so many pictures after the last packet, if that is a key picture, are not whole yet
    """

    needs_gap: bool
    settles_after: int

    @property
    def within(self) -> int:
        """So many lost pictures in a row may leave no trace: where the numbers begin again."""
        ...

    def miss(self, data: memoryview, key: bool, seconds: float | None) -> bool:
        """Whether pictures are missing between the last packet and this one; ``seconds``: when it is shown."""
        ...


_LEFT_OUT = "hevc"
"""The codec of which FFmpeg's decoder leaves out pictures that were made from lost ones."""

_BY_CODEC: dict[str, Callable[[bytes], PictureNumbers]] = {
    "h264": H264,
    "av1": AV1,
    "mpeg4": MPEG4,
    "mpeg1video": MPEG2,
    "mpeg2video": MPEG2,
}


def picture_numbers(track: Any) -> PictureNumbers | None:
    """What follows the pictures of a video track; None if its codec does not number them."""
    context = track.codec_context
    made = _BY_CODEC.get(context.codec.canonical_name) if context else None
    return made(context.extradata or b"") if made else None


def untold(track: Any, numbers: PictureNumbers | None) -> int | None:
    """So many lost pictures in a row may leave no trace in a video track; None if all do."""
    if numbers is not None:
        return numbers.within
    return None if track.codec_context.codec.canonical_name == _LEFT_OUT else 1
