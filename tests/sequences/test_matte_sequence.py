"""``edgematte matte`` from and to image sequences."""

import json
import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numbered import SIZE, frame, save
from numpy.typing import NDArray
from PIL import Image

import edgematte
from edgematte.arrays import Bytes
from edgematte.pictures import encode, open_picture
from edgematte.video import ClipOptions, matte_clip

Capture = pytest.CaptureFixture[str]
Run = Callable[..., int]
Write = Callable[..., str]


def pixels(path: Path) -> NDArray[Any]:
    with Image.open(path) as image:
        return np.asarray(image)


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def one_line(capture: Capture, *parts: str) -> None:
    out, err = capture.readouterr()
    assert not out and len(err.splitlines()) == 1 and err.startswith("edgematte: ")
    for part in parts:
        assert part in err


def as_if_alone(picture: Bytes, bundle: Path) -> edgematte.Matte:
    return edgematte.load(bundle, threads=1)(picture)


def decoded(path: Path) -> tuple[list[float], list[Bytes]]:
    av = pytest.importorskip("av")
    with av.open(str(path)) as file:
        found = [(float(f.time), f.to_ndarray(format="rgb24")) for f in file.decode(video=0)]
    return [time for time, _ in found], [array for _, array in found]


# From sequence to sequence


def test_numbers_of_the_results_are_those_of_the_pictures(
    matte: Run, write: Write, tiny_bundle: Path, tmp_path: Path, capsys: Capture
) -> None:
    source, out = write(numbers=[8, 9, 11]), tmp_path / "new" / "cut.%d.png"
    assert matte(source, "-o", out) == 0
    assert names(out.parent) == ["cut.11.png", "cut.8.png", "cut.9.png"]
    for number in (8, 9, 11):
        expected = as_if_alone(frame(number), tiny_bundle)
        rgba = pixels(Path(str(out) % number))
        np.testing.assert_allclose(rgba[..., 3] / 255, expected.alpha, atol=0.51 / 255)
        shown = rgba[..., 3] > 0
        np.testing.assert_array_equal(rgba[shown, :3], frame(number)[shown])
    said, err = capsys.readouterr()
    assert said.strip() == str(out)
    assert err.count("\n") == 1 and "1 of the numbers 8 to 11 have no file (10)" in err


@pytest.mark.parametrize("slash", [True, False])
def test_in_a_folder_results_keep_the_names(
    slash: bool, matte: Run, write: Write, tmp_path: Path
) -> None:
    source = write("in/f_%03d.v1.webp", range(7, 9))
    assert matte(source, "-o", f"{tmp_path}/out{'/' * slash}", "--write", "alpha") == 0
    assert names(tmp_path / "out") == ["f_007.v1.png", "f_008.v1.png"]
    assert pixels(tmp_path / "out" / "f_007.v1.png").shape == SIZE[::-1]  # one grey channel


def test_json_tells_of_the_sequence(
    matte: Run, write: Write, tmp_path: Path, capsys: Capture
) -> None:
    out = tmp_path / "out" / "a_%02d.png"
    assert matte(write(), "-o", out, "--write", "trimap", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["frames"], said["size"]) == (4, list(SIZE))
    assert said["result"] == str(out) and said["trimaps_carried"] == 0


def test_16_bits_stay_and_alpha_has_as_many_as_it_is_told(
    matte: Run, write: Write, tmp_path: Path
) -> None:
    pytest.importorskip("imagecodecs", reason="needs edgematte[deep]")
    noise = np.random.default_rng(0).integers(0, 256, frame(0).shape).astype(np.uint16)
    for number in (1, 2):
        deep = (frame(number).astype(np.uint16) << 8) | noise
        file = tmp_path / "in" / f"d_{number}.png"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(encode(deep, "PNG"))
    source = tmp_path / "in" / "d_%d.png"
    assert matte(source, "-o", tmp_path / "out" / "d_%d.png") == 0
    found = open_picture(tmp_path / "out" / "d_2.png")
    shown = open_picture(tmp_path / "in" / "d_2.png").colours
    assert found.colours.dtype == np.uint16 and found.alpha is not None
    whole = found.alpha > 0
    assert whole.any()
    np.testing.assert_array_equal(found.colours[whole], shown[whole])
    alphas = tmp_path / "out" / "a_%d.tif"
    assert matte(source, "-o", alphas, "--write", "alpha", "--alpha-bits", 16) == 0
    assert pixels(tmp_path / "out" / "a_1.tif").dtype == np.uint16


