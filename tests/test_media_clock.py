"""One clock for pictures and sound: late, early, joined, with wrong time stamps."""

from __future__ import annotations

import contextlib
import wave
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from avreplay.extract.media.decode import Decoding
from avreplay.extract.media.gaps import refuse_bursts, refuse_gaps
from avreplay.extract.media.interleaving import refuse_lone_steps
from avreplay.extract.media.jumps import jumps
from avreplay.extract.media.packets import Packets
from avreplay.extract.media.probe import MediaError, probe
from hypothesis import given, settings
from hypothesis import strategies as st
from media_maker import (
    cut,
    heard_second,
    remuxed,
    shifted,
    shown_number,
    write_clip,
    write_moving,
)
from media_taken import ALL, FORMATS, MIDDLES, RATE, Taken, refusal, together


@pytest.mark.parametrize(("suffix", "codec", "audio_codec"), FORMATS)
def test_pictures_begin_late_or_end_early(tmp_path: Path, suffix: str, codec: str, audio_codec: str) -> None:
    how: dict[str, Any] = {"codec": codec, "audio_codec": audio_codec}
    whole = Taken(write_clip(tmp_path / f"whole{suffix}", **how))
    assert (whole.status, whole.seconds, whole.notes) == ("ok", ALL, {})
    assert whole.shows(MIDDLES)
    late = Taken(write_clip(tmp_path / f"late{suffix}", pictures=range(30, 100), **how))
    assert late.shows([30, 30, 30, *MIDDLES[3:]])
    assert late.seconds == ALL
    if suffix != ".avi":  # an AVI has a first picture at 0 s
        assert late.notes == {"late_pictures": "the pictures begin at 3.0 s; the first one stands before"}
    early = Taken(write_clip(tmp_path / f"early{suffix}", pictures=range(42), **how))
    assert early.shows([*MIDDLES[:4], *[41] * 6])
    assert early.seconds == ALL
    assert list(early.notes) == ["early_end_of_pictures"]


@pytest.mark.parametrize(("pictures", "shown"), [([0, 1], [1] * 10), ([0, 40], [0] * 4 + [40] * 6), ([0], [0] * 10)])
def test_the_last_picture_stands_while_the_sound_goes_on(tmp_path: Path, pictures: list[int], shown: list[int]) -> None:
    taken = Taken(write_clip(tmp_path / "a.mp4", pictures=pictures))
    assert (taken.status, taken.pictures, taken.seconds) == ("ok", shown, ALL)
    assert "the last one stands" in taken.notes["early_end_of_pictures"]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
@pytest.mark.parametrize("late", [-2.5, 2.5])
def test_sound_and_pictures_that_begin_apart(tmp_path: Path, suffix: str, late: float) -> None:
    clip = write_clip(tmp_path / "clip.mkv", start=3.0, seconds=6)
    path = tmp_path / f"moved{suffix}"
    remuxed(clip, path, lambda kind, number, packet: shifted(packet, late if kind == "audio" else 0.0))
    taken = Taken(path)
    assert taken.status == "ok"
    assert taken.seconds is not None
    # a tone that begins in the middle of a segment is told by its longer half, or not
    begin = max(late, 0.0)
    assert taken.pictures[0] == (0 if late < 0 else 5)
    assert len(taken.pictures) in (8, 9)
    samples = Decoding(probe(path), np.zeros(0, np.int64), RATE, 9.0)
    assert list(samples.frames()) == []
    assert samples.audio is not None
    loud = np.flatnonzero(np.abs(samples.audio) > 0.1)
    assert loud[0] / RATE == pytest.approx(begin, abs=0.06)
    assert ("late_sound" if late > 0 else "late_pictures") in taken.notes


@pytest.mark.parametrize("start", [0.0, 5.3, 95443.7 - 5])
def test_joined_streams_are_put_on_one_clock(tmp_path: Path, start: float) -> None:
    part = write_clip(tmp_path / "part.ts", start=start)
    taken = Taken(together(tmp_path / "joined.ts", part, part))
    assert taken.shows(MIDDLES + MIDDLES)
    assert (taken.status, taken.seconds) == ("ok", ALL + ALL)
    assert taken.notes == {"clock_jump": "the time stamps begin again; the parts follow each other, at 10.0 s"}


