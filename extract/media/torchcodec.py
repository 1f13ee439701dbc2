"""Pictures by torchcodec, on the processor or on a GPU: the same frames as PyAV's, found by their number.

torchcodec seeks: it passes over stretches of a file in which nothing is wanted. It scans the packets itself when it
opens a file, which numbers the frames as `media.probe` does; that every picture has the time stamp of the wanted frame
is checked. What it cannot be sure of it leaves to PyAV: formats without time stamps or with jumping ones, mirrored
pictures, damaged data.
Sound is PyAV's in any case, since its time stamps, gaps and channel mean are declared so.

Colours are converted by FFmpeg as with PyAV, on the processor to equal bytes where FFmpeg converts directly (8 bits
with 4:2:0, 4:2:2 or full colour). Other subsampled formats (10 bits, 4:1:1) go through its scaler, for which PyAV
asks for bilinear and torchcodec for bicubic interpolation of the colour planes. A GPU rounds in its own way.
"""

from __future__ import annotations

import errno
import os
import re
import tempfile
import traceback
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...core.causes import shortage_number
from ...core.errors import UsageError
from ...core.installation import install_command
from .cuda_frames import own_stream
from .device_frames import FramePlace
from .opening import open_media
from .probe import MediaInfo, pyav_declaration

if TYPE_CHECKING:
    from torchcodec.decoders import VideoDecoder

LIBRARIES = ("libavcodec", "libavfilter", "libavformat", "libavutil")
INSTALL = install_command("torchcodec")

_REFUSALS = (RuntimeError, ValueError, IndexError, AssertionError)
"""What torchcodec raises for a file it cannot open or decode."""


def torchcodec_declaration(device: str, tried_on: str | None = None) -> dict[str, Any]:
    """Versions of torchcodec and of the FFmpeg it loaded, the kind of device, and PyAV, which reads the sound.

    ``tried_on`` : a device; if it is of that kind, decoding is tried there

    Raises
    ------
    UsageError
        torchcodec cannot decode here
    """
    sound = pyav_declaration()
    load_torchcodec(tried_on if tried_on is not None and tried_on.startswith(device) else device)
    from torchcodec._core import get_ffmpeg_library_versions

    found = get_ffmpeg_library_versions()
    libraries = {name: ".".join(map(str, found[name])) for name in LIBRARIES}
    # builds of one version for several CUDA toolkits, or none, are one version
    number = version("torchcodec").split("+")[0]
    return {"name": "torchcodec", "version": number, "device": device, **libraries, "sound": sound}


