"""Turned and mirrored clips, and pixels that are not square."""

import gc
import io
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from edgematte import testcard
from edgematte.clips.geometry import display_matrix, square, upright
from edgematte.clips.reading import Clip

av = pytest.importorskip("av")

ONE = 1 << 16  # in the matrices of FFmpeg and QuickTime


@pytest.mark.parametrize("degrees", [0, 90, 180, 270, 3, 87])
@pytest.mark.parametrize("mirrored", [False, True])
def test_pictures_are_mirrored_and_turned_clockwise(degrees: int, mirrored: bool) -> None:
    """By QuickTime's definition: x' = a x + c y, y' = b x + d y, with y pointing down."""
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    flip = -1 if mirrored else 1
    matrix = [round(v * ONE) for v in (flip * cosine, flip * sine, -sine, cosine)]
    picture = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    wanted = np.rot90(picture[:, ::-1] if mirrored else picture, -round(degrees / 90))
    np.testing.assert_array_equal(upright(picture, matrix), wanted)
    np.testing.assert_array_equal(upright(picture[..., 0], matrix), wanted[..., 0])  # alpha


@pytest.mark.parametrize("mirrored", [(False, False), (True, False), (False, True)])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_clips_are_shown_as_ffmpeg_defines(
    degrees: int, mirrored: tuple[bool, bool], write_clip: Callable[..., Path], tmp_path: Path
) -> None:
    """FFmpeg's own functions write the matrix: counterclockwise, then across and down."""
    path, turned = write_clip("clip.mp4"), tmp_path / "turned.mp4"
    with av.open(str(path)) as source, av.open(str(turned), "w") as output:
        kept = output.add_stream_from_template(source.streams.video[0])
        kept.set_display_rotation(degrees, *mirrored)
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = kept
                output.mux(packet)
    wanted = np.rot90(first(path), degrees // 90)
    wanted = wanted[:, ::-1] if mirrored[0] else wanted
    wanted = wanted[::-1] if mirrored[1] else wanted
    np.testing.assert_array_equal(first(turned), wanted)


def test_decoded_frames_are_freed_without_the_collector_of_circles(
    write_clip: Callable[..., Path],
) -> None:
    """It counts objects, not their pixels: gigabytes of these may lie about before it runs."""

    def decoded() -> int:
        return sum(isinstance(each, av.VideoFrame) for each in gc.get_objects())

    path = write_clip("clip.mp4", [testcard.testcard(48, 32)] * 120)
    gc.collect()
    gc.disable()
    try:
        before = decoded()
        with Clip(path) as clip:
            held = [decoded() - before for _ in clip.frames()]
    finally:
        gc.enable()
    assert len(held) == 120 and max(held) < 60  # what a decoder holds back comes at once


@pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (3, 2), (6, -1), (8, 1)])
def test_other_data_beside_a_frame_does_no_harm(orientation: int, turns: int) -> None:
    """EXIF in a JPEG frame is of a kind that PyAV 18 does not know."""
    image = Image.fromarray(testcard.testcard(48, 32))
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    image.save(file, "JPEG", exif=exif)
    with av.open(file, format="jpeg_pipe") as opened:
        frame = next(opened.decode(video=0))
        stored = frame.to_ndarray(format="rgb24")
        found = upright(stored, display_matrix(frame))
    np.testing.assert_array_equal(found, np.rot90(stored, turns))


def with_matrix(path: Path, matrix: tuple[int, ...]) -> Path:
    """Changes the display matrix of an MP4's only track."""
    data = bytearray(path.read_bytes())
    assert data.count(b"tkhd") == 1
    at = data.index(b"tkhd") + 4 + 40
    struct.pack_into(">9i", data, at, *matrix)
    path.write_bytes(bytes(data))
    return path


def first(path: Path) -> NDArray[np.uint8]:
    with Clip(path) as clip:
        return next(clip.frames()).pixels


def test_a_mirrored_clip_is_read_mirrored(write_clip: Callable[..., Path]) -> None:
    path = write_clip("clip.mp4")
    stored = first(path)
    with_matrix(path, (-ONE, 0, 0, 0, ONE, 0, 48 * ONE, 0, 1 << 30))
    np.testing.assert_array_equal(first(path), stored[:, ::-1])


def test_a_turned_clip_is_read_upright(write_clip: Callable[..., Path]) -> None:
    path = write_clip("clip.mp4")
    stored = first(path)
    with_matrix(path, (0, ONE, 0, -ONE, 0, 0, 32 * ONE, 0, 1 << 30))
    np.testing.assert_array_equal(first(path), np.rot90(stored, -1))


# Pixels that are not square


@pytest.mark.parametrize(
    ("size", "shape", "wanted"),
    [
        ((720, 576), Fraction(64, 45), (1024, 576)),  # PAL, 16:9
        ((720, 480), Fraction(8, 9), (720, 540)),  # NTSC, 4:3
        ((1440, 1080), Fraction(4, 3), (1920, 1080)),  # HDV
        ((640, 480), Fraction(1), (640, 480)),
        ((640, 480), None, (640, 480)),
        ((640, 480), Fraction(1, 1000), (640, 480)),  # a damaged header
    ],
)
def test_the_side_of_long_pixels_grows(
    size: tuple[int, int], shape: Fraction | None, wanted: tuple[int, int]
) -> None:
    assert square(size, shape) == wanted


@pytest.mark.parametrize("turned", [False, True])
def test_a_clip_keeps_its_aspect(turned: bool, write_clip: Callable[..., Path]) -> None:
    """What was squeezed for storing is read as it was; turned only after that."""
    shown = testcard.testcard(96, 32)
    squeezed = np.asarray(Image.fromarray(shown).resize((48, 32), Image.Resampling.BICUBIC))
    path = write_clip("clip.mp4", [squeezed] * 3, shape=Fraction(2))
    wanted = shown
    if turned:
        with_matrix(path, (0, ONE, 0, -ONE, 0, 0, 32 * ONE, 0, 1 << 30))
        wanted = np.rot90(shown, -1)
    found = first(path)
    assert found.shape == wanted.shape
    # Half of the columns are made up again; a picture squeezed or turned is off by 30 and more.
    assert np.abs(found.astype(int) - wanted).mean() < 12


def test_pixels_of_an_impossible_shape_are_said(write_clip: Callable[..., Path]) -> None:
    with Clip(write_clip("clip.mp4", shape=Fraction(1, 10))) as clip:
        assert next(clip.frames()).pixels.shape == (32, 48, 3)
    (said,) = clip.warnings
    assert "1/10" in said and "square" in said
