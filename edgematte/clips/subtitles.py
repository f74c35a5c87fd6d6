"""One track of subtitles on its way into another file: copied, or as the text that it holds."""

from fractions import Fraction
from typing import Any

from edgematte.clips.container import pyav

TEXTS = {"mov": "mov_text", "mp4": "mov_text", "webm": "webvtt"}
"""The codec of text that each container holds, by FFmpeg's names."""
STYLES = b"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, OutlineColour, BackColour, Alignment, Encoding
Style: Default,Arial,16,&Hffffff,&H0,&H0,2,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""
"""Of a track that has none: white, below in the middle. Without, MP4 shows nothing."""
MILLISECOND = Fraction(1, 1000)


def fits(stream: Any, container: str) -> bool:
    """Whether a track can be written: it is text, or what the container holds itself."""
    context, codec = stream.codec_context, TEXTS.get(container)
    if codec is None or context.name == codec:
        return codec is not None
    return bool(context.codec.text_sub) and codec in pyav().codecs_available


class SubtitleTrack:
    """One track of an output; ``write`` takes the source's packets."""

    def __init__(self, stream: Any, output: Any) -> None:
        """Add a track, which fits, to an output container whose header is not written yet."""
        self._av, self._output, self._source = pyav(), output, stream
        self.refused = 0  # how many packets could not be read or written
        codec = TEXTS[output.format.name]
        self._encodes = stream.codec_context.name != codec
        if not self._encodes:
            self.stream = output.add_stream_from_template(stream)
            return
        self.stream = output.add_stream(codec)
        self.stream.time_base = MILLISECOND
        context = self.stream.codec_context
        context.time_base = MILLISECOND
        stream.codec_context.open(strict=False)  # only then it knows its styles
        styles = stream.codec_context.subtitle_header or b""
        context.subtitle_header = styles if b"\nStyle:" in styles else STYLES

    def write(self, packet: Any, start_s: Fraction) -> None:
        """Copy or encode a packet, so that what was at ``start_s`` is at zero."""
        base = Fraction(packet.time_base.numerator, packet.time_base.denominator)
        pts, duration = packet.pts - round(start_s / base), packet.duration
        try:
            if self._encodes:
                text = self._source.codec_context.decode2(packet)
                if text is None or not len(text):
                    return  # the pause between two texts
                duration = duration or round(text.end_display_time * MILLISECOND / base)
                packet = self.stream.codec_context.encode_subtitle(text)
                packet.time_base = base
            packet.pts = packet.dts = pts
            packet.duration, packet.stream = duration or 0, self.stream
            self._output.mux(packet)
        except (self._av.error.InvalidDataError, self._av.error.ArgumentError):
            self.refused += 1

    def flush(self) -> None:
        """Nothing is held back."""
