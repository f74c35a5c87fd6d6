import errno
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import edgematte
from edgematte import testcard
from edgematte.cli import main
from edgematte.cli.outputs import Job
from edgematte.pictures import alpha_bytes, composite, cutout, open_picture, read_grey, read_picture

Run = Callable[..., int]
Png = Callable[..., Path]
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def matte(tiny_bundle: Path) -> Run:
    """``edgematte matte`` with the tiny bundle."""
    return lambda *arguments: main(
        ["matte", *map(str, arguments), "--bundle", str(tiny_bundle), "--threads", "1"]
    )


@pytest.fixture
def found(tiny_bundle: Path) -> Callable[..., edgematte.Matte]:
    """What the Python API gives for the same pictures."""
    return lambda *arrays: edgematte.load(tiny_bundle, threads=1)(*arrays)


def pixels(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.asarray(image)


def one_line(capture: Capture, *parts: str) -> str:
    out, err = capture.readouterr()
    assert not out and len(err.splitlines()) == 1 and err.startswith("edgematte: ")
    for part in parts:
        assert part in err
    return err


def files(folder: Path) -> list[str]:
    return sorted(f.name for f in folder.iterdir())


# One picture


def test_a_cutout_by_default(
    matte: Run, png: Png, found: Callable[..., edgematte.Matte], tmp_path: Path, capsys: Capture
) -> None:
    out = tmp_path / "new" / "cut.png"
    picture = read_picture(png())
    assert matte(png(), "-o", out) == 0
    np.testing.assert_array_equal(pixels(out), cutout(picture, found(picture).alpha))
    assert capsys.readouterr() == (f"{out}\n", "")
    assert files(out.parent) == ["cut.png"]


def test_the_default_bundle_cuts_out_too(png: Png, tmp_path: Path, capsys: Capture) -> None:
    assert main(["matte", str(png()), "-o", str(tmp_path / "cut.png")]) == 0
    assert pixels(tmp_path / "cut.png").shape == (45, 60, 4)
    assert capsys.readouterr().err == ""


def test_every_kind_at_once(
    matte: Run, png: Png, found: Callable[..., edgematte.Matte], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    picture = read_picture(png())
    wanted = found(picture)
    assert matte(png(), "-o", out, "--write", "cutout", "alpha", "trimap") == 0
    assert files(out) == ["picture-alpha.png", "picture-trimap.png", "picture.png"]
    np.testing.assert_array_equal(pixels(out / "picture-alpha.png"), alpha_bytes(wanted.alpha))
    np.testing.assert_array_equal(pixels(out / "picture-trimap.png"), wanted.trimap)


def test_alpha_of_16_bits(
    matte: Run, png: Png, found: Callable[..., edgematte.Matte], tmp_path: Path
) -> None:
    out = tmp_path / "alpha.png"
    assert matte(png(), "-o", out, "--write", "alpha", "--alpha-bits", 16) == 0
    wanted = alpha_bytes(found(read_picture(png())).alpha, 16)
    np.testing.assert_array_equal(pixels(out), wanted)
    assert (wanted % 257).any()  # not 8 bits stretched to 16


def test_a_colour_behind_it(
    matte: Run, png: Png, found: Callable[..., edgematte.Matte], tmp_path: Path
) -> None:
    out = tmp_path / "out.png"
    picture = read_picture(png())
    green = np.array([0, 255, 0], np.uint8)
    for options, linear in (((), True), (("--gamma-composite",), False)):
        assert matte(png(), "-o", out, "--background", "#00ff00", *options) == 0
        wanted = composite(picture, found(picture).alpha, green, linear=linear)
        np.testing.assert_array_equal(pixels(out), wanted)
    assert matte(png(), "-o", out, "--gamma-composite") == 2


def test_a_picture_behind_it_as_a_jpeg(matte: Run, png: Png, tmp_path: Path) -> None:
    behind = png("behind.png", 200, 20)
    assert matte(png(), "-o", tmp_path / "out.jpg", "--background", behind) == 0
    assert pixels(tmp_path / "out.jpg").shape == (45, 60, 3)


def test_a_background_that_is_none_is_refused_before_any_work(
    matte: Run, png: Png, tmp_path: Path, capsys: Capture
) -> None:
    for name in ("in/a.png", "in/b.png"):
        png(name)
    assert matte(tmp_path / "in", "-o", tmp_path / "out", "--background", "grenn") == 2
    one_line(capsys, "background 'grenn' is neither a colour")
    assert not (tmp_path / "out").exists()


def test_an_upright_matte_of_a_turned_photo(matte: Run, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(testcard.testcard(60, 40)).save(tmp_path / "a.jpg", exif=exif)
    assert matte(tmp_path / "a.jpg", "-o", tmp_path / "out.png") == 0
    assert pixels(tmp_path / "out.png").shape == (60, 40, 4)


def test_a_jpeg_holds_no_cutout(matte: Run, png: Png, tmp_path: Path, capsys: Capture) -> None:
    assert matte(png(), "-o", tmp_path / "out.jpg") == 2
    one_line(capsys, "JPEG cannot hold this picture", "write .png")
    assert files(tmp_path) == ["picture.png", "tiny.edgematte"]


def test_an_unknown_ending_is_refused_before_any_work(
    matte: Run, png: Png, tmp_path: Path, capsys: Capture
) -> None:
    assert matte(tmp_path / "none.png", "-o", tmp_path / "out.xyz") == 2
    one_line(capsys, "out.xyz: unknown kind of picture '.xyz'; use .png")


def test_a_result_that_would_replace_its_input(matte: Run, png: Png, capsys: Capture) -> None:
    path = png()
    before = path.read_bytes()
    assert matte(path, "-o", path) == 2
    one_line(capsys, "would replace a picture that is read; choose another -o")
    assert path.read_bytes() == before


BAD: dict[str, tuple[bytes, str]] = {
    "empty.jpg": (b"", "is empty"),
    "text.png": (b"hello", "is not a picture"),
    "cut.jpg": (b"", "damaged or truncated"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_picture_is_one_line_and_exit_2(
    name: str, matte: Run, tmp_path: Path, capsys: Capture
) -> None:
    content, part = BAD[name]
    path = tmp_path / name
    path.write_bytes(content)
    if name == "cut.jpg":
        Image.fromarray(testcard.testcard(90, 70)).save(path)
        path.write_bytes(path.read_bytes()[:900])
    assert matte(path, "-o", tmp_path / "out.png") == 2
    one_line(capsys, name, part)
    assert not (tmp_path / "out.png").exists()


def test_a_missing_picture(matte: Run, tmp_path: Path, capsys: Capture) -> None:
    assert matte(tmp_path / "none.jpg", "-o", tmp_path / "out.png") == 2
    one_line(capsys, "no picture at", "none.jpg")


def test_a_full_disk_leaves_nothing_half_written(
    matte: Run, png: Png, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, real = png(), Path.write_bytes

    def full(self: Path, data: bytes) -> int:
        real(self, data[:10])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    assert matte(source, "-o", tmp_path / "out" / "a.png") == 2
    one_line(capsys, "No space left on device")
    assert files(tmp_path / "out") == []


def test_an_output_below_a_file(matte: Run, png: Png, tmp_path: Path, capsys: Capture) -> None:
    source = png()
    assert matte(source, "-o", source / "out.png") == 2
    one_line(capsys, "picture.png")


# Trimaps


def save_trimap(path: Path, width: int = 60, height: int = 45) -> NDArray[np.uint8]:
    trimap = np.zeros((height, width), np.uint8)
    trimap[:, width // 2 :] = 255
    trimap[:, width // 2 - 3 : width // 2 + 3] = 128
    Image.fromarray(trimap).save(path)
    return trimap


def test_a_given_trimap_decides(
    matte: Run, png: Png, found: Callable[..., edgematte.Matte], tmp_path: Path, capsys: Capture
) -> None:
    trimap = save_trimap(tmp_path / "t.png")
    out = tmp_path / "alpha.png"
    assert matte(png(), "-o", out, "--write", "alpha", "--trimap", tmp_path / "t.png") == 0
    wanted = found(read_picture(png()), trimap).alpha
    np.testing.assert_array_equal(pixels(out), alpha_bytes(wanted))
    assert (wanted != found(read_picture(png())).alpha).any() and capsys.readouterr().err == ""


def test_a_trimap_of_another_size_is_one_sentence(
    matte: Run, png: Png, tmp_path: Path, capsys: Capture
) -> None:
    save_trimap(tmp_path / "t.png", 45, 60)
    assert matte(png(), "-o", tmp_path / "o.png", "--trimap", tmp_path / "t.png") == 2
    one_line(capsys, "the trimap is 45x60, its picture 60x45")


def test_a_trimap_that_went_through_jpeg_is_read_with_a_warning(
    matte: Run, png: Png, tmp_path: Path, capsys: Capture
) -> None:
    save_trimap(tmp_path / "t.jpg")
    odd = read_grey(tmp_path / "t.jpg")
    count = int((~np.isin(odd, [0, 127, 128, 129, 255])).sum())
    assert count > 0
    out = tmp_path / "trimap.png"
    assert matte(png(), "-o", out, "--write", "trimap", "--trimap", tmp_path / "t.jpg") == 0
    written, err = capsys.readouterr()
    assert written == f"{out}\n" and len(err.splitlines()) == 1
    assert f"t.jpg: {count} pixels" in err and "below 85 was read as background" in err
    read = np.where(odd < 85, 0, np.where(odd < 170, 128, 255))
    np.testing.assert_array_equal(pixels(out), read)


# Folders


def test_a_folder(matte: Run, png: Png, tmp_path: Path, capsys: Capture) -> None:
    for name in ("in/a.png", "in/b.bmp", "in/a.webp"):
        png(name)
    assert matte(tmp_path / "in", "-o", tmp_path / "out") == 0
    assert files(tmp_path / "out") == ["a-png.png", "a-webp.png", "b.png"]
    out, err = capsys.readouterr()
    assert sorted(Path(line).name for line in out.splitlines()) == files(tmp_path / "out")
    assert err == ""


def test_a_bad_picture_in_a_folder_is_listed_and_the_rest_done(
    matte: Run, png: Png, tmp_path: Path, capsys: Capture
) -> None:
    for name in ("in/a.png", "in/c.png"):
        png(name)
    (tmp_path / "in" / "b.png").write_bytes(b"not a picture")
    assert matte(tmp_path / "in", "-o", tmp_path / "out") == 1
    assert files(tmp_path / "out") == ["a.png", "c.png"]
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 2
    first, last = err.splitlines()
    assert "b.png is not a picture" in first
    assert "1 of 3 pictures failed" in last and "b.png" in last


def test_json_of_a_folder(matte: Run, png: Png, tmp_path: Path, capsys: Capture) -> None:
    png("in/a.png", 50, 40)
    (tmp_path / "in" / "b.png").touch()
    assert matte(tmp_path / "in", "-o", tmp_path / "out", "--json") == 1
    value = json.loads(capsys.readouterr().out)
    assert set(value) == {"done", "failed"}
    (done,), (failed,) = value["done"], value["failed"]
    assert done["picture"] == str(tmp_path / "in" / "a.png") and done["size"] == [50, 40]
    assert done["results"] == {"cutout": str(tmp_path / "out" / "a.png")}
    assert done["seconds"] and all(s >= 0 for s in done["seconds"].values())
    assert failed["picture"] == str(tmp_path / "in" / "b.png") and "is empty" in failed["error"]


@pytest.mark.parametrize("in_flight", [1, 3])
def test_pictures_in_flight_are_written_and_told_of_in_order(
    in_flight: int, tiny_bundle: Path, png: Png, tmp_path: Path, capsys: Capture
) -> None:
    """The first pictures are the largest, so that those behind them are done sooner."""
    sizes = [(1200, 900), (900, 700), (300, 200), (40, 30), (30, 20), (20, 20)]
    for number, size in enumerate(sizes):
        png(f"in/{number}.png", *size)
    (tmp_path / "in" / "2.png").write_bytes(b"not a picture")
    for number in (1, 4):  # a note of each
        path = tmp_path / "in" / f"{number}.png"
        image = Image.open(path)
        exif = image.getexif()
        exif[0x0112] = 77  # no orientation
        image.save(path, exif=exif)
    arguments = ["matte", tmp_path / "in", "-o", tmp_path / "out", "--bundle", tiny_bundle]
    arguments += ["--in-flight", in_flight, "--threads", 3]
    assert main([*map(str, arguments), "--json"]) == 1
    out, err = capsys.readouterr()
    value = json.loads(out)
    assert [Path(done["picture"]).stem for done in value["done"]] == ["0", "1", "3", "4", "5"]
    assert [done["size"] for done in value["done"]] == [[*sizes[n]] for n in (0, 1, 3, 4, 5)]
    assert [line.split(": ")[1] for line in err.splitlines()] == [
        "1.png",
        str(tmp_path / "in" / "2.png"),
        "4.png",
        "1 of 6 pictures failed",
    ]
    matter = edgematte.load(tiny_bundle, threads=1)
    for number in (0, 1, 3, 4, 5):
        picture = open_picture(tmp_path / "in" / f"{number}.png").pixels
        wanted = cutout(picture, matter(picture).alpha)
        np.testing.assert_array_equal(pixels(tmp_path / "out" / f"{number}.png"), wanted)


def test_levels_of_png(matte: Run, png: Png, tmp_path: Path) -> None:
    picture, sizes = png(width=200, height=150), []
    for level in (0, 1, 9):
        path = tmp_path / f"{level}.png"
        assert matte(picture, "-o", path, "--png-level", level) == 0
        sizes.append(path.stat().st_size)
        np.testing.assert_array_equal(pixels(path), pixels(tmp_path / "0.png"))
    assert sizes[0] > sizes[1] > sizes[2]
    assert matte(picture, "-o", tmp_path / "default.png") == 0
    assert (tmp_path / "default.png").stat().st_size == sizes[1]
    # of what is written as PNG, beside a result that is not
    both = ["--write", "cutout", "alpha", "--png-level", 0]
    assert matte(picture, "-o", tmp_path / "f", *both) == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["-o", "x.webp", "--png-level", "3"], "--png-level is of PNG files, and none is written"),
        (["-o", "x.png", "--png-level", "10"], "--png-level 10: a whole number from 0 to 9"),
        (["-o", "x.png", "--in-flight", "2"], "--in-flight is of several pictures"),
        (["-o", "x.png", "--in-flight", "0"], "--in-flight 0: "),
    ],
)
def test_levels_and_pictures_in_flight_without_a_meaning_are_refused(
    options: list[str], said: str, png: Png, matte: Run, tmp_path: Path, capsys: Capture
) -> None:
    _, name, *rest = options
    assert matte(png(), "-o", tmp_path / "out" / name, *rest) == 2
    one_line(capsys, said)
    assert not (tmp_path / "out").exists()


def test_more_pictures_in_flight_than_threads_are_refused(
    png: Png, matte: Run, tmp_path: Path, capsys: Capture
) -> None:
    png("in/a.png"), png("in/b.png")
    assert matte(tmp_path / "in", "-o", tmp_path / "out", "--in-flight", 2) == 2
    one_line(capsys, "--in-flight 2 with threads 1: each picture takes a thread")


def test_a_full_disk_in_a_folder_run_is_listed(
    matte: Run, png: Png, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("in/a.png", "in/b.png"):
        png(name)
    real, written = Path.write_bytes, []

    def full(self: Path, data: bytes) -> int:
        written.append(self)
        if len(written) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(self, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    assert matte(tmp_path / "in", "-o", tmp_path / "out") == 1
    assert files(tmp_path / "out") == ["a.png"]
    assert "b.png: No space left on device" in capsys.readouterr().err


def test_a_folder_without_pictures(matte: Run, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "in").mkdir()
    assert matte(tmp_path / "in", "-o", tmp_path / "out") == 2
    one_line(capsys, "holds no pictures", ".jpg")


def test_a_folder_that_may_not_be_read(
    matte: Run, png: Png, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    png("in/a.png")

    def denied(self: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "iterdir", denied)  # root, as in a container, may read everything
    assert matte(tmp_path / "in", "-o", tmp_path / "out") == 2
    one_line(capsys, "Permission denied", str(tmp_path / "in"))


def test_trimaps_of_a_folder(matte: Run, png: Png, tmp_path: Path) -> None:
    png("in/a.png")
    png("in/b.png")
    (tmp_path / "t").mkdir()
    for name in ("a.png", "b.png"):
        save_trimap(tmp_path / "t" / name)
    out = tmp_path / "out"
    assert matte(tmp_path / "in", "-o", out, "--trimap", tmp_path / "t", "--write", "trimap") == 0
    np.testing.assert_array_equal(pixels(out / "b-trimap.png"), pixels(tmp_path / "t" / "b.png"))


# Standard input and output


def test_from_standard_input_to_standard_output(
    matte: Run,
    png: Png,
    tmp_path: Path,
    capfdbinary: pytest.CaptureFixture[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(png().read_bytes())))
    assert matte("-", "-o", "-") == 0
    out, err = capfdbinary.readouterr()
    assert err == b""
    assert matte(png(), "-o", tmp_path / "out.png") == 0
    with Image.open(io.BytesIO(out)) as image:  # the picture, and not a byte of anything else
        np.testing.assert_array_equal(np.asarray(image), pixels(tmp_path / "out.png"))


def test_standard_input_that_is_no_picture(
    matte: Run, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"text")))
    assert matte("-", "-o", tmp_path / "o.png") == 2
    one_line(capsys, "the picture on standard input is not a picture")


# Options


@pytest.mark.parametrize(
    ("option", "value", "part"),
    [
        ("--engine", "tflite", "unknown engine 'tflite'"),
        ("--engine", "coreml", "cannot run onnx graphs"),
        ("--device", "tpu", "unknown device 'tpu'"),
        ("--threads", "0", "threads 0: a whole number from 1 to 256"),
        ("--bundle", "none.edgematte", "no bundle at none.edgematte"),
    ],
)
def test_an_option_that_does_not_work_is_one_line_and_exit_2(
    option: str,
    value: str,
    part: str,
    tiny_bundle: Path,
    png: Png,
    tmp_path: Path,
    capsys: Capture,
) -> None:
    arguments = ["--bundle", str(tiny_bundle), option, value]
    assert main(["matte", str(png()), "-o", str(tmp_path / "o.png"), *arguments]) == 2
    one_line(capsys, part)
    assert not (tmp_path / "o.png").exists()


@pytest.mark.parametrize(
    ("extra", "part"),
    [
        (["--explain-at", "3,4"], "give --explain FILE with it"),
        (["--explain-at", "x", "--explain", "e.png"], "should be X,Y"),
        (["--no-reuse"], "--no-reuse is of clips"),
        (["--alpha-bits", "16"], "--alpha-bits needs an alpha"),
        (["--alpha-bits", "8", "--write", "cutout", "trimap"], "--alpha-bits needs an alpha"),
        (["--resume"], "--resume has no meaning for lightweight"),
        (["--explain", "e.png"], "--explain has no meaning for lightweight"),
        (["--device", "cpu:1"], "only GPUs are counted"),
        (["--background", "rgb(300,0,0)"], "channel 300: a whole number from 0 to 255"),
    ],
)
def test_an_option_without_a_meaning_is_refused_before_any_work(
    extra: list[str], part: str, matte: Run, png: Png, tmp_path: Path, capsys: Capture
) -> None:
    before = files(png().parent)
    assert matte(png(), "-o", tmp_path / "o.png", *extra) == 2
    one_line(capsys, part)
    assert files(tmp_path) == before


def test_json_and_a_picture_cannot_share_standard_output(
    matte: Run, png: Png, capsys: Capture
) -> None:
    assert matte(png(), "-o", "-", "--json") == 2
    one_line(capsys, "both want standard output")


def test_a_name_that_ends_in_a_slash_is_a_folder(matte: Run, png: Png, tmp_path: Path) -> None:
    assert matte(png(), "-o", f"{tmp_path}/new.d/") == 0
    assert files(tmp_path / "new.d") == ["picture.png"]
    assert matte(png("other.png"), "-o", tmp_path / "new.d") == 0  # a folder that is there
    assert files(tmp_path / "new.d") == ["other.png", "picture.png"]


@pytest.mark.parametrize("threads", [1, 2])
def test_an_interrupt_leaves_whole_files_only(
    tiny_bundle: Path, png: Png, tmp_path: Path, heeding: str, threads: int
) -> None:
    first, out = png("in/0000.png", 400, 300), tmp_path / "out"
    for number in range(1, 500):
        shutil.copy(first, first.with_name(f"{number:04}.png"))
    arguments = ["matte", first.parent, "-o", out, "--bundle", tiny_bundle, "--threads", threads]
    process = subprocess.Popen(
        [sys.executable, "-c", heeding, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not (out.is_dir() and any(out.glob("[0-9]*.png"))) and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.02)
    time.sleep(0.1)  # somewhere in the middle of a picture
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == "edgematte: interrupted; nothing half-written was left\n"
    assert 0 < len(files(out)) < 500
    for name in files(out):
        assert not name.startswith(".")
        assert pixels(out / name).shape == (300, 400, 4)  # decoded to its last row


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_signal_at_any_moment_leaves_whole_files_and_the_same_command_completes(
    number: signal.Signals, tiny_bundle: Path, png: Png, tmp_path: Path
) -> None:
    first, out = png("in/00.png", 400, 300), tmp_path / "out"
    for at in range(1, 40):
        shutil.copy(first, first.with_name(f"{at:02}.png"))
    arguments = ["matte", first.parent, "-o", out, "--bundle", tiny_bundle, "--threads", "2"]
    command = [sys.executable, "-m", "edgematte", *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not (out.is_dir() and any(out.glob("[0-9]*.png"))):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    done = [name for name in files(out) if not name.startswith(".")]
    assert 0 < len(done) < 40
    for name in done:
        assert pixels(out / name).shape == (300, 400, 4)  # decoded to its last row
    if number == signal.SIGKILL:
        assert process.returncode == -number
    else:
        assert process.returncode == 128 + number
        said = f"edgematte: stopped by {number.name}; nothing half-written was left\n"
        assert err == said and files(out) == done
    assert main([*map(str, arguments)]) == 0
    assert files(out) == [f"{at:02}.png" for at in range(40)]


def test_a_journal_s_name_is_one_that_file_systems_take() -> None:
    from edgematte.cli.matting import journal_of

    def beside(name: str) -> str:
        return journal_of(Job(None, None, {"alpha": Path("out") / name})).name

    longest = "ä" * 125 + "x.png"
    assert len(longest.encode()) == 255
    assert beside("a.png") == "a.png.patches"
    assert len(beside(longest).encode()) <= 255 and beside(longest).endswith(".patches")
    assert beside(longest) == beside(longest) != beside("ä" * 125 + "y.png")


def test_foreground_changes_soft_colours_only(tiny_bundle: Path, tmp_path: Path) -> None:
    source = tmp_path / "photo.png"
    Image.fromarray(testcard.testcard(90, 70)).save(source)
    cutouts = []
    for extra in ([], ["--foreground"]):
        out = tmp_path / f"cutout{len(extra)}.png"
        command = ["matte", str(source), "-o", str(out), "--bundle", str(tiny_bundle), *extra]
        assert main(command) == 0
        cutouts.append(np.asarray(Image.open(out)).astype(int))
    plain, clean = cutouts
    np.testing.assert_array_equal(plain[..., 3], clean[..., 3])
    solid = plain[..., 3] == 255
    assert np.abs(plain - clean)[solid].max(initial=0) <= 2
    assert np.abs(plain - clean)[~solid].max() > 2


def test_a_background_without_a_cutout_is_refused(tiny_bundle: Path, tmp_path: Path) -> None:
    for extra in (["--background", "white"], ["--foreground"]):
        command = ["matte", str(tmp_path / "x.png"), "-o", str(tmp_path / "y"), "--write", "alpha"]
        assert main([*command, *extra]) == 2
