"""Lost packets of pictures: what was made from them is damaged up to the next key picture, and never taken as whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import pytest
from media_maker import remuxed, write_moving
from media_taken import Taken, refusal

CODECS = [
    (".mkv", "libx264", {}),
    (".mp4", "libx264", {"bf": "0"}),
    (".mp4", "libx264", {"x264-params": "intra-refresh=1:keyint=20"}),
    (".mp4", "libx264", {"x264-params": "cabac=0:bframes=2:b-pyramid=strict"}),
    (".ts", "libx264", {}),
    (".flv", "libx264", {"bf": "2"}),
    (".avi", "libx264", {"bf": "0"}),
    (".mkv", "libx265", {"x265-params": "log-level=none"}),
    (".ts", "libx265", {"x265-params": "log-level=none"}),
    (".mkv", "mpeg4", {"bf": "2"}),
    (".avi", "mpeg4", {}),
    (".mkv", "mpeg2video", {}),
    (".ts", "mpeg2video", {"bf": "2"}),
]


def without(*packets: range) -> Callable[[str, int, av.Packet], av.Packet | None]:
    return lambda kind, number, packet: None if any(number in lost for lost in packets) else packet


@pytest.mark.parametrize(("suffix", "codec", "options"), CODECS)
def test_pictures_after_a_loss_are_never_ok(tmp_path: Path, suffix: str, codec: str, options: dict[str, str]) -> None:
    clip = write_moving(tmp_path / f"clip{'.avi' if suffix == '.avi' else '.mp4'}", codec=codec, options=options)
    whole = Taken(remuxed(clip, tmp_path / f"whole{suffix}", streams=["video"]))
    assert (whole.status, whole.notes) == ("no_audio", {})
    for lost in (range(32, 57), range(35, 44)):
        path = remuxed(clip, tmp_path / f"lost{suffix}", without(lost), streams=["video"])
        status, reason = refusal(path)
        assert status in ("unreadable", "truncated")
        assert any(words in reason for words in ("pictures are lost at", "are lost", "can be decoded up to"))


@pytest.mark.parametrize("options", [{}, {"svtav1-params": "pred-struct=1"}])
@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_pictures_after_a_loss_in_av1_are_never_ok(tmp_path: Path, suffix: str, options: dict[str, str]) -> None:
    how = {"codec": "libsvtav1", "options": {"preset": "12", **options}}
    whole = Taken(write_moving(tmp_path / f"whole{suffix}", **how))
    assert (whole.status, whole.notes) == ("no_audio", {})
    for lost in (range(32, 58), range(41, 44)):
        reason = refusal(write_moving(tmp_path / f"lost{suffix}", lost=lost, **how))[1]
        assert "pictures are lost at" in reason
    times = [*range(20), 25, 26, *range(50, 80)]
    assert "damaged_pictures" not in Taken(write_moving(tmp_path / f"paused{suffix}", times=times, **how)).notes


def test_a_loss_shortly_before_a_key_picture_is_noted(tmp_path: Path) -> None:
    clip = write_moving(tmp_path / "clip.mp4", gop=20)
    taken = Taken(remuxed(clip, tmp_path / "lost.mkv", without(range(33, 36)), streams=["video"]))
    assert (taken.status, list(taken.notes)) == ("no_audio", ["damaged_pictures"])
    assert "pictures are lost at 3." in taken.notes["damaged_pictures"]
    before = remuxed(clip, tmp_path / "before.mkv", without(range(33, 40)), streams=["video"])
    assert "damaged_pictures" not in Taken(before).notes  # nothing was made from them


@pytest.mark.parametrize(
    ("suffix", "codec", "options"), [c for c in CODECS if "intra-refresh" not in str(c)] + [(".webm", "libvpx", {})]
)
def test_pictures_that_were_never_there_are_no_loss(
    tmp_path: Path, suffix: str, codec: str, options: dict[str, str]
) -> None:
    """Screen recordings, slides, dropped duplicates: the encoder did not get them."""
    times = [0, 1, 2, 3, 4, 9, 10, 11, 14, 15, 16, 17, 18, 19, 20, 21, 22, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61]
    taken = Taken(write_moving(tmp_path / f"clip{suffix}", codec=codec, options=options, times=times))
    assert taken.status == "no_audio"
    assert "damaged_pictures" not in taken.notes


def test_a_copy_from_the_middle_is_no_loss(tmp_path: Path) -> None:
    """An edit list: the packets before the cut are there, and not shown."""
    clip = write_moving(tmp_path / "clip.mp4")

    def later(kind: str, number: int, packet: av.Packet) -> av.Packet:
        ticks = round(3.3 / packet.time_base)
        packet.pts, packet.dts = packet.pts - ticks, packet.dts - ticks
        return packet

    taken = Taken(remuxed(clip, tmp_path / "a.mp4", later, streams=["video"]))
    assert (taken.status, taken.notes) == ("no_audio", {})


@pytest.mark.parametrize(("codec", "lost"), [("libvpx", 4), ("libvpx-vp9", 4), ("mpeg4", 4), ("libx264", 16)])
def test_a_loss_without_a_trace_is_noted_as_a_gap(tmp_path: Path, codec: str, lost: int) -> None:
    """VP8 and VP9 count nothing, MPEG-4 seconds, and H.264's numbers begin again after 16 pictures."""
    clip = write_moving(
        tmp_path / "clip.mp4" if codec != "libvpx" else tmp_path / "clip.mkv", codec=codec, options={"bf": "0"}
    )
    taken = Taken(remuxed(clip, tmp_path / "lost.mkv", without(range(42, 42 + lost)), streams=["video"]))
    assert taken.status == "no_audio"
    assert taken.notes == {"pause": f"there is no picture from 4.1 to {4.2 + lost / 10:.1f} s; the one before stands"}