def torchcodec_pictures(
    info: MediaInfo, wanted: NDArray[np.int64], place: FramePlace | None, *, device: str
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """(number, [height, width, 3] uint8 RGB upright) of the wanted frames in order, up to the first that is in doubt.

    One picture is in memory at a time. The rest is left to PyAV to read, or to refuse. With a ``place`` pictures are
    decoded on its device and are tensors there, not yet waited for.

    Raises
    ------
    UsageError
        torchcodec cannot decode here
    MemoryError
        the device has no memory left
    """
    if place is not None:
        device = place.device
    decoder_class = load_torchcodec(device)
    found = None if info.by_order or info.video_correction else _plain_stream(info)
    if found is None:
        return
    stream, turned = found
    # a name with a protocol of its own, so that nothing in the rest of it is taken for one
    source = f"file:{os.path.abspath(info.path)}"
    try:
        with own_stream(device):
            decoder = decoder_class(
                source, stream_index=stream, dimension_order="NHWC", num_ffmpeg_threads=1, device=device
            )
        if len(decoder) != len(info.frame_pts) or turned != (decoder.metadata.rotation is not None):
            return
        half_a_tick = float(info.time_base) / 2
        for number in wanted.tolist():
            with own_stream(device):
                frame = decoder.get_frame_at(number)
                picture: Any = frame.data.contiguous()
                if place is None:
                    picture = np.ascontiguousarray(picture.cpu().numpy())
            if abs(frame.pts_seconds - float(int(info.frame_pts[number]) * info.time_base)) > half_a_tick:
                return
            yield number, picture
    except _REFUSALS as error:
        if shortage_number(error) == errno.ENOMEM:
            raise MemoryError(f"the memory of {device} is full") from error
        return


@cache
def load_torchcodec(device: str) -> type[VideoDecoder]:
    """torchcodec's decoder, tried on a generated file.

    Raises
    ------
    UsageError
        torchcodec is not installed, does not load, or does not decode on the device
    """
    import av  # noqa: F401 - first, so that libraries of its wheel that go by plain names find each other

    if find_spec("torch") is None or find_spec("torchcodec") is None:
        raise UsageError(
            f"the video reader torchcodec is not installed; {INSTALL}, "
            "and FFmpeg with shared libraries (apt install ffmpeg)"
        )
    import torch

    on_gpu = device.startswith("cuda")
    if on_gpu and not torch.cuda.is_available():
        raise UsageError(
            "the video reader nvdec needs an NVIDIA GPU, and torch finds none here; use another --video-reader"
        )
    try:
        from torchcodec.decoders import VideoDecoder

        with tempfile.TemporaryDirectory(prefix="avreplay-decoder-") as folder:
            tried = VideoDecoder(_made_file(Path(folder)), dimension_order="NHWC", device=device)
            tried.get_frame_at(1)
            fallback = on_gpu and bool(tried.cpu_fallback)
    except (ImportError, OSError, RuntimeError) as error:
        raise UsageError(_unusable(device, torch.__version__, error)) from error
    if fallback:
        raise UsageError(_unusable(device, torch.__version__))
    found: type[VideoDecoder] = VideoDecoder
    return found


def _unusable(device: str, torch_version: str, error: Exception | None = None) -> str:
    """One sentence for what torchcodec reports in many lines: it tries to load a library for each version of FFmpeg."""
    name = f"torchcodec {version('torchcodec')}"
    text = "".join(traceback.format_exception(error)) if error else "RuntimeError: it falls back to the processor"
    reasons = [found for found in re.findall(r"^\w+Error: (.+)", text, re.M) if "Could not load" not in found]
    others = [reason for reason in reasons if not re.match(r"lib(av|sw)\w+\.so\S*: cannot open", reason)]
    if reasons and not others:
        return f"{name} finds no FFmpeg; install FFmpeg with shared libraries (apt install ffmpeg)"
    reason = (others or ["no reason given"])[0]
    if device.startswith("cuda"):
        return f"{name} cannot decode on the GPU ({reason}); it needs a CUDA build of torchcodec and a GPU with NVDEC"
    return f"{name} does not load beside torch {torch_version} ({reason}); install the build made for this torch"


def _made_file(folder: Path) -> str:
    from ..demo.sights import HEIGHT, WIDTH
    from ..demo.world import encode_mp4

    encode_mp4(folder / "a.mp4", np.zeros((2, HEIGHT, WIDTH, 3), np.uint8), None)
    return str(folder / "a.mp4")


def _plain_stream(info: MediaInfo) -> tuple[int, bool] | None:
    """(index of the picture stream, whether its first picture has a display matrix); None if that is no quarter turn.

    torchcodec turns pictures by quarters, if the stream declares it, and does not mirror. A frame may declare a turn of
    its own.
    """
    from av import VideoStream
    from av.error import FFmpegError

    with open_media(info.path) as container:
        video = container.streams[info.video_index or 0]
        assert isinstance(video, VideoStream)
        video.codec_context.thread_count = 1
        try:
            first = next(container.decode(video), None)
        except FFmpegError:
            return None
        if first is None:
            return None
        index = video.index
        matrix: Any = first.side_data.get("DISPLAYMATRIX")
        if matrix is None:
            return index, False
        a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].tolist()
    quarter = (a == d and b == c == 0) or (b == -c and a == d == 0)
    return (index, True) if quarter else None
