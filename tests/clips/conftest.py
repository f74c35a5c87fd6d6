"""Small clips of every kind, written with PyAV."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest

from edgematte import testcard
from edgematte.arrays import Bytes

RATE = 25
SECONDS = 0.4  # of the sound
SETTINGS = {
    "libx264": {"crf": "4", "g": "5", "x264-params": "bframes=2:b-adapt=0"},
    "libvpx": {"auto-alt-ref": "0"},  # such frames cannot hold transparency
    "libvpx-vp9": {"auto-alt-ref": "0"},
}


class WriteClip(Protocol):
    """Writes a clip; see the fixture."""

    def __call__(
        self,
        name: str,
        frames: Sequence[Bytes] | None = None,
        *,
        codec: str = "libx264",
        pixels: str = "yuv420p",
        times: Sequence[int] | None = None,
        base: Fraction = Fraction(1, RATE),
        shape: Fraction | None = None,
        tags: tuple[int, int, int] | None = None,
        sound: tuple[str, str, int] | None = None,
        options: dict[str, str] | None = None,
        settings: dict[str, str] | None = None,
    ) -> Path: ...


def panned(count: int, size: tuple[int, int] = (48, 32)) -> list[Bytes]:
    """Frames of a camera that pans over the test card."""
    wide = testcard.testcard(size[0] + count, size[1])
    return [np.ascontiguousarray(wide[:, i : i + size[0]]) for i in range(count)]


def tones(layout: Any) -> list[int]:
    """What each channel of a clip's sound plays, in Hz; low where only low tones are kept."""
    return [60 if c.name == "LFE" else 300 + 100 * i for i, c in enumerate(layout.channels)]


@pytest.fixture
def write_clip(tmp_path: Path) -> WriteClip:
    """Writes a clip: frames with times in units of ``base``, a pixel's ``shape``, ``tags`` (matrix,
    primaries, transfer) and ``sound`` (codec, layout, rate), with a tone of its own a channel."""
    av = pytest.importorskip("av")

    def write(
        name: str,
        frames: Sequence[Bytes] | None = None,
        *,
        codec: str = "libx264",
        pixels: str = "yuv420p",
        times: Sequence[int] | None = None,
        base: Fraction = Fraction(1, RATE),
        shape: Fraction | None = None,
        tags: tuple[int, int, int] | None = None,
        sound: tuple[str, str, int] | None = None,
        options: dict[str, str] | None = None,
        settings: dict[str, str] | None = None,
    ) -> Path:
        frames = panned(int(RATE * SECONDS)) if frames is None else frames
        times = range(len(frames)) if times is None else times
        with av.open(str(tmp_path / name), "w", options=options or {}) as file:
            stream = file.add_stream(codec, rate=RATE, options=settings or SETTINGS.get(codec, {}))
            stream.height, stream.width = frames[0].shape[:2]
            stream.pix_fmt = pixels
            context = stream.codec_context
            context.time_base = base
            if shape is not None:
                context.sample_aspect_ratio = shape
            if tags is not None:
                context.colorspace, context.color_primaries, context.color_trc = tags
            heard = _sound(av, file, *sound) if sound else None
            for array, time in zip(frames, times, strict=True):
                kind = "rgba" if array.shape[2] == 4 else "rgb24"
                frame = av.VideoFrame.from_ndarray(array, format=kind)
                if tags is not None:
                    frame = frame.reformat(format=pixels, dst_colorspace=tags[0])
                    frame.colorspace = tags[0]
                frame.pts, frame.time_base = time, base
                file.mux(stream.encode(frame))
            file.mux(stream.encode(None))
            if heard is not None:
                heard()
        return tmp_path / name

    return write


def _sound(av: Any, file: Any, codec: str, layout: str, rate: int) -> Callable[[], None]:
    """Adds a track; what it returns writes it."""
    track = file.add_stream(codec, rate=rate, layout=layout, options={"strict": "-2"})
    channels = track.codec_context.layout

    def write() -> None:
        t = np.arange(round(rate * SECONDS)) / rate
        waves = [9000 * np.sin(2 * np.pi * hz * t) for hz in tones(channels)]
        packed = np.stack(waves, axis=1).astype(np.int16).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(packed, format="s16", layout=layout)
        frame.sample_rate, frame.pts = rate, 0
        resampler = av.AudioResampler(track.codec_context.format, layout, rate)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            file.mux(track.encode(part))
        file.mux(track.encode(None))

    return write
