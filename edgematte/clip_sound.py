"""The sound of a clip, copied beside new pictures, packet by packet as these come."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from edgematte.clips import open_container, pyav

OPUS_HZ = 48_000
FALLBACK = {"webm": "libopus"}  # what a container is given where it cannot hold the codec
USUAL = "aac"


class Sound:
    """All audio streams of a clip, on their way into another file."""

    def __init__(self, source: Path, output: Any, start_s: Fraction) -> None:
        """``output`` is a PyAV container that is being written; nothing is written yet."""
        self._av, self._output, self._start_s = pyav(), output, start_s
        self._container = open_container(source)
        self._tracks: dict[int, _Track] = {}
        for stream in self._container.streams.audio:
            self._tracks[stream.index] = _Track(self._av, stream, output)
        self._packets = self._read()
        self._waiting: Any = None

    def _read(self) -> Iterator[Any]:
        if not self._tracks:
            return
        try:
            yield from self._container.demux(*self._container.streams.audio)
        except (self._av.error.FFmpegError, OSError):
            return  # a clip that breaks off: the pictures say so

    def copy_until(self, seconds: Fraction | None) -> None:
        """Write what is heard before a time since the start; None: all that is left."""
        while True:
            packet = self._waiting or next(self._packets, None)
            self._waiting = None
            if packet is None:
                return
            if packet.pts is None or packet.is_corrupt:
                continue  # the flushing packet at the end; one that a truncated clip broke in two
            at = packet.pts * packet.time_base - self._start_s
            if seconds is not None and at > seconds:
                self._waiting = packet
                return
            self._tracks[packet.stream.index].write(packet, self._start_s)

    def close(self) -> None:
        """Write what encoders hold and close the source."""
        for track in self._tracks.values():
            track.flush()
        self._container.close()


class _Track:
    """One audio stream: copied where the container can hold its codec, else encoded anew."""

    def __init__(self, av: Any, stream: Any, output: Any) -> None:
        self._av, self._output = av, output
        self._resampler = None
        if stream.codec_context.name in output.supported_codecs:
            self.stream = output.add_stream_from_template(stream)
            return
        codec = FALLBACK.get(output.format.name, USUAL)
        rate = OPUS_HZ if codec == "libopus" else stream.codec_context.sample_rate
        self.stream = output.add_stream(codec, rate=rate, layout=stream.codec_context.layout.name)
        self._resampler = av.AudioResampler(
            format=self.stream.codec_context.format,
            layout=self.stream.codec_context.layout,
            rate=rate,
        )

    def write(self, packet: Any, start_s: Fraction) -> None:
        shift = round(start_s / packet.time_base)
        if self._resampler is None:
            packet.pts -= shift
            packet.dts = packet.pts if packet.dts is None else packet.dts - shift
            packet.stream = self.stream
            self._output.mux(packet)
            return
        try:
            frames = packet.decode()
        except self._av.error.FFmpegError:
            return  # one damaged packet: a moment of silence
        for frame in frames:
            if frame.pts is not None:
                frame.pts -= shift
            for part in self._resampler.resample(frame):
                self._output.mux(self.stream.encode(part))

    def flush(self) -> None:
        if self._resampler is not None:
            for part in self._resampler.resample(None):
                self._output.mux(self.stream.encode(part))
            self._output.mux(self.stream.encode(None))