def test_exr_stays_light(matte: Run, tmp_path: Path) -> None:
    pytest.importorskip("OpenEXR", reason="needs edgematte[vfx]")
    light = (frame(3) / 128).astype(np.float16)  # brighter than white here and there
    light[:, :4] = 0  # where the net of the tests finds no alpha
    (tmp_path / "in").mkdir()
    for number in (1001, 1002):
        (tmp_path / "in" / f"l.{number}.exr").write_bytes(encode(light, "EXR"))
    assert matte(tmp_path / "in" / "l.%04d.exr", "-o", f"{tmp_path}/out/") == 0
    found = open_picture(tmp_path / "out" / "l.1002.exr")
    assert found.colours.dtype == np.float16 and found.alpha is not None
    whole = found.alpha > 0
    assert whole.any()
    # Premultiplied as EXR is, in halves: a rounding there and one back.
    np.testing.assert_allclose(found.colours[whole], light[whole], rtol=2**-9)


def test_own_transparency_stays(matte: Run, tmp_path: Path, write: Write) -> None:
    def half(number: int) -> NDArray[np.uint8]:
        own = np.zeros((*SIZE[::-1], 1), np.uint8)
        own[:, 24:] = 255
        return np.concatenate([frame(number), own], 2)

    out = tmp_path / "out" / "f_%d.png"
    assert matte(write(make=half), "-o", out) == 0
    assert not pixels(tmp_path / "out" / "f_1.png")[:, :24, 3].any()


# Clips


def test_a_sequence_becomes_a_clip_at_a_rate(
    matte: Run, write: Write, tmp_path: Path, tiny_bundle: Path
) -> None:
    out = tmp_path / "out.mov"
    assert matte(write(numbers=[3, 4, 7]), "-o", out, "--fps", "24000/1001") == 0
    times, found = decoded(out)
    # A number without a file is a time without a frame.
    np.testing.assert_allclose(times, np.array([0, 1, 4]) * 1001 / 24000, atol=1e-3)
    alpha = as_if_alone(frame(7), tiny_bundle).alpha
    shown = np.abs(found[2].astype(int) - frame(7))[alpha > 0.5 / 255]
    assert shown.mean() < 4  # ten bits of luma and chroma, lightly compressed


def test_without_a_rate_a_clip_has_25_frames_a_second(
    matte: Run, write: Write, tmp_path: Path
) -> None:
    assert matte(write(), "-o", tmp_path / "out.mp4", "--background", "white") == 0
    np.testing.assert_allclose(decoded(tmp_path / "out.mp4")[0], np.arange(4) / 25, atol=1e-6)


def lossless(path: Path, frames: list[Bytes], at: list[int] | None = None) -> Path:
    """A clip of these pixels at 25 frames a second, or at such times in hundredths."""
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "bgr0"
        stream.codec_context.time_base = Fraction(1, 100)
        for index, array in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(array, format="rgb24")
            picture.pts = at[index] if at else 4 * index
            picture.time_base = Fraction(1, 100)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def test_a_clip_becomes_a_sequence_from_1_on(
    matte: Run, tmp_path: Path, tiny_bundle: Path, capsys: Capture
) -> None:
    clip = lossless(tmp_path / "c.mkv", [frame(n) for n in range(3)])
    out = tmp_path / "out" / "a_%03d.png"
    assert matte(clip, "-o", out, "--write", "alpha", "--alpha-bits", 16) == 0
    assert names(out.parent) == ["a_001.png", "a_002.png", "a_003.png"]
    found = pixels(out.parent / "a_003.png") / 65535
    np.testing.assert_allclose(found, as_if_alone(frame(2), tiny_bundle).alpha, atol=1e-5)
    assert capsys.readouterr().err == ""
    uneven = lossless(tmp_path / "u.mkv", [frame(n) for n in range(3)], [0, 4, 40])
    assert matte(uneven, "-o", out, "--write", "alpha") == 0
    assert "not at the times" in capsys.readouterr().err


