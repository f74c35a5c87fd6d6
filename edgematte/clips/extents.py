"""From when to when each track of a clip goes, by its packets; tracks that disagree are told."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from edgematte.clips.times import short_of


class Extents:
    """The first and the last moment of every track, in seconds from the clip's start.

    Every track of a copy keeps the times that it had: nothing is cut, stretched or filled with
    silence, so that what was in step stays so. Where tracks begin or end apart, this is said.
    """

    def __init__(self, start_s: Fraction, rate: Fraction) -> None:
        """``start_s``: when the clip starts; ``rate``: frames a second."""
        self._start_s, self._rate = start_s, rate
        self._tracks: dict[int, tuple[Fraction, Fraction]] = {}

    @property
    def reached_s(self) -> Fraction:
        """How far any track goes."""
        return max((end for _, end in self._tracks.values()), default=Fraction(0))

    def packet(self, packet: Any) -> None:
        """Note a packet; those that an edit list hides do not count."""
        if packet.pts is None or packet.is_discard:
            return
        base = Fraction(packet.time_base.numerator, packet.time_base.denominator)
        first = packet.pts * base - self._start_s
        end = first + (packet.duration or 0) * base
        if packet.stream.type == "video" and not packet.duration:
            end = first + 1 / self._rate
        before = self._tracks.get(packet.stream.index, (first, end))
        self._tracks[packet.stream.index] = min(before[0], first), max(before[1], end)

    def apart(self, name: str, pictures: int, sounds: Sequence[int]) -> list[str]:
        """A line for each track of sound that begins or ends elsewhere than the pictures.

        Args:
            name: of the clip.
            pictures: index of their track.
            sounds: indices of the tracks of sound, in their order.
        """
        if pictures not in self._tracks:
            return []
        (first, end), lines = self._tracks[pictures], []
        for number, index in enumerate(sounds, 1):
            if index not in self._tracks:
                continue
            begins = self._words("begins", self._tracks[index][0] - first)
            ends = self._words("ends", self._tracks[index][1] - end)
            said = " and ".join(word for word in (begins, ends) if word)
            if said:
                lines.append(
                    f"{name}: track {number} of its sound {said} its pictures; both keep their "
                    "times"
                )
        return lines

    def _words(self, verb: str, apart_s: Fraction) -> str:
        """What is said of two moments; nothing of less than headers of good files are off by."""
        if not short_of(abs(apart_s), Fraction(0), self._rate):
            return ""
        return f"{verb} {float(abs(apart_s)):.2f} s {'after' if apart_s > 0 else 'before'}"
