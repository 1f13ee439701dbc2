"""The decoded sound of a file, as mono at one rate, each stretch at its time; and what of it was damaged."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...cache import Note
from .holes import merged
from .opening import MediaError
from .probe import MediaInfo
from .wholeness import falls_short

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.filter import Graph
    from av.packet import Packet

_RESYNC_SECONDS = 0.1
"""A sound frame that comes this far from where the samples so far end starts a new stretch at its own time."""

_NEW_KIND_SECONDS = 1.0
"""Sound of another rate or number of channels than the track's is damage, unless it lasts this long."""

_PUSHED_FRAMES = 16
"""Frames that are resampled together: asking for the result costs as much as giving a frame."""

_RATES = range(1000, 768_001)
_MOST_CHANNELS = 64
LOUDEST = 8.0
"""Samples beyond this, of a full scale of 1, or that are no numbers, are no sound."""

_EXACT_SECONDS = 0.002
"""The same after damage, of which the time is missing."""

_EDGE_SECONDS = 0.25
"""What may miss at the beginning and the end of a stretch: padding of the encoder, which the packets count."""

_APART_SECONDS = 0.25
"""Damage with less good sound between is one stretch of damage."""

_DAMAGED_SECONDS = 1.0
_NOTED_SECONDS = 0.01
"""A longer stretch of damage is refused, or noted."""

_SOUND_OF_ZEROS = ("pcm_", "adpcm_", "dsd_")
"""Codecs in which a packet of zero bytes may be silence; in others it is a hole in the file."""


class Sound:
    """Collects decoded sound as the mean of all channels at one rate.

    Parameters
    ----------
    info : of the file
    rate : Hz of the result
    seconds : how much is wanted, from time 0

    Attributes
    ----------
    samples : [round(seconds * rate)] float32, silent where nothing was added
    """

    def __init__(self, info: MediaInfo, rate: int, seconds: float) -> None:
        self.samples: NDArray[np.float32] = np.zeros(round(seconds * rate), np.float32)
        self._info = info
        self._rate = rate
        self._seconds = seconds
        self._cursor = 0
        self._codec = ""
        self._kind = (0, 0)
        """Channels and rate of the track."""
        self._foreign: list[AudioFrame] = []
        """Frames of another kind, until it is clear whether the track has changed."""
        self._changes: list[tuple[float, str]] = []
        """When the track changes its kind for good, in seconds, and how."""
        self._graph: Graph | None = None
        self._format: tuple[str, str, int] | None = None
        self._stretch = (0.0, 0, 1)
        """Where the stretch of samples begins in seconds, how many they are, and their rate."""
        self._pushed = 0
        self._good: list[list[float]] = []
        self._bad: list[list[float]] = []
        self._refused = 0
        self._heard = 0.0
        self._after_damage = False

    @property
    def done(self) -> bool:
        return self._cursor >= len(self.samples)

    def begin(self, track: AudioStream) -> None:
        """What the header says of the track.

        Raises
        ------
        MediaError
            ``unreadable``: too many channels
        """
        self._codec = track.codec_context.name
        channels = track.codec_context.layout.nb_channels
        if channels > _MOST_CHANNELS:
            raise MediaError("unreadable", f"the sound has {channels} channels; at most {_MOST_CHANNELS} can be read")
        self._kind = (channels, track.codec_context.sample_rate)

    def holds_data(self, packet: Packet[Any]) -> bool:
        """Whether a packet can be sound: one of zeros only is a hole in the file."""
        return packet.size < 16 or self._codec.startswith(_SOUND_OF_ZEROS) or any(memoryview(packet))

    def refuse(self, count: int = 1) -> None:
        """Count what could not be decoded."""
        self._refused += count
        self._after_damage |= count > 0

    def add(self, frame: AudioFrame) -> None:
        """Put a decoded frame in its place."""
        kind = _kind(frame)
        if frame.is_corrupt or not frame.samples or kind[1] not in _RATES or not 0 < kind[0] <= _MOST_CHANNELS:
            self.refuse()
        elif kind == self._kind:
            self.refuse(len(self._foreign))
            self._foreign.clear()
            self._place(frame)
        else:
            if self._foreign and _kind(self._foreign[0]) != kind:
                self.refuse(len(self._foreign))
                self._foreign.clear()
            self._foreign.append(frame)
            if sum(each.samples for each in self._foreign) >= _NEW_KIND_SECONDS * kind[1]:
                self._adopt()

    def finish(self) -> tuple[Note, ...]:
        """Complete the samples; a note if some sound is damaged.

        Raises
        ------
        MediaError
            ``unreadable`` if more than a second of the wanted sound is damaged
        """
        if self._foreign and not self._good:  # a short file, whose header errs
            self._adopt()
        self.refuse(len(self._foreign))
        self._flush()
        damaged = self._damaged()
        lengths = damaged[:, 1] - damaged[:, 0]
        if (lengths > _DAMAGED_SECONDS).any():
            begin, end = damaged[np.argmax(lengths)].tolist()
            changed = [f"{how} at {time:.1f} s" for time, how in self._changes if time <= end]
            if changed:
                reason = f"the sound changes {changed[-1]}, and its time stamps do not fit it ({self._codec})"
                raise MediaError("unreadable", reason)
            raise MediaError("unreadable", f"the sound is damaged from {begin:.1f} to {end:.1f} s ({self._codec})")
        good = merged(np.array(sorted(self._good)).reshape(-1, 2), 0.0)
        covered = float((good[:, 1] - good[:, 0]).sum())
        if falls_short(covered, self._heard):
            reason = f"the time stamps put {self._heard:.1f} s of sound into {covered:.1f} s"
            raise MediaError("unreadable", reason)
        if len(damaged):
            at = ", ".join(f"{begin:.1f} s" for begin in damaged[:5, 0].tolist())
            text = f"the sound is damaged at {at}, for {lengths.sum():.2f} s in all; it is silent there"
            return (Note("damaged_sound", text),)
        if self._refused:
            return (Note("damaged_sound", f"packets of the sound that could not be decoded: {self._refused}"),)
        return ()

    def _adopt(self) -> None:
        frames, self._foreign = self._foreign, []
        if self._good and frames[0].time is not None:
            how = f"from {_in_words(self._kind)} to {_in_words(_kind(frames[0]))}"
            self._changes.append((frames[0].time - self._info.origin, how))
        self._kind = _kind(frames[0])
        for frame in frames:
            self._place(frame)

    def _place(self, frame: AudioFrame) -> None:
        begin, count, rate = self._stretch
        expected = begin + count / rate
        start = expected if frame.time is None else frame.time - self._info.origin
        off = abs(start - expected)
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        after, self._after_damage = self._after_damage, False
        if self._graph is None or off > (_EXACT_SECONDS if after else _RESYNC_SECONDS) or form != self._format:
            self._flush()
            self._graph = mono_graph(frame, self._rate)
            if self._graph is None:
                self.refuse()
                return
            self._format = form
            self._cursor = round(start * self._rate)
            self._stretch = (start, 0, frame.sample_rate)
            self._good.append([start, start])
        begin, count, rate = self._stretch
        self._stretch = (begin, count + frame.samples, rate)
        self._good[-1][1] = begin + (count + frame.samples) / rate
        self._heard += frame.samples / rate
        frame.pts = None
        self._graph.push(frame)
        self._pushed += 1
        if self._pushed == _PUSHED_FRAMES:
            self._pull()

    def _flush(self) -> None:
        if self._graph is not None:
            self._graph.push(None)
            self._pull()
        self._graph = None

    def _pull(self) -> None:
        assert self._graph is not None
        self._pushed = 0
        mono = pulled(self._graph)
        if len(mono):
            self._write(mono)

    def _write(self, mono: NDArray[np.float32]) -> None:
        sound = np.abs(mono) < LOUDEST
        if not sound.all():
            mono = np.where(sound, mono, np.float32(0))
            wrong = np.flatnonzero(~sound) + self._cursor
            self._bad.append([float(wrong[0]) / self._rate, float(wrong[-1] + 1) / self._rate])
        first, last = max(self._cursor, 0), min(self._cursor + len(mono), len(self.samples))
        if first < last:
            self.samples[first:last] = mono[first - self._cursor : last - self._cursor]
        self._cursor += len(mono)

    def _damaged(self) -> NDArray[np.float64]:
        """[n, 2] begin and end, in seconds, of what the packets promise within the wanted time and did not give."""
        promised = np.clip(self._info.sound_spans, 0, self._seconds)
        good = merged(np.array(sorted(self._good)).reshape(-1, 2), _NOTED_SECONDS)
        missing = list(self._bad)
        for begin, end in promised.tolist():
            inside = good[(good[:, 1] > begin) & (good[:, 0] < end)]
            edges = [begin, *inside.ravel().tolist(), end]
            for k, (a, b) in enumerate(zip(edges[::2], edges[1::2], strict=True)):
                edge = len(inside) and (k == 0 or k == len(inside))
                if b - a > (_EDGE_SECONDS if edge else _NOTED_SECONDS):
                    missing.append([a, b])
        return merged(np.clip(np.array(sorted(missing)).reshape(-1, 2), 0, self._seconds), _APART_SECONDS)


