"""Times at which frames are shown, strictly rising."""

from collections import deque
from fractions import Fraction
from typing import Any


class Rising:
    """Makes times strictly rising: a time that is not after the last one becomes the next unit."""

    def __init__(self) -> None:
        self._last: int | None = None

    def after(self, pts: int) -> int:
        """The time that a frame gets, in the same units."""
        self._last = pts if self._last is None else max(pts, self._last + 1)
        return self._last


class Shown:
    """When decoded frames are shown, in units of the stream's time base since the clip's start.

    AVI only numbers packets in the order of decoding. So FFmpeg's times are out of order where
    frames are predicted from later ones. There each frame that is shown gets the earliest packet
    time that is left.
    """

    def __init__(self, start: int, frame_units: int, *, numbered: bool) -> None:
        """``start`` and ``frame_units`` (of one frame) count units; ``numbered`` is for AVI."""
        self._start, self._frame = start, frame_units
        self._packets: deque[int] | None = deque() if numbered else None
        self._last = -frame_units

    def packet(self, packet: Any) -> None:
        """Note the time of a packet that goes to the decoder."""
        if self._packets is not None and packet.size and packet.dts is not None:
            self._packets.append(packet.dts)

    def frame(self, frame: Any) -> int:
        """When a decoded frame is shown; a frame without a time follows the one before."""
        pts = self._packets.popleft() if self._packets else frame.pts
        self._last = self._last + self._frame if pts is None else pts - self._start
        return self._last


def short_of(promised_s: Fraction, reached_s: Fraction, rate: Fraction) -> bool:
    """Whether a clip ends before its header says, by more than two frames and a fifth of a second.

    Headers of complete files can promise a frame or two of sound too many (AVI with MP3: 0.1 s).
    """
    return promised_s - reached_s > max(Fraction(1, 5), 2 / rate)
