"""One track of sound on its way into another file: copied, or encoded anew."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from edgematte.clips.container import fraction, pyav

ENCODERS = ("aac", "libopus", "pcm_s16le")  # the first that a container can hold is used
BITS = 96_000  # bits a second for each channel, for encoders that compress
USUAL = {
    1: "mono",
    2: "stereo",
    3: "3.0",
    4: "quad",
    5: "5.0",
    6: "5.1",
    7: "6.1",
    8: "7.1",
}
"""Number of channels -> the layout that encoders take."""


@dataclass(frozen=True)
class Way:
    """How a track is written; ``codec`` None copies its packets."""

    codec: str | None = None
    layout: str = ""
    rate: int = 0


def way_for(stream: Any, packets: list[Any], container: str) -> Way | None:
    """The first way that a container takes, by writing a track's first packets into memory.

    FFmpeg can be asked which codecs a container holds, but not which layouts and rates, nor what is
    refused when the header is written (Opus and FLAC in .mov). So each way is tried and read back.

    Args:
        stream: a stream of an input container.
        packets: its first packets; they can be written again afterwards.
        container: FFmpeg's name of the output's format.

    Returns:
        The way, or None if the container takes none.
    """
    for way in (Way(), *_encoded(stream, container)):
        if _works(way, stream, packets, container):
            return way
    return None


def _encoded(stream: Any, container: str) -> Iterator[Way]:
    """Ways to encode: with every encoder all channels first, then fewer channels."""
    av = pyav()
    with av.open(io.BytesIO(), "w", format=container) as asked:
        held = asked.supported_codecs
    codecs = [c for c in ENCODERS if c in held and c in av.codecs_available]
    context = stream.codec_context
    whole = [context.layout.name, USUAL.get(context.layout.nb_channels)]
    for layouts in (whole, ["stereo", "mono"]):
        for codec in codecs:
            rate = _nearest(context.sample_rate, av.Codec(codec, "w").audio_rates)
            for layout in dict.fromkeys(name for name in layouts if name):
                yield Way(codec, layout, rate)


def _nearest(rate: int, offered: list[int] | None) -> int:
    """The sample rate to encode with: the same, else the next higher one, else the highest."""
    if not offered or rate in offered:
        return rate
    return min((r for r in offered if r > rate), default=max(offered))


def _works(way: Way, stream: Any, packets: list[Any], container: str) -> bool:
    av, trial = pyav(), io.BytesIO()
    # From zero on: an edit list can hide the first packets, and none of the trial would be heard.
    start_s = min((fraction(packet.time_base) or 0) * packet.pts for packet in packets)
    try:
        with av.open(trial, "w", format=container) as output:
            track = Track(way, stream, output)
            for packet in packets:
                track.write(packet, Fraction(start_s))
            track.flush()
        if track.refused:
            return False
        trial.seek(0)
        with av.open(trial) as back:
            layout = back.streams.audio[0].codec_context.layout.name
            if way.codec and layout != way.layout:
                return False  # AAC takes 5.1(side), but players mix up its channels
            return next(back.decode(audio=0), None) is not None
    except (av.error.FFmpegError, ValueError, OSError, IndexError):
        return False


class Track:
    """One audio stream of an output; ``write`` takes the source's packets."""

    def __init__(self, way: Way, stream: Any, output: Any) -> None:
        """Add the stream to an output container whose header is not written yet."""
        self._av, self._output = pyav(), output
        # Errors that FFmpeg raises for broken packets, and not for a full disk.
        self._broken = (self._av.error.InvalidDataError, self._av.error.ArgumentError)
        # How many packets could not be decoded, and how many the output did not take.
        self.damaged = self.refused = 0
        self._last: Fraction | None = None
        self._encodes = way.codec is not None
        if way.codec is None:
            self.stream = output.add_stream_from_template(stream)
            return
        channels = self._av.AudioLayout(way.layout).nb_channels
        bits = 0 if way.codec.startswith("pcm") else BITS * channels
        self.stream = output.add_stream(way.codec, rate=way.rate, layout=way.layout, bit_rate=bits)
        self._kind: tuple[str, str, int] | None = None  # of the source's samples
        self._resampler = self._fresh()

    def _fresh(self) -> Any:
        context = self.stream.codec_context
        return self._av.AudioResampler(
            format=context.format, layout=context.layout, rate=context.sample_rate
        )

    def write(self, packet: Any, start_s: Fraction) -> None:
        """Copy or encode a packet, so that what was at ``start_s`` is at zero."""
        shift = round(start_s / Fraction(packet.time_base.numerator, packet.time_base.denominator))
        if not self._encodes:
            kept = packet.pts, packet.dts, packet.stream
            packet.dts = (packet.pts if packet.dts is None else packet.dts) - shift
            packet.pts -= shift
            self._put([packet])
            packet.pts, packet.dts, packet.stream = kept  # a trial's packets are written again
            return
        try:
            frames = packet.decode()
        except self._av.error.FFmpegError:
            self.damaged += 1
            return
        for frame in frames:
            if frame.pts is not None:
                frame.pts -= shift
            try:
                parts = self._resampled(frame)
            except (*self._broken, ValueError):  # such as a layout without channels
                self.refused += 1
                continue
            for part in parts:
                self._encode(part)

    def _encode(self, part: Any) -> None:
        try:
            self._put(self.stream.encode(part))
        except self._broken:  # such as samples that are no numbers
            self.refused += 1

    def _resampled(self, frame: Any) -> list[Any]:
        """Resample a frame for the encoder; the source's rate or layout may change midway."""
        kind, rest = (frame.format.name, frame.layout.name, frame.sample_rate), []
        if kind != self._kind:
            rest = list(self._resampler.resample(None))
            self._kind, self._resampler = kind, self._fresh()
        return rest + list(self._resampler.resample(frame))

    def _put(self, packets: list[Any]) -> None:
        """Write packets with rising times; a time that does not rise becomes the next unit."""
        for packet in packets:
            if packet.dts is None:
                continue
            base = Fraction(packet.time_base.numerator, packet.time_base.denominator)
            if self._last is not None and packet.dts * base <= self._last:
                packet.dts = self._last // base + 1
            packet.pts = packet.dts if packet.pts is None else max(packet.pts, packet.dts)
            self._last = packet.dts * base
            packet.stream = self.stream
            try:
                self._output.mux(packet)
            except self._broken:
                self.refused += 1

    def flush(self) -> None:
        """Write what the resampler and the encoder still hold."""
        if self._encodes:
            for part in self._resampler.resample(None):
                self._encode(part)
            self._encode(None)