def _kind(frame: AudioFrame) -> tuple[int, int]:
    return frame.layout.nb_channels, frame.sample_rate


def _in_words(kind: tuple[int, int]) -> str:
    return f"{kind[0]} channel{'s' if kind[0] > 1 else ''} of {kind[1]} Hz"


def mono_graph(frame: AudioFrame, rate: int) -> Graph | None:
    """What turns frames like this one into packed mono samples, the mean of the channels; None if FFmpeg cannot.

    The channels are averaged by number, since FFmpeg's own mono mix is louder than their mean and knows no layouts
    beyond the usual. Samples are only looked at as packed ones: PyAV reads beyond the planes of 8 channels and more.
    """
    import av

    graph = av.filter.Graph()
    graph.threads = 1
    channels = frame.layout.nb_channels
    mean = "+".join(f"{1 / channels!r}*c{k}" for k in range(channels))
    try:
        chain = (
            graph.add(
                "abuffer",
                sample_rate=str(frame.sample_rate),
                sample_fmt=frame.format.name,
                channel_layout=frame.layout.name,
                time_base=f"1/{frame.sample_rate}",
            ),
            graph.add("aformat", sample_fmts="fltp"),
            graph.add("pan", f"mono|c0={mean}"),
            graph.add("aformat", sample_fmts="flt", sample_rates=str(rate), channel_layouts="mono"),
            graph.add("abuffersink"),
        )
        graph.link_nodes(*chain).configure()
    except (av.error.FFmpegError, ValueError) as error:
        if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
            raise MemoryError("too little memory to resample the sound") from error
        return None
    return graph


def pulled(graph: Graph) -> NDArray[np.float32]:
    """The samples that such a graph has ready now."""
    import av

    parts = [np.zeros(0, np.float32)]
    while True:
        try:
            frame: Any = graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return np.concatenate(parts)
        parts.append(np.frombuffer(frame.planes[0], np.float32, frame.samples))