def test_joined_streams_of_all_kinds(tmp_path: Path) -> None:
    short = write_clip(tmp_path / "short.ts", seconds=2)
    assert Taken(together(tmp_path / "four.ts", *[short] * 4)).seconds == [1, 2] * 4
    later = write_clip(tmp_path / "later.ts", start=105.3)
    first = write_clip(tmp_path / "first.ts", start=5.3)
    forward = Taken(together(tmp_path / "forward.ts", first, later))
    assert forward.seconds == ALL + ALL
    assert forward.shows(MIDDLES + MIDDLES)
    silent = remuxed(first, tmp_path / "silent.ts", streams=["video"])
    half = Taken(together(tmp_path / "half.ts", silent, first))
    assert half.seconds == [0] * 10 + ALL
    assert half.shows(MIDDLES + MIDDLES)
    film = write_clip(tmp_path / "film.mpg", codec="mpeg2video", audio_codec="mp2")
    assert Taken(together(tmp_path / "films.mpg", film, film)).seconds == ALL + ALL
    mkv = write_clip(tmp_path / "a.mkv")
    assert Taken(together(tmp_path / "b.mkv", mkv, mkv)).seconds == ALL + ALL


def with_moved_stamp(path: Path, pid: int, number: int, seconds: float) -> Path:
    """Move the time stamps (PTS, DTS) of one packet of an MPEG transport stream."""
    data = bytearray(path.read_bytes())
    seen = 0
    for first in range(0, len(data), 188):
        if data[first + 1] & 0x40 and (data[first + 1] & 0x1F) << 8 | data[first + 2] == pid:
            at = first + 4 + (1 + data[first + 4] if data[first + 3] & 0x20 else 0)
            if data[at : at + 3] == b"\0\0\1":
                seen += 1
                if seen == number:
                    for k in range((data[at + 7] >> 6) - 1):
                        _move_stamp(data, at + 9 + 5 * k, seconds)
                    break
    else:
        raise AssertionError(f"no packet {number}")
    path.write_bytes(data)
    return path


def _move_stamp(data: bytearray, at: int, seconds: float) -> None:
    a, b, c, d, e = data[at : at + 5]
    stamp = (a >> 1 & 7) << 30 | b << 22 | (c >> 1) << 15 | d << 7 | e >> 1
    stamp = (stamp + round(seconds * 90000)) % (1 << 33)
    data[at : at + 5] = bytes(
        [a & 0xF1 | stamp >> 29 & 0xE, stamp >> 22 & 255, stamp >> 14 & 254 | 1, stamp >> 7 & 255, stamp << 1 & 254 | 1]
    )


@pytest.mark.parametrize("seconds", [86400, -3600, 40])
@pytest.mark.parametrize("number", [1, 20, 40])
@pytest.mark.parametrize("pid", [0x100, 0x101])
def test_one_wild_time_stamp(tmp_path: Path, pid: int, number: int, seconds: float) -> None:
    path = write_clip(tmp_path / "a.ts", start=5000)
    with_moved_stamp(path, pid, number, seconds)
    try:
        taken = Taken(path)
    except MediaError as error:
        said = (error.status, "time stamps" in error.reason)
    else:
        said = ("ok", True)
    if said == ("unreadable", True):
        return
    assert said == ("ok", True)
    assert taken.seconds is not None
    assert len(taken.seconds) == 10
    assert all(got in (want, 0) for got, want in zip(taken.seconds, ALL, strict=True))
    assert taken.seconds.count(0) <= 1
    assert all(abs(got - want) <= 2 for got, want in zip(taken.pictures, MIDDLES, strict=True))


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
@pytest.mark.parametrize("kind", ["video", "audio"])
@pytest.mark.parametrize("seconds", [30, 3600, 40_000])
def test_a_wild_last_time_stamp_is_named_or_left_out(tmp_path: Path, suffix: str, kind: str, seconds: float) -> None:
    last = {"video": 99, "audio": 469}[kind]
    clip = write_clip(tmp_path / "clip.mkv")
    path = tmp_path / f"wild{suffix}"
    remuxed(clip, path, lambda k, number, p: shifted(p, seconds) if (k, number) == (kind, last) else p)
    try:
        taken = Taken(path)
    except MediaError as error:
        said = error.reason
    else:
        assert (taken.seconds, taken.shows(MIDDLES)) == (ALL, True)
        said = taken.notes["clock_jump"]
    assert any(words in said for words in ("left out", "neither picture nor sound between", "damaged from 10.0 to"))


