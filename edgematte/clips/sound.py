"""Copying sound and subtitles of a clip to a new file, in step with the pictures written there."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from edgematte.clips.container import open_container, pyav
from edgematte.clips.subtitles import SubtitleTrack, fits
from edgematte.clips.tracks import Track, Way, way_for

PROBED = 4  # packets of a track to try out a container with
QUICKTIME = {
    "deu": "ger",
    "nld": "dut",
    "ell": "gre",
    "isl": "ice",
    "zho": "chi",
    "sqi": "alb",
    "mkd": "mac",
    "fre": "fra",
    "cze": "ces",
    "rum": "ron",
    "slo": "slk",
}
"""Codes of ISO 639-2 -> the other code of that language, where QuickTime files have that alone."""


class Sound:
    """All tracks of sound and of subtitles of a clip, on their way into another file.

    Each keeps its language, its title and its role, such as that of a commentary.
    """

    def __init__(self, source: Path, output: Any, start_s: Fraction) -> None:
        """``output`` is a PyAV container that is being written; nothing is written yet."""
        self._av, self._output, self._start_s = pyav(), output, start_s
        self._name = source.name
        self.warnings: list[str] = []  # what could not be copied
        ways = self._ways(source)
        self._container = open_container(source)
        self._tracks: dict[int, Track | SubtitleTrack] = {
            stream.index: Track(ways[stream.index], stream, output)
            for stream in self._container.streams.audio
            if stream.index in ways
        }
        for number, stream in enumerate(self._container.streams.subtitles, 1):
            where = f"{source.name}: track {number} of its subtitles"
            if stream.codec_context is None:
                self.warnings.append(f"{where} is in a codec that is not known: left out")
            elif fits(stream, output.format.name):
                self._tracks[stream.index] = SubtitleTrack(stream, output)
            else:
                name, format_ = stream.codec_context.name, output.format.name
                self.warnings.append(f"{where} ({name}) does not fit into .{format_}: left out")
        for index, track in self._tracks.items():
            self._name_as(self._container.streams[index], track.stream)
        self._packets = self._read()
        self._waiting: Any = None

    def _name_as(self, stream: Any, copy: Any) -> None:
        """Give a copy the language, the title and the role of a track."""
        old = stream.metadata
        language = old.get("language", "")
        if self._output.format.name == "mov":
            language = QUICKTIME.get(language, language)
        title = old.get("title") or old.get("name", "")  # as Matroska and as MP4 have it
        kept = {"language": language, "title": title, "handler_name": old.get("handler_name", "")}
        copy.metadata.update({key: value for key, value in kept.items() if value})
        copy.disposition = stream.disposition

    def _ways(self, source: Path) -> dict[int, Way]:
        """How each track is written; for tracks that cannot be written there is a warning."""
        ways: dict[int, Way] = {}
        format_ = self._output.format.name
        with open_container(source) as container:
            decodable = [s for s in container.streams.audio if s.codec_context is not None]
            packets = self._first(container, decodable)
            for number, stream in enumerate(container.streams.audio, 1):
                where = f"{source.name}: track {number} of its sound"
                if stream not in decodable:
                    self.warnings.append(f"{where} is in a codec that is not known: left out")
                    continue
                if not packets[stream.index]:
                    self.warnings.append(f"{where} is empty: left out")
                    continue
                way = way_for(stream, packets[stream.index], format_)
                name, layout = stream.codec_context.name, stream.codec_context.layout
                if way is None:
                    self.warnings.append(
                        f"{where} ({name}, {layout.name}) does not fit into .{format_}: left out"
                    )
                    continue
                ways[stream.index] = way
                kept = way.codec is None or (
                    self._av.AudioLayout(way.layout).nb_channels == layout.nb_channels
                )
                if not kept:
                    self.warnings.append(f"{where} ({layout.name}) was mixed to {way.layout}")
        return ways

    def _first(self, container: Any, streams: list[Any]) -> dict[int, list[Any]]:
        """The first packets of each track."""
        first: dict[int, list[Any]] = {stream.index: [] for stream in streams}
        if not streams:
            return first
        try:
            for packet in container.demux(*streams):
                kept = first[packet.stream.index]
                whole = packet.pts is not None and not packet.is_corrupt
                # What an edit list hides is decoded to nothing, which proves nothing.
                if whole and not packet.is_discard and len(kept) < PROBED:
                    kept.append(packet)
                if all(len(packets) == PROBED for packets in first.values()):
                    break
        except (self._av.error.FFmpegError, OSError):
            pass  # a clip that breaks off: the pictures say so
        return first

    def _read(self) -> Iterator[Any]:
        streams = [self._container.streams[index] for index in self._tracks]
        if not streams:
            return
        try:
            yield from self._container.demux(*streams)
        except (self._av.error.FFmpegError, OSError):
            return  # a clip that breaks off: the pictures say so

    def copy_until(self, seconds: Fraction | None) -> None:
        """Write the sound up to a time, in seconds from the start; None: all that is left."""
        while True:
            packet = self._waiting or next(self._packets, None)
            self._waiting = None
            if packet is None:
                return
            if packet.pts is None or packet.is_corrupt:
                continue  # the empty packet at the end, or a packet that is cut off
            base = Fraction(packet.time_base.numerator, packet.time_base.denominator)
            if seconds is not None and packet.pts * base - self._start_s > seconds:
                self._waiting = packet
                return
            self._tracks[packet.stream.index].write(packet, self._start_s)

    def finish(self) -> None:
        """Write the rest of the sound, and what encoders still hold."""
        self.copy_until(None)
        for track in self._tracks.values():
            track.flush()
        lost = {"sound": 0, "subtitles": 0}
        for track in self._tracks.values():
            if isinstance(track, Track):
                lost["sound"] += track.damaged + track.refused
            else:
                lost["subtitles"] += track.refused
        for kind, count in lost.items():
            if count:
                self.warnings.append(
                    f"{self._name}: {count} damaged pieces of its {kind} are left out"
                )

    def close(self) -> None:
        """Close the source."""
        self._container.close()
