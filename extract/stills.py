"""Videos of pictures and sound that lie apart, as OV-AVEL's preprocessing is released, joined as they are.

``{split}/audio/{category}/ID.wav`` and a folder ``ID`` of pictures, wherever they lie, become ``ID.mov``, whose
packets are the files' own bytes: `extract` reads what it would have read from them.
"""

from __future__ import annotations

import contextlib
import heapq
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..cache.atomic_write import PARTIAL
from ..cache.places import output_folder
from ..cache.reading.files import open_regular
from ..core.arguments import typed_arguments
from ..core.errors import DataError, UsageError

if TYPE_CHECKING:
    from av.packet import Packet

PICTURES = {".jpg": "jpeg_pipe", ".jpeg": "jpeg_pipe", ".png": "png_pipe"}
"""Suffixes of pictures, and how FFmpeg reads one."""

_MAGIC = {"jpeg_pipe": b"\xff\xd8\xff", "png_pipe": b"\x89PNG\r\n\x1a\n"}
_TICKS = 1000


@dataclass(frozen=True)
class JoinedStills:
    """What :func:`join_stills` did.

    written : ids of the videos that were written
    kept : of those that were there already
    problems : ids to the reason why a video could not be made
    """

    written: tuple[str, ...]
    kept: tuple[str, ...]
    problems: Mapping[str, str]

    def as_dict(self) -> dict[str, Any]:
        """What ``avreplay join-stills --json`` prints."""
        return {"written": list(self.written), "kept": list(self.kept), "problems": dict(self.problems)}

    def text(self, out: str) -> str:
        """What it prints; the problems are said one by one."""
        counts = [(len(self.written), "written"), (len(self.kept), "there already"), (len(self.problems), "not joined")]
        said = ", ".join(f"{count} {what}" for count, what in counts if count)
        return f"{said}; `avreplay extract {out} --store STORE` takes them" if self.written or self.kept else said


@typed_arguments
def join_stills(
    source: str | os.PathLike[str], out: str | os.PathLike[str], *, picture_seconds: float = 1.0
) -> JoinedStills:
    """Make a video of each folder of pictures below a folder, with the sound of the ``.wav`` file of the same name.

    Pictures (jpg or png, of one size and kind) follow each other in the order of the numbers in their names. Where
    there is no sound the video has none; a sound without pictures becomes a file of sound. Nothing is encoded: the
    same files give the same bytes. Videos that are in ``out`` already are kept.

    Parameters
    ----------
    source : a folder, searched with everything below it
    out : the folder of the videos, which is made
    picture_seconds : how long each picture stands

    Raises
    ------
    DataError
        no folder there, nothing in it to join, a folder or a sound of one name twice; a place that cannot be written
    UsageError
        ``picture_seconds`` is not above 0
    """
    if not 1 / _TICKS <= picture_seconds <= 3600:
        raise UsageError(f"picture_seconds is {picture_seconds}; give seconds from 0.001 to 3600")
    folder = Path(source)
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}; check the path")
    pictures, sounds = _found(folder)
    ids = sorted({*pictures, *sounds})
    if not ids:
        raise DataError(f"{folder} has neither folders of pictures (jpg, png) nor .wav files; give the folder of both")
    target = Path(output_folder(out, "a folder of videos"))
    target.mkdir(parents=True, exist_ok=True)
    written, kept, problems = [], [], {}
    for id in ids:
        file = target / f"{id}.mov"
        if file.exists():
            kept.append(id)
            continue
        partial = target / f"{id}.mov{PARTIAL}"
        try:
            _join(pictures.get(id, ()), sounds.get(id), partial, picture_seconds)
            os.replace(partial, file)
            written.append(id)
        except DataError as error:
            problems[id] = str(error)
        finally:
            with contextlib.suppress(FileNotFoundError):
                partial.unlink()
    return JoinedStills(tuple(written), tuple(kept), problems)