def test_gaps_are_bounded_by_what_there_is() -> None:
    regular, none = np.arange(100) / 10, np.zeros(0)
    refuse_gaps(regular, none, 10.0)
    refuse_gaps(np.arange(20) * 60.0, none, 1200.0)  # slides
    for pictures, sound, end in [
        (np.append(regular, 40.0), none, 40.1),
        (regular, np.append(regular, 1e9), 1e9 + 1),
        (np.array([0.0, 700.0]), none, 701.0),
        (np.array([0.0]), none, 1e12),
    ]:
        with pytest.raises(MediaError, match="neither picture nor sound between"):
            refuse_gaps(pictures, sound, end)


def test_sound_whose_time_stamps_do_not_fit_it_is_refused(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mkv")

    def slower(kind: str, number: int, packet: av.Packet) -> av.Packet:
        return shifted(packet, -packet.pts * float(packet.time_base) * 0.8) if kind == "audio" else packet

    assert refusal(remuxed(clip, tmp_path / "a.mkv", slower))[0] == "unreadable"


def test_reordered_pictures_without_decoding_stamps_do_not_hide_a_step_back() -> None:
    order = np.array([0, 3, 1, 2] + [4 * k + j for k in range(1, 25) for j in (3, 0, 1, 2)]) * 100
    assert len(jumps(_pictures(order))) == 0
    assert len(jumps(_pictures(np.where(np.arange(len(order)) >= 52, order - 3000, order)))) == 1
    assert len(jumps(_pictures(order * 20))) == 0  # slow ones


def _pictures(stamps: np.ndarray[Any, Any]) -> Packets:
    numbers = np.arange(len(stamps))
    return Packets(
        "pictures", Fraction(1, 1000), numbers, numbers, stamps, np.full_like(stamps, 100), stamps, True, numbers < 0
    )


@pytest.fixture(scope="module")
def parts_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("parts")


PART = st.tuples(
    st.sampled_from([1, 2, 3, 5, 8, 12, 20]),
    st.one_of(st.sampled_from([-3.0, -1.2, -0.5, -0.3, -0.1, -0.05, 0.0, 0.1]), st.floats(-30, 90_000)),
)
"""Pictures of a part, and how long after the end of the part before it begins."""


@given(st.lists(PART, min_size=2, max_size=4), st.sampled_from([("libx264", "aac"), ("mpeg2video", "mp2")]))
@settings(max_examples=25, deadline=None, derandomize=True, database=None)
def test_any_parts_joined_follow_each_other(
    parts_folder: Path, parts: list[tuple[int, float]], codecs: tuple[str, str]
) -> None:
    """Either the file is refused, or every picture of every part is there, in order, with its sound."""
    made, end = [], 40.0
    for k, (count, after) in enumerate(parts):
        clip = parts_folder / f"{codecs[0]}_{count}.mkv"
        if not clip.exists():
            write_clip(clip, seconds=count / 10, codec=codecs[0], audio_codec=codecs[1])
        start = max(0.0, end + after)
        made.append(remuxed(clip, parts_folder / f"{k}.ts", lambda _, n, p, start=start: shifted(p, start)))
        end = start + count / 10
    path = together(parts_folder / "joined.ts", *made)
    try:
        info = probe(path)
        decoding = Decoding(info, np.arange(len(info.frame_pts)), RATE, info.duration)
        numbers = [shown_number(frame) for _, frame in decoding.frames()]
    except MediaError:
        return
    assert numbers == [k for count, _ in parts for k in range(count)]
    assert decoding.audio is not None
    silent = {0} if "damaged_sound" in {note.kind for note in decoding.notes} else set()
    first = 0
    for count, _ in parts:
        for k in range(0, count - 4, 10):
            begin = info.frame_times[first + k]
            heard = heard_second(decoding.audio[round((begin + 0.1) * RATE) : round((begin + 0.4) * RATE)], RATE)
            assert heard in {k // 10 + 1} | silent
        first += count


def test_joined_parts_are_mostly_taken(parts_folder: Path) -> None:
    part = write_clip(parts_folder / "part.mkv", seconds=0.8)
    for overlap in (0.05, 0.1, 0.3, 0.8, 5.0):
        starts = [20.0, 20.8 - overlap, 21.6 - 2 * overlap]
        made = [
            remuxed(part, parts_folder / f"{k}.ts", lambda _, n, p, start=start: shifted(p, start))
            for k, start in enumerate(starts)
        ]
        info = probe(together(parts_folder / "short.ts", *made))
        decoding = Decoding(info, np.arange(len(info.frame_pts)), RATE, info.duration)
        assert [shown_number(frame) for _, frame in decoding.frames()] == [*range(8)] * 3
        assert info.duration == pytest.approx(2.4, abs=0.15)


@pytest.mark.parametrize("seconds", [3, -3, 40])
@pytest.mark.parametrize("number", [1, 2, -1])
@pytest.mark.parametrize("pid", [0x100, 0x101])
def test_a_wrong_time_stamp_at_the_edge(tmp_path: Path, pid: int, number: int, seconds: float) -> None:
    path = write_clip(tmp_path / "a.ts", start=100)
    counts = {0x100: 100, 0x101: 0}
    if number == -1 and pid == 0x101:
        data = path.read_bytes()
        counts[pid] = sum(
            1 for k in range(0, len(data), 188) if data[k + 1] & 0x40 and (data[k + 1] & 0x1F) << 8 | data[k + 2] == pid
        )
    with_moved_stamp(path, pid, counts[pid] if number == -1 else number, seconds)
    taken = Taken(path)
    assert (taken.seconds, taken.shows(MIDDLES)) == (ALL, True)
    assert "left out" in taken.notes["clock_jump"]


@pytest.mark.parametrize("kind", ["pictures", "sound"])
def test_one_track_that_steps_alone_is_refused(kind: str) -> None:
    """Beside each other in the file, with stamps that are apart from there on; a real pause is filled by the other."""

    def track(name: str, base: int, times: np.ndarray[Any, Any], places: np.ndarray[Any, Any]) -> Packets:
        stamps, numbers = np.round(times * base).astype(np.int64), np.arange(len(times))
        length = np.full_like(stamps, round(base * float(np.median(np.diff(times)))))
        return Packets(name, Fraction(1, base), numbers, places, stamps, length, stamps, False, numbers < 0)

    seen, heard = np.arange(0, 10, 0.1), np.arange(0, 10, 0.02)
    for step in (1.5, 3, 20):
        moved = {"pictures": seen + step * (seen > 5), "sound": heard + step * (heard > 5)}
        stamps = {"pictures": seen, "sound": heard, kind: moved[kind]}
        tracks = [
            track("pictures", 10240, stamps["pictures"], np.round(seen * 1e4).astype(np.int64)),
            track("sound", 48000, stamps["sound"], np.round(heard * 1e4 + 1).astype(np.int64)),
        ]
        with pytest.raises(MediaError, match=f"of the {kind} jump from 5.0 to"):
            refuse_lone_steps(tracks)
    pausing = track("pictures", 10240, seen[(seen < 3) | (seen > 7)], np.arange(len(seen[(seen < 3) | (seen > 7)])))
    pausing.places = np.round(pausing.seconds * 1e4).astype(np.int64)
    refuse_lone_steps([pausing, track("sound", 48000, heard, np.round(heard * 1e4 + 1).astype(np.int64))])


def test_many_pictures_at_one_moment_are_refused() -> None:
    refuse_bursts(np.arange(100) / 1000)
    with pytest.raises(MediaError, match="put 20 pictures into one moment, at 3"):
        refuse_bursts(np.concatenate([np.arange(30) / 10, 3 + np.arange(20) / 90000, 4 + np.arange(10) / 10]))


@pytest.mark.parametrize("late", [1, 3, 7])
@pytest.mark.parametrize("codec", ["libmp3lame", "mp2", "ac3"])
def test_sound_of_an_avi_that_begins_late(tmp_path: Path, codec: str, late: int) -> None:
    clip = write_clip(tmp_path / "clip.mkv", codec="mpeg4", audio_codec=codec)

    def after(kind: str, number: int, packet: av.Packet) -> av.Packet | None:
        return None if kind == "audio" and packet.pts * packet.time_base < late else packet

    path = remuxed(clip, tmp_path / "late.avi", after)
    taken = Taken(path)
    assert taken.seconds == [0] * late + ALL[late:]
    assert taken.shows(MIDDLES)
    assert taken.notes == {"late_sound": f"the sound begins at {late}.0 s; there is silence before"}
    assert refusal(cut(path, 0.3))[0] in ("truncated", "unreadable")


def test_sound_of_an_avi_beside_other_pictures_is_refused(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mkv", codec="mpeg4", audio_codec="pcm_s16le")
    late = remuxed(clip, tmp_path / "a.avi", lambda k, n, p: None if k == "audio" and p.pts * p.time_base < 3 else p)
    assert "the sound lies 3.0 s later in the file" in refusal(late)[1]


@pytest.mark.parametrize(("suffix", "codec"), [(".mp3", "libmp3lame"), (".aac", "aac")])
def test_sound_without_a_header_that_lost_its_middle(tmp_path: Path, suffix: str, codec: str) -> None:
    clip = write_clip(tmp_path / "clip.mkv", audio_codec=codec)
    options = {"write_xing": "0"} if codec == "libmp3lame" else {}
    whole = remuxed(clip, tmp_path / f"whole{suffix}", streams=["audio"], options=options)
    assert Taken(whole).seconds == ALL
    data, path = whole.read_bytes(), tmp_path / f"a{suffix}"
    for first, last in ((0.4, 0.6), (0.4, 0.41), (0.1, 0.9)):
        path.write_bytes(data[: int(len(data) * first)] + data[int(len(data) * last) :])
        assert "do not follow each other at byte" in refusal(path)[1]
    middle = slice(int(len(data) * 0.4), int(len(data) * 0.6))
    path.write_bytes(data[: middle.start] + bytes(middle.stop - middle.start) + data[middle.stop :])
    assert "do not follow each other at byte" in refusal(path)[1]
    path.write_bytes(data[: middle.start] + bytes(len(data) - middle.start))
    assert refusal(path)[0] == "truncated"
    joined = Taken(together(path, whole, whole))
    assert joined.seconds == ALL + ALL


@pytest.mark.parametrize(("suffix", "audio_codec"), [(".mp4", "aac"), (".mov", "aac"), (".wav", "pcm_s16le")])
def test_a_file_that_goes_on_after_its_end(tmp_path: Path, suffix: str, audio_codec: str) -> None:
    clip = write_clip(tmp_path / "clip.mkv", audio_codec=audio_codec)
    streams = ["audio"] if suffix == ".wav" else ["video", "audio"]
    whole = remuxed(clip, tmp_path / f"whole{suffix}", streams=streams)
    path = tmp_path / f"a{suffix}"
    assert "another recording begins at byte" in refusal(together(path, whole, whole))[1]
    path.write_bytes(whole.read_bytes() + b"\xff\xfe\x01" * 1000)
    taken = Taken(path)
    assert (taken.seconds, list(taken.notes)) == (ALL, ["unread_data"])
    assert "3000 bytes after the end" in taken.notes["unread_data"]


def test_more_channels_than_can_be_read_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    for channels in (64, 65):
        with wave.open(str(path), "wb") as file:
            file.setparams((channels, 2, 8000, 0, "NONE", ""))
            file.writeframes(np.full((8000, channels), 3000, "<i2").tobytes())
        if channels == 64:
            assert Taken(path).status == "no_video"
    assert refusal(path) == ("unreadable", "the sound has 65 channels; at most 64 can be read")


def test_the_third_of_joined_matroska_files_is_not_lost(tmp_path: Path) -> None:
    part = write_clip(tmp_path / "a.mkv", seconds=2)
    assert Taken(together(tmp_path / "two.mkv", part, part)).seconds == [1, 2, 1, 2]
    assert "another recording begins at byte" in refusal(together(tmp_path / "three.mkv", part, part, part))[1]


@pytest.mark.parametrize("wild", [False, True])
@pytest.mark.parametrize(("suffix", "bf"), [(".mkv", 1), (".mkv", 3), (".mp4", 2), (".mp4", 0)])
def test_stamps_in_the_order_of_decoding(tmp_path: Path, suffix: str, bf: int, wild: bool) -> None:
    """Some writers give reordered pictures the stamps of their packets; every picture is there all the same."""
    clip = write_moving(tmp_path / "clip.mp4", options={"bf": str(bf)})

    def as_decoded(kind: str, number: int, packet: av.Packet) -> av.Packet:
        tenths = number + (864_000 if wild and number == 99 else 0)
        packet.pts = packet.dts = round(tenths / 10 / packet.time_base)
        return packet

    path = remuxed(clip, tmp_path / f"a{suffix}", as_decoded, streams=["video"])
    if wild:
        with contextlib.suppress(MediaError):  # the gap before it is named
            assert list(Taken(path).notes) == ["clock_jump"]
        return
    info, whole = probe(path), probe(clip)
    decoding = Decoding(info, np.arange(100), RATE, info.duration)
    shown = [frame for _, frame in decoding.frames()]
    assert (info.notes, decoding.notes) == ((), ())
    for number, frame in Decoding(whole, np.arange(100), RATE, whole.duration).frames():
        assert np.array_equal(frame, shown[number])


@pytest.mark.parametrize("bf", [0, 2])
def test_no_picture_of_an_mpeg_program_stream_is_lost(tmp_path: Path, bf: int) -> None:
    """Few stamps are stored, and FFmpeg's guesses between them may repeat one: that picture is there all the same."""
    folder, parts = tmp_path, []
    for k, count in enumerate((75, 33, 100)):
        clip = write_clip(folder / f"{k}.mkv", seconds=count / 10, codec="mpeg2video", audio_codec="mp2")
        with av.open(str(folder / f"{k}.mpg"), "w") as made, av.open(str(clip)) as given:
            video = made.add_stream("mpeg2video", rate=25, options={"bf": str(bf), "qmin": "1", "qmax": "2"})
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
            for number, frame in enumerate(given.decode(video=0)):
                frame.pts, frame.time_base = number, Fraction(1, 25)
                frame.pict_type = 0
                made.mux(video.encode(frame))
            made.mux(video.encode(None))
        parts.append((count, folder / f"{k}.mpg"))
    for chosen in ([0], [2], [0, 1], [2, 2], [1, 0, 2]):
        path = together(folder / "joined.mpg", *[parts[k][1] for k in chosen])
        info = probe(path)
        decoding = Decoding(info, np.arange(len(info.frame_pts)), RATE, info.duration)
        shown = [shown_number(frame) for _, frame in decoding.frames()]
        assert shown == [number for k in chosen for number in range(parts[k][0])]
        assert decoding.notes == ()
        assert np.diff(info.frame_times) == pytest.approx(0.04, abs=0.041)