def test_a_recurrent_stream_sees_a_sequence_as_one_clip(
    matte: Run, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The frames come to one stream, in the order of numbers, not of names."""
    seen: list[list[Bytes]] = []
    inner = edgematte.Matter.stream

    def stream(self: edgematte.Matter, frames: Any, **more: Any) -> Any:
        seen.append([])
        for one in inner(self, frames, **more):
            assert one.picture is not None
            seen[-1].append(one.picture.pixels)
            yield one

    monkeypatch.setattr(edgematte.Matter, "stream", stream)
    assert matte(write("in/f%d.png", [9, 10, 11]), "-o", tmp_path / "out.mov") == 0
    (frames,) = seen
    for found, number in zip(frames, (9, 10, 11), strict=True):
        np.testing.assert_array_equal(found, frame(number))


# What ends early, and what is refused


def test_a_frame_that_cannot_be_read_ends_the_result(
    matte: Run, write: Write, tmp_path: Path, capsys: Capture
) -> None:
    source = write()
    (tmp_path / "in" / "f_00003.png").write_bytes(b"no picture")
    for out in ("out/f_%d.png", "out.mov"):
        assert matte(source, "-o", tmp_path / out) == 1
        err = capsys.readouterr().err
        assert "breaks off after 2 frames (f_00003.png is not a picture" in err
    assert names(tmp_path / "out") == ["f_1.png", "f_2.png"]
    assert len(decoded(tmp_path / "out.mov")[0]) == 2
    (tmp_path / "in" / "f_00001.png").write_bytes(b"no picture")
    assert matte(source, "-o", tmp_path / "no" / "f_%d.png") == 2
    one_line(capsys, "f_00001.png is not a picture")
    assert not (tmp_path / "no").exists()


def test_a_folder_that_vanishes_ends_the_result(
    needy: edgematte.Matter, write: Write, tiny_bundle: Path, tmp_path: Path
) -> None:
    source = write(numbers=range(1, 30))
    report = matte_clip(
        edgematte.load(tiny_bundle, threads=1),
        Path(source),
        tmp_path / "out" / "f_%d.png",
        progress=lambda done, total: shutil.rmtree(tmp_path / "in", ignore_errors=True),
    )
    assert 1 <= report.frames < 29 and "no picture at" in report.note
    assert len(names(tmp_path / "out")) == report.frames


def test_a_clip_has_one_size_and_a_sequence_may_have_several(
    matte: Run, write: Write, tmp_path: Path, capsys: Capture
) -> None:
    source = write()
    save(tmp_path / "in" / "f_00003.png", frame(3)[:16])
    assert matte(source, "-o", tmp_path / "out.mov") == 1
    assert (
        "after 2 frames: f_00003.png is 48x16, and a clip has one size" in capsys.readouterr().err
    )
    assert matte(source, "-o", tmp_path / "out" / "f_%d.png") == 0
    assert pixels(tmp_path / "out" / "f_3.png").shape == (16, 48, 4)


REFUSED: dict[str, tuple[tuple[str, ...], str]] = {
    "no files": (("in/g_%05d.png", "-o", "out/g_%d.png"), "no file in in is named as"),
    "no folder": (("on/f_%05d.png", "-o", "out/g_%d.png"), "No such file or directory"),
    "itself": (("in/f_%05d.png", "-o", "in/f_%05d.png"), "would replace in/f_00001.png"),
    "its folder": (("in/f_%05d.png", "-o", "in/"), "would replace in/f_00001.png"),
    "two": (("in/f_%05d.png", "in", "-o", "out/"), "one clip at a time, or one sequence"),
    "stdout": (("in/f_%05d.png", "-o", "-"), "not to standard output"),
    "kinds": (("in/f_%05d.png", "-o", "o_%d.png", "--write", "alpha", "trimap"), "one kind"),
    "crop": (("in/f_%05d.png", "-o", "o_%d.png", "--crop"), "--crop is of single pictures"),
    "jpeg": (("in/f_%05d.png", "-o", "out/f_%d.jpg"), "JPEG cannot hold this picture"),
    "ending": (("in/f_%05d.png", "-o", "out/f_%d"), "unknown kind of picture"),
    "fps, pictures": (("in/f_%05d.png", "-o", "out/f_%d.png", "--fps", "24"), "--fps is of a clip"),
    "fps, no rate": (("in/f_%05d.png", "-o", "o.mov", "--fps", "fast"), "--fps 'fast' should be"),
    "fps, zero": (("in/f_%05d.png", "-o", "o.mov", "--fps", "0"), "--fps 0: a number of frames"),
    "fps, clip": (("clip.mp4", "-o", "o.mov", "--fps", "24"), "--fps is of a sequence"),
    "fps, a picture": (("p.png", "-o", "o.png", "--fps", "24"), "--fps is of a clip or a sequence"),
    "carry, a picture": (("p.png", "-o", "o.png", "--carry"), "--carry is of a clip or a sequence"),
    "numbered": (("p.png", "-o", "o_%d.png"), "-o o_%d.png numbers the frames"),
    "alpha bits": (
        ("in/f_%05d.png", "-o", "o.mov", "--write", "alpha", "--alpha-bits", "16"),
        "--alpha-bits is of single pictures and of sequences",
    ),
    "level": (("in/f_%05d.png", "-o", "o_%d.tif", "--png-level", "3"), "is of PNG files"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_is_refused_in_one_line_before_any_work(
    case: str,
    matte: Run,
    write: Write,
    tmp_path: Path,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    write()
    save(Path("p.png"), frame(0))
    arguments, message = REFUSED[case]
    assert matte(*arguments) == 2
    one_line(capsys, message)
    assert names(Path()) == ["in", "p.png", "tiny.edgematte"]
    assert len(names(Path("in"))) == 4


def test_options_have_the_same_meaning_from_python(
    write: Write, tiny_bundle: Path, tmp_path: Path
) -> None:
    options = ClipOptions(background="white", size=(24, 24), png_level=0)
    out = tmp_path / "out" / "f_%d.png"
    report = matte_clip(edgematte.load(tiny_bundle, threads=1), Path(write()), out, options)
    assert (report.frames, report.note, report.warnings) == (4, "", ())
    assert pixels(tmp_path / "out" / "f_4.png").shape == (24, 24, 3)