def _found(folder: Path) -> tuple[dict[str, list[Path]], dict[str, Path]]:
    """The pictures of each folder that has some, in order, and the sounds, by name; hidden ones are left out."""
    pictures: dict[str, list[Path]] = {}
    sounds: dict[str, Path] = {}
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        names = sorted((name for name in files if not name.startswith(".")), key=_by_number)
        stills = [Path(here, name) for name in names if Path(name).suffix.lower() in PICTURES]
        if stills:
            id = Path(here).name
            if id in pictures:
                raise DataError(f"{pictures[id][0].parent} and {here} are both of {id!r}; join one split at a time")
            pictures[id] = stills
        for sound in (Path(here, name) for name in names if Path(name).suffix.lower() == ".wav"):
            if sound.stem in sounds:
                raise DataError(
                    f"{sounds[sound.stem]} and {sound} are both of {sound.stem!r}; join one split at a time"
                )
            sounds[sound.stem] = sound
    return pictures, sounds


def _by_number(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.findall(r"[0-9]{1,18}|[^0-9]+", name)]


def _join(pictures: Sequence[Path], sound: Path | None, out: Path, picture_seconds: float) -> None:
    """Write a QuickTime file of the packets of some files. Raises: DataError where one is not what it should be."""
    import av

    where = pictures[0].parent if pictures else sound
    try:
        with (
            contextlib.ExitStack() as opened,
            av.open(str(out), "w", format="mov", options={"fflags": "+bitexact"}) as target,
        ):
            parts: list[Iterator[Packet[Any]]] = []
            if pictures:
                stills = [_still(path) for path in pictures]
                first = stills[0]
                other = next((k for k, still in enumerate(stills) if still[1:] != first[1:]), None)
                if other is not None:
                    raise DataError(f"{pictures[other]} is of another size or kind than {pictures[0]}; make them alike")
                shown: Any = target.add_stream(first[1], rate=Fraction(_TICKS, round(picture_seconds * _TICKS)))
                shown.width, shown.height, shown.pix_fmt = first[2:]
                parts.append(_packets([still[0] for still in stills], shown, round(picture_seconds * _TICKS)))
            if sound is not None:
                heard = opened.enter_context(av.open(str(sound), format="wav"))
                parts.append(_copied(heard, target.add_stream_from_template(heard.streams.audio[0])))
            for packet in heapq.merge(*parts, key=_moment):
                target.mux(packet)
    except (av.error.FFmpegError, IndexError, ValueError) as error:
        raise DataError(f"{where} cannot be joined with its sound ({error}); save its files again") from None


def _moment(packet: Packet[Any]) -> Fraction:
    return (packet.pts or 0) * (packet.time_base or Fraction(1))


def _still(path: Path) -> tuple[bytes, str, int, int, str]:
    """The bytes of a picture, its codec, width, height and pixel format."""
    import av

    kind = PICTURES[path.suffix.lower()]
    with open_regular(path, "picture") as file:
        start = file.read(len(_MAGIC[kind]))
    if start != _MAGIC[kind]:
        raise DataError(f"{path} is no {path.suffix[1:]} picture; save it again")
    with av.open(str(path), format=kind) as picture:
        codec = picture.streams.video[0].codec_context
        packet = next(picture.demux(video=0))
        return bytes(packet), codec.name, codec.width, codec.height, str(codec.pix_fmt)


def _packets(contents: Sequence[bytes], stream: Any, ticks: int) -> Iterator[Packet[Any]]:
    import av

    for k, content in enumerate(contents):
        packet = av.Packet(content)
        packet.stream, packet.time_base = stream, Fraction(1, _TICKS)
        packet.pts = packet.dts = k * ticks
        packet.duration, packet.is_keyframe = ticks, True
        yield packet


def _copied(heard: Any, stream: Any) -> Iterator[Packet[Any]]:
    for packet in heard.demux(audio=0):
        if packet.dts is not None:  # the last one is empty
            packet.stream = stream
            yield packet
