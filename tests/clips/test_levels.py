"""Levels of a clip: what nets see of more than 8 bits, and what cut-outs keep of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import edgematte
from edgematte.cli import main
from edgematte.clips.frames import Keep
from edgematte.clips.levels import Levels, samples
from edgematte.clips.reading import Clip
from edgematte.pictures import open_picture, write_picture
from edgematte.video import ClipOptions, matte_clip

av = pytest.importorskip("av")

SIZE = 64, 32
BT709, FULL = 1, 2


def write_planes(
    path: Path,
    planes: Sequence[NDArray[Any]],
    pixels: str,
    *,
    tags: tuple[int, int, int] = (BT709, BT709, BT709),
    full: bool = False,
    count: int = 3,
) -> Path:
    """A clip without loss whose frames have these samples; tags: matrix, primaries, transfer."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("ffv1", rate=25)
        stream.height, stream.width = planes[0].shape
        stream.pix_fmt = pixels
        context = stream.codec_context
        context.colorspace, context.color_primaries, context.color_trc = tags
        context.color_range = FULL if full else 1
        for i in range(count):
            frame = av.VideoFrame(stream.width, stream.height, pixels)
            for plane, values in zip(frame.planes, planes, strict=True):
                samples(plane, 16 if values.dtype == np.uint16 else 8)[:] = values
            frame.colorspace, frame.color_range, frame.pts = tags[0], FULL if full else 1, i
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def ramp(bits: int, low: int, high: int) -> list[NDArray[Any]]:
    """Grey (4:2:0) from a level to another, in steps that 8 bits do not have."""
    kind = np.uint16 if bits > 8 else np.uint8
    luma = np.tile(np.linspace(low, high, SIZE[0]), (SIZE[1], 1)).round().astype(kind)
    half = np.full((SIZE[1] // 2, SIZE[0] // 2), 1 << (bits - 1), kind)
    return [luma, half, half.copy()]


def planes_of(path: Path) -> tuple[str, list[NDArray[Any]]]:
    """The pixel format and the samples of the first frame as they are stored."""
    with av.open(str(path)) as file:
        frame = next(file.decode(video=0))
        bits = frame.format.components[0].bits
        return frame.format.name, [samples(p, bits).copy() for p in frame.planes]


@pytest.fixture
def matter(tiny_bundle: Path) -> edgematte.Matter:
    return edgematte.load(tiny_bundle, threads=1)


def test_prores_keeps_ten_bits_and_what_is_brighter_than_white(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    """Levels up to 1019, where white is 940: cameras use them, and RGB has no place for them."""
    luma, *chroma = ramp(10, 64, 1019)
    source = write_planes(tmp_path / "a.mkv", [luma, *chroma], "yuv420p10le")
    output = tmp_path / "out.mov"
    command = ["matte", str(source), "-o", str(output), "--bundle", str(tiny_bundle)]
    assert main([*command, "--keep-colour"]) == 0
    kind, (found, blue, red, _) = planes_of(output)
    deep = kind.removeprefix("yuva444p") == "12le"  # as newer decoders give it
    found, blue, red = (p >> (2 * deep) for p in (found, blue, red))
    # ProRes 4444 is not lossless: of a smooth ramp it keeps a level or two of 1024.
    assert np.abs(found.astype(int) - luma).max() <= 2
    assert found.max() >= 1015
    assert np.abs(blue.astype(int) - 512).max() <= 2 and np.abs(red.astype(int) - 512).max() <= 2


@pytest.mark.parametrize("bits", [8, 10, 12])
def test_levels_are_those_of_the_file(bits: int, tmp_path: Path) -> None:
    planes = ramp(bits, 3, (1 << bits) - 4)
    pixels = "yuv420p" if bits == 8 else f"yuv420p{bits}le"
    with Clip(write_planes(tmp_path / "a.mkv", planes, pixels), Keep.LEVELS) as clip:
        frame = next(clip.frames())
    assert isinstance(frame.kept, Levels) and clip.bits == bits
    assert (frame.kept.bits, frame.kept.full, frame.kept.matrix) == (bits, False, BT709)
    np.testing.assert_array_equal(frame.kept.planes[0], planes[0])
    assert (frame.kept.planes[1] == 1 << (bits - 1)).all()


def test_full_range_becomes_limited(matter: edgematte.Matter, tmp_path: Path) -> None:
    """By ITU-T H.273: luma 64 + 876 v, where v goes from 0 to 1."""
    planes = ramp(10, 0, 1023)
    source = write_planes(tmp_path / "a.mkv", planes, "yuv420p10le", full=True)
    with Clip(source, Keep.LEVELS) as clip:
        frame = next(clip.frames())
    assert isinstance(frame.kept, Levels) and frame.kept.full
    np.testing.assert_array_equal(frame.kept.planes[0], planes[0])
    luma, blue, _ = frame.kept.limited(10)
    np.testing.assert_array_equal(luma, np.rint(64 + 876 * (planes[0] / 1023)))
    assert (blue == 512).all()
    # Nets see black as 0 and white as 255, to FFmpeg's rounding.
    assert frame.pixels.min() <= 1 and frame.pixels.max() >= 254


def test_bits_more_and_fewer() -> None:
    values = np.array([[0, 1, 2, 511, 1020, 1023]], np.uint16)
    levels = Levels((values, values, values), 10, False, BT709)
    np.testing.assert_array_equal(levels.limited(12)[0], values * 4)
    assert levels.limited(10)[1] is values
    # Rounded, and never above the highest.
    np.testing.assert_array_equal(levels.limited(8)[2], [[0, 0, 1, 128, 255, 255]])
    assert levels.limited(8)[0].dtype == np.uint8


@pytest.mark.parametrize("matrix", [1, 6, 9])
def test_rgb_and_back(matrix: int) -> None:
    """The primaries and their mixtures by the equations of H.273; then every value returns."""
    corners = np.array([[[r, g, b] for r in (0, 1) for g in (0, 1) for b in (0, 1)]])
    red, blue = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}[matrix]
    found = Levels.of_rgb((corners * 65535).astype(np.uint16), matrix, 10)
    for i, (r, g, b) in enumerate(corners[0]):
        y = red * r + (1 - red - blue) * g + blue * b
        wanted = 64 + 876 * y, 512 + 448 * (b - y) / (1 - blue), 512 + 448 * (r - y) / (1 - red)
        np.testing.assert_allclose([p[0, i] for p in found.planes], wanted, atol=0.501)
    noise = np.random.default_rng(0).integers(0, 65536, (300, 40, 3)).astype(np.uint16)
    back = Levels.of_rgb(noise, matrix, 16).rgb()
    assert np.abs(back.astype(int) - noise).max() <= 3  # a step of luma and of chroma, rounded
    for bits in (8, 10, 12):
        again = Levels.of_rgb(Levels.of_rgb(noise, matrix, bits).rgb(), matrix, bits)
        for a, b in zip(again.planes, Levels.of_rgb(noise, matrix, bits).planes, strict=True):
            assert np.abs(a.astype(int) - b).max() <= 1


def test_what_alpha_hides_is_black() -> None:
    values = np.full((1, 3), 700, np.uint16)
    alpha = np.array([[0, 0.001, 1]], np.float32)  # the second is 0 of 255
    luma, blue, red = Levels((values,) * 3, 10, False, BT709).without_hidden(alpha).planes
    assert luma.tolist() == [[64, 64, 700]]
    assert blue.tolist() == red.tolist() == [[512, 512, 700]]


def test_files_of_a_deep_clip_have_16_bits(matter: edgematte.Matter, tmp_path: Path) -> None:
    source = write_planes(tmp_path / "a.mkv", ramp(10, 64, 940), "yuv420p10le")
    report = matte_clip(matter, source, tmp_path / "out", ClipOptions(keep_colour=True))
    assert report.warnings == ()
    found = open_picture(tmp_path / "out" / "frame-000000.png")
    assert found.deep is not None and found.deep.dtype == np.uint16
    # 64 steps of 876 levels, each another one: 8 bits would have 64 steps of 219, exact to 1 / 438.
    wanted = (ramp(10, 64, 940)[0].astype(float) - 64) / 876
    np.testing.assert_allclose(found.deep[..., 0] / 65535, wanted, atol=1 / 2000)


def test_a_deep_clip_keeps_its_depth_with_foreground_colours(
    matter: edgematte.Matter, tmp_path: Path
) -> None:
    source = write_planes(tmp_path / "a.mkv", ramp(10, 64, 940), "yuv420p10le")
    matte_clip(matter, source, tmp_path / "out", ClipOptions(foreground=True))
    with Clip(source) as clip:
        alpha = matter(next(clip.frames()).pixels).alpha
    found = open_picture(tmp_path / "out" / "frame-000000.png")
    assert found.deep is not None and (alpha == 1).any()
    wanted = (ramp(10, 64, 940)[0].astype(float) - 64) / 876
    kept = found.deep[..., 0][alpha == 1] / 65535
    np.testing.assert_allclose(kept, wanted[alpha == 1], atol=1 / 2000)


def test_a_sequence_of_a_deep_clip_is_deep_and_says_what_is_hdr(
    matter: edgematte.Matter, tmp_path: Path
) -> None:
    source = write_planes(tmp_path / "a.mkv", grey(572), "yuv420p10le", tags=(9, 9, 16))
    output = tmp_path / "out" / "f_%03d.png"
    report = matte_clip(matter, source, output, ClipOptions(keep_colour=True))
    assert report.warnings == ()
    found = open_picture(tmp_path / "out" / "f_001.png")
    assert found.deep is not None
    np.testing.assert_allclose(found.deep / 65535, (572 - 64) / 876, atol=1 / 2000)
    assert b"cICP\x09\x10\x00\x01" in (tmp_path / "out" / "f_001.png").read_bytes()


def test_a_sequence_of_16_bits_becomes_a_clip_of_ten(
    matter: edgematte.Matter, tmp_path: Path
) -> None:
    values = np.linspace(0, 65535, 64).astype(np.uint16)
    array = np.repeat(np.tile(values, (32, 1))[..., None], 3, axis=2)
    for number in (1, 2):
        write_picture(array, tmp_path / f"f_{number}.png")
    output = tmp_path / "out.mov"
    matte_clip(matter, tmp_path / "f_%d.png", output, ClipOptions(keep_colour=True))
    kind, (luma, *_) = planes_of(output)
    luma = luma >> (2 * kind.endswith("12le"))
    # A level of rounding, and ProRes' two.
    assert np.abs(luma[16] - (64 + 876 * (values / 65535))).max() <= 3
    # Of 8 bits most would be off by up to 3 more.
    assert np.abs(luma - (64 + 876 * (values / 65535))).mean() < 0.7


def test_what_a_format_cannot_hold_is_said(matter: edgematte.Matter, tmp_path: Path) -> None:
    source = write_planes(tmp_path / "a.mkv", ramp(10, 64, 940), "yuv420p10le")
    report = matte_clip(matter, source, tmp_path / "out.webm")
    assert report.warnings == ("a.mkv has 10 bits a channel, the result 8",)
    luma = planes_of(tmp_path / "out.webm")[1][0]
    assert np.abs(luma.astype(float) - ramp(10, 64, 940)[0] / 4).mean() < 200  # it was written
    report = matte_clip(matter, source, tmp_path / "a.mp4", ClipOptions(kind="alpha"))
    assert report.warnings == ()  # of colours


@pytest.mark.parametrize("kind", ["gbrp10le", "rgb24"])
def test_clips_that_store_rgb_pass_as_rgb(
    kind: str, matter: edgematte.Matter, tmp_path: Path
) -> None:
    bits = 10 if kind.startswith("gbr") else 8
    with av.open(str(tmp_path / "a.mkv"), "w") as file:
        stream = file.add_stream("ffv1", rate=25)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "gbrp10le" if bits == 10 else "bgr0"
        ramp16 = np.linspace(0, 65535, SIZE[0]).astype(np.uint16)
        array = np.repeat(np.tile(ramp16, (SIZE[1], 1))[..., None], 3, axis=2)
        frame = av.VideoFrame.from_ndarray(array, format="rgb48le")
        frame = frame.reformat(format=stream.pix_fmt)
        frame.pts = 0
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    with Clip(tmp_path / "a.mkv", Keep.LEVELS) as clip:
        found = next(clip.frames())
    assert clip.bits == bits
    if bits == 8:
        assert found.kept is None
    else:
        assert isinstance(found.kept, np.ndarray)
        np.testing.assert_allclose(found.kept[0, :, 1], ramp16, atol=65535 / 1023)
    report = matte_clip(matter, tmp_path / "a.mkv", tmp_path / "out.mov")
    assert report.frames == 1 and report.warnings == ()


# HDR


def grey(level: int) -> list[NDArray[Any]]:
    luma = np.full((SIZE[1], SIZE[0]), level, np.uint16)
    half = np.full((SIZE[1] // 2, SIZE[0] // 2), 512, np.uint16)
    return [luma, half, half.copy()]


@pytest.mark.parametrize(("transfer", "white"), [(16, 0.5807), (18, 0.75)])
def test_nets_see_hdr_by_the_curve_of_pictures(transfer: int, white: float, tmp_path: Path) -> None:
    """Diffuse white (BT.2408) is light 1, which the curve shows as 0.9: 243 of sRGB."""
    planes = grey(round(64 + 876 * white))
    source = write_planes(tmp_path / "a.mkv", planes, "yuv420p10le", tags=(9, 9, transfer))
    with Clip(source) as clip:
        frame = next(clip.frames())
    shown = 255 * (1.055 * 0.9 ** (1 / 2.4) - 0.055)
    assert np.abs(frame.pixels.astype(float) - shown).max() <= 2  # a level of 1024, and rounding
    assert frame.kept is None


def test_a_cutout_of_hdr_keeps_its_levels_and_files_say_so(
    matter: edgematte.Matter, tmp_path: Path
) -> None:
    source = write_planes(tmp_path / "a.mkv", grey(572), "yuv420p10le", tags=(9, 9, 16))
    report = matte_clip(matter, source, tmp_path / "out.mov", ClipOptions(keep_colour=True))
    kind, (luma, *_) = planes_of(tmp_path / "out.mov")
    assert np.abs((luma >> (2 * kind.endswith("12le"))).astype(int) - 572).max() <= 1
    assert report.warnings == ()
    report = matte_clip(matter, source, tmp_path / "out", ClipOptions(keep_colour=True))
    found = open_picture(tmp_path / "out" / "frame-000000.png")
    assert report.warnings == () and found.deep is not None
    np.testing.assert_allclose(found.deep / 65535, (572 - 64) / 876, atol=1 / 2000)
    assert b"cICP\x09\x10\x00\x01" in (tmp_path / "out" / "frame-000000.png").read_bytes()


def test_hdr_before_a_background_is_shown_as_on_a_screen(
    matter: edgematte.Matter, tmp_path: Path
) -> None:
    source = write_planes(tmp_path / "a.mkv", grey(572), "yuv420p10le", tags=(9, 9, 16))
    output = tmp_path / "out.mp4"
    report = matte_clip(matter, source, output, ClipOptions(background="white"))
    assert report.warnings == (
        "a.mkv is HDR (PQ, BT.2020): before a background it is shown as on an ordinary screen, "
        "in ITU-R 709",
    )
    with av.open(str(output)) as file:
        context = file.streams.video[0].codec_context
        assert (int(context.color_primaries), int(context.color_trc)) == (1, 1)
    with Clip(output) as clip:
        found = next(clip.frames()).pixels
    with Clip(source) as clip:
        frame = next(clip.frames()).pixels
    alpha = matter(frame).alpha
    assert found.min() >= 200 and frame.min() >= 240 and alpha.shape == found.shape[:2]


def test_a_picture_of_hdr_stays_what_it_was(tmp_path: Path) -> None:
    """8 bits of HDR are seen by the curve too."""
    luma = np.full((SIZE[1], SIZE[0]), 143, np.uint8)  # 58 % of PQ
    half = np.full((SIZE[1] // 2, SIZE[0] // 2), 128, np.uint8)
    source = write_planes(tmp_path / "a.mkv", [luma, half, half], "yuv420p", tags=(9, 9, 16))
    with Clip(source, Keep.RGB) as clip:
        frame = next(clip.frames())
    assert np.abs(frame.pixels.astype(int) - 243).max() <= 3  # a level of 256 is 4 there
    assert isinstance(frame.kept, np.ndarray) and frame.kept.dtype == np.uint16
    assert isinstance(Image.fromarray(frame.pixels), Image.Image)
