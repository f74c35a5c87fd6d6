"""Reading clips with PyAV: upright RGB frames with their times, and the sound beside them."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgematte.errors import EngineError, PictureError
from edgematte.extras import importing

Bytes = NDArray[np.uint8]

ENDINGS = {".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".wmv"}
UNKNOWN_MATRIX = 2  # in H.273, as FFmpeg counts
ITU709, ITU601 = 1, 5
SHORT_S = Fraction(1, 5)  # missing at the end of a clip before anything is said
HD_PX = 720  # height from which clips that do not say it are ITU-R 709


def is_clip(name: str | Path) -> bool:
    """Whether a file's ending is one of a clip."""
    return Path(name).suffix.lower() in ENDINGS


def pyav() -> Any:
    """The module ``av``.

    Raises:
        EngineError: it is not installed.
    """
    with importing("clips need PyAV", 'pip install "edgematte[video]"', EngineError):
        import av
    return av


@dataclass(frozen=True)
class ClipFrame:
    """One frame; ``pts`` counts units of ``time_base`` seconds from the clip's start."""

    pixels: Bytes  # (H, W, 3), RGB, upright
    pts: int
    duration: int  # in the same units; 0 where the file does not say
    time_base: Fraction


class Clip:
    """A clip opened for reading; close it, or use it in a ``with`` statement."""

    def __init__(self, path: Path) -> None:
        """Read the header and the first frame's size.

        Raises:
            PictureError: missing, not a clip, or without a single picture.
            EngineError: PyAV is not installed.
        """
        self.path, self._av = path, pyav()
        self._container = open_container(path)
        if not self._container.streams.video:
            raise PictureError(f"{path.name} holds no pictures")
        self._stream = self._container.streams.video[0]
        self._stream.thread_type = "AUTO"
        self.rate: Fraction = self._stream.average_rate or self._stream.guessed_rate or Fraction(25)
        self.promised: int = self._stream.frames  # 0 where the file does not say
        self.note = ""  # what was wrong, once the frames have been read
        start = self._container.start_time or 0
        self.start_s = Fraction(start, 1_000_000)
        self._promised_s = Fraction(self._container.duration or 0, 1_000_000)
        self._reached_s = Fraction(0)
        self._size: tuple[int, int] | None = None
        self._lock, self._open = threading.Lock(), True

    def __enter__(self) -> "Clip":
        """The clip itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file; who still reads frames in another thread gets no more."""
        with self._lock:
            self._open = False
            self._container.close()

    def frames(self) -> Iterator[ClipFrame]:
        """The frames in the order they are shown. A clip that breaks off gives what it had."""
        base = Fraction(self._stream.time_base or 1 / self.rate)
        count = 0
        for frame in self._decoded():
            if frame.pts is None:
                pts = round(count / self.rate / base)
            else:
                pts = frame.pts - round(self.start_s / base)
            yield ClipFrame(self._pixels(frame), pts, frame.duration or 0, base)
            count += 1
        if not count:
            raise PictureError(f"{self.path.name} holds no frame that can be read{self._because()}")
        if self.note:
            self.note = f"{self.path.name} breaks off after {count} frames{self._because()}"
        elif self.promised > count:
            self.note = f"{self.path.name} promises {self.promised} frames and holds {count}"
        elif self._promised_s - self._reached_s > max(SHORT_S, 2 / self.rate):
            had = f"{float(self._reached_s):.2f} of {float(self._promised_s):.2f} s"
            self.note = f"{self.path.name} breaks off after {count} frames, {had}"

    def _because(self) -> str:
        return f" ({self.note})" if self.note else ""

    def _decoded(self) -> Iterator[Any]:
        """Decoded frames until the end or the first error, which is noted."""
        errors = (self._av.error.FFmpegError, OSError)
        packets = self._container.demux(self._stream, *self._container.streams.audio)
        while True:
            with self._lock:
                if not self._open:
                    return
                try:
                    packet = next(packets, None)
                    if packet is None:
                        return
                    if packet.pts is not None:
                        end = (packet.pts + (packet.duration or 0)) * packet.time_base
                        self._reached_s = max(self._reached_s, end - self.start_s)
                    if packet.stream.type != "video":
                        continue  # read for its time alone
                    found = packet.decode()
                except errors as error:
                    self.note = getattr(error, "strerror", None) or str(error)
                    found = self._flushed()
            yield from found
            if self.note:
                return

    def _flushed(self) -> list[Any]:
        """What the decoder still holds after an error."""
        try:
            return list(self._stream.decode(None))
        except (self._av.error.FFmpegError, OSError):
            return []

    def _pixels(self, frame: Any) -> Bytes:
        matrix = int(frame.colorspace)
        if matrix in (0, UNKNOWN_MATRIX):
            matrix = ITU709 if frame.height >= HD_PX else ITU601
        self._size = self._size or (frame.width, frame.height)
        width, height = self._size  # a stream that changes size goes on at its first one
        rgb = frame.reformat(width=width, height=height, format="rgb24", src_colorspace=matrix)
        return upright(rgb.to_ndarray(), frame.rotation)


def upright(pixels: Bytes, rotation: int) -> Bytes:
    """Turn a picture by the degrees, counterclockwise, that its display matrix asks for."""
    turns = round(rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(pixels, turns)) if turns else pixels


def open_container(path: Path) -> Any:
    """An input container.

    Raises:
        PictureError: missing or not a clip.
    """
    av = pyav()
    if not path.is_file():
        raise PictureError(f"no clip at {path}")
    try:
        return av.open(str(path))
    except (av.error.FFmpegError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PictureError(f"{path.name} is not a clip that can be read ({reason})") from None
