"""When frames are shown: times that only rise."""

from collections import deque
from fractions import Fraction
from typing import Any


class Rising:
    """Times for a file in which no two frames may share one: who comes too early waits a unit."""

    def __init__(self) -> None:
        self._last: int | None = None

    def after(self, pts: int) -> int:
        """The time that a frame gets, in the units it came in."""
        self._last = pts if self._last is None else max(pts, self._last + 1)
        return self._last


class Shown:
    """When decoded frames are shown, in units of the stream's time base since the clip's start.

    AVI numbers packets in the order they are decoded in and says no more, so that FFmpeg's times
    of its frames are out of order where frames are predicted from later ones. There the first
    frame that is shown takes the earliest packet's time.
    """

    def __init__(self, start: int, frame_units: int, *, numbered: bool) -> None:
        """``start`` and ``frame_units`` (one frame's) count units; ``numbered`` is for AVI."""
        self._start, self._frame = start, frame_units
        self._packets: deque[int] | None = deque() if numbered else None
        self._last = -frame_units

    def packet(self, packet: Any) -> None:
        """A packet that goes to the decoder."""
        if self._packets is not None and packet.size and packet.dts is not None:
            self._packets.append(packet.dts)

    def frame(self, frame: Any) -> int:
        """A frame that came out of it; one without a time follows the one before."""
        pts = self._packets.popleft() if self._packets else frame.pts
        self._last = self._last + self._frame if pts is None else pts - self._start
        return self._last


def short_of(promised_s: Fraction, reached_s: Fraction, rate: Fraction) -> bool:
    """Whether a clip ends before its header says, by more than two frames and a fifth of a second.

    Headers of complete files are off by an encoder's frame of sound or two (AVI with MP3: 0.1 s).
    """
    return promised_s - reached_s > max(Fraction(1, 5), 2 / rate)
