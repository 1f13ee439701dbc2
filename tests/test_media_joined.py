"""Files of different formats joined byte by byte: the second recording is read, or named; never passed over."""

from __future__ import annotations

import contextlib
import itertools
from pathlib import Path

import pytest
from avreplay.extract.media.probe import MediaError
from media_maker import remuxed, write_clip
from media_taken import FORMATS, Taken, together

SOUNDS = [(".mp3", "libmp3lame"), (".flac", "flac"), (".wav", "pcm_s16le"), (".ogg", "libopus"), (".aac", "aac")]


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A file of each format, 2 s long."""
    folder = tmp_path_factory.mktemp("recordings")
    made = {s: write_clip(folder / f"a{s}", seconds=2, codec=v, audio_codec=a) for s, v, a in FORMATS}
    for suffix, codec in SOUNDS:
        clip = write_clip(folder / f"{codec}.mkv", seconds=2, audio_codec=codec)
        made[suffix] = remuxed(clip, folder / f"a{suffix}", streams=["audio"])
    made["live.mkv"] = remuxed(made[".mkv"], folder / "live.mkv", options={"live": "1"})
    made[".wmv"] = write_clip(folder / "a.wmv", seconds=2, codec="wmv2", audio_codec="libmp3lame")
    whole = write_clip(folder / "be.mkv", seconds=2, audio_codec="pcm_s16be")
    made[".aiff"] = remuxed(whole, folder / "a.aiff", streams=["audio"])
    return made


def test_a_recording_of_another_format_is_not_passed_over(recordings: dict[str, Path], tmp_path: Path) -> None:
    for path in recordings.values():
        assert "unread_data" not in Taken(path).notes
    for first, second in itertools.product(recordings, recordings):
        path = together(tmp_path / f"joined{first}", recordings[first], recordings[second])
        with contextlib.suppress(MediaError):  # with a reason
            taken = Taken(path)
            assert "unread_data" in taken.notes or taken.seconds == [1, 2, 1, 2], (first, second, taken.notes)
