"""``--trimap`` and ``--mask`` of the frames of clips and sequences."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numbered import SIZE, frame, save, square
from numpy.typing import NDArray
from PIL import Image

import edgematte
from edgematte.arrays import Bytes
from edgematte.errors import FrameError

Capture = pytest.CaptureFixture[str]
Run = Callable[..., int]
Write = Callable[..., str]


def trimap(number: int) -> Bytes:
    """A bar that is unknown and a bar that is foreground, at a place that tells the number."""
    found = np.zeros(SIZE[::-1], np.uint8)
    found[:, number : number + 6], found[:, number + 6 : number + 12] = 128, 255
    return found


def pixels(path: Path) -> NDArray[Any]:
    with Image.open(path) as image:
        return np.asarray(image)


def written(folder: Path) -> dict[str, Bytes]:
    return {file.name: pixels(file) for file in sorted(folder.iterdir())}


def one_line(capture: Capture, *parts: str) -> None:
    out, err = capture.readouterr()
    assert not out and len(err.splitlines()) == 1 and err.startswith("edgematte: ")
    for part in parts:
        assert part in err


def clip_of(path: Path, frames: list[Bytes]) -> Path:
    """A lossless clip of these pixels, (H, W) or (H, W, 3)."""
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1" if path.suffix == ".mkv" else "libx264rgb", rate=25)
        stream.width, stream.height = frames[0].shape[1], frames[0].shape[0]
        stream.pix_fmt = "bgr0" if path.suffix == ".mkv" else "rgb24"
        if path.suffix != ".mkv":
            stream.options = {"qp": "0"}
        for array in frames:
            colours = array if array.ndim == 3 else np.repeat(array[..., None], 3, axis=2)
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(colours), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


# By number, by order, from a clip


@pytest.mark.parametrize("way", ["pattern", "folder"])
def test_of_a_sequence_trimaps_go_by_number(
    way: str, matte_needy: Run, write: Write, tmp_path: Path
) -> None:
    """Others than those of the frames are not used."""
    source = write("in/f_%05d.png", [9, 10, 12])
    given = write("t/trimap-%d.png", range(8, 14), trimap)
    place = given if way == "pattern" else tmp_path / "t"
    out = tmp_path / "out" / "%d.png"
    assert matte_needy(source, "-o", out, "--trimap", place, "--write", "trimap") == 0
    found = written(tmp_path / "out")
    assert list(found) == ["10.png", "12.png", "9.png"]
    for number in (9, 10, 12):
        np.testing.assert_array_equal(found[f"{number}.png"], trimap(number))


@pytest.mark.parametrize("way", ["pattern", "folder", "clip"])
@pytest.mark.parametrize("ending", [".mkv", ".mp4"])
def test_of_a_clip_trimaps_go_by_order(
    way: str, ending: str, matte_needy: Run, write: Write, tmp_path: Path
) -> None:
    """Numbers count from the first; names are ordered by their numbers, not by their letters."""
    clip = clip_of(tmp_path / f"c{ending}", [frame(n) for n in range(3)])
    place: object = write("t/t%d.png", range(9, 12), lambda n: trimap(n - 9))
    if way == "folder":
        place = tmp_path / "t"
    if way == "clip":
        place = clip_of(tmp_path / f"t{ending}", [trimap(n) for n in range(3)])
    out = tmp_path / "out" / "%d.png"
    assert matte_needy(clip, "-o", out, "--trimap", place, "--write", "trimap") == 0
    for number, found in enumerate(written(tmp_path / "out").values()):
        np.testing.assert_array_equal(found, trimap(number))


def test_a_clip_with_transparency_is_a_mask_by_it(
    matte_needy: Run, write: Write, tmp_path: Path
) -> None:
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "m.mov"), "w") as container:
        stream = container.add_stream("qtrle", rate=25)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "argb"
        for number in (1, 2):
            rgba = np.dstack([frame(number), square(10 * number)])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgba, format="rgba")))
        container.mux(stream.encode())
    source, out = write(numbers=[1, 2]), tmp_path / "out" / "%d.png"
    given = ("--mask", tmp_path / "m.mov", "--band", 2)
    assert matte_needy(source, "-o", out, *given, "--write", "trimap") == 0
    for number in (1, 2):
        expected = edgematte.trimap_from_mask(square(10 * number), SIZE, 2)
        np.testing.assert_array_equal(pixels(tmp_path / "out" / f"{number}.png"), expected)


def test_masks_of_a_sequence_take_the_options_of_a_mask(
    matte_needy: Run, write: Write, tmp_path: Path
) -> None:
    def dark(number: int) -> Bytes:
        return 255 - square(2 * number, (32, 32))

    source, masks = write(numbers=[1, 2]), write("m/m_%02d.png", [1, 2], dark)
    out, given = tmp_path / "out" / "%d.png", ("--fit-mask", "--invert-mask", "--band", 3)
    assert matte_needy(source, "-o", out, "--mask", masks, *given, "--write", "trimap") == 0
    for number in (1, 2):
        expected = edgematte.trimap_from_mask(dark(number), SIZE, 3, fit=True, invert=True)
        np.testing.assert_array_equal(pixels(tmp_path / "out" / f"{number}.png"), expected)


def test_a_net_that_finds_its_own_takes_them_too(
    matte: Run, write: Write, tmp_path: Path, tiny_bundle: Path
) -> None:
    source, given = write(), write("t/%d.png", range(1, 5), trimap)
    assert matte(source, "-o", tmp_path / "out" / "%d.png", "--trimap", given) == 0
    expected = edgematte.load(tiny_bundle, threads=1)(frame(3), trimap(3))
    alpha = pixels(tmp_path / "out" / "3.png")[..., 3] / 255
    np.testing.assert_allclose(alpha, expected.alpha, atol=0.51 / 255)


# Carried on


def test_one_mask_of_the_first_frame_is_carried_on(
    matte_needy: Run, tmp_path: Path, capsys: Capture
) -> None:
    clip = clip_of(tmp_path / "c.mkv", [frame(n) for n in range(4)])
    mask = save(tmp_path / "first.png", square(18))
    assert matte_needy(clip, "-o", tmp_path / "out.mov", "--mask", mask, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["frames"], said["trimaps_carried"], said["warnings"]) == (4, 3, [])


def test_a_cut_ends_the_result_and_a_mask_of_the_next_scene_goes_on(
    matte_needy: Run, write: Write, tmp_path: Path, capsys: Capture
) -> None:
    other = np.random.default_rng(0).integers(0, 256, (*SIZE[::-1], 3)).astype(np.uint8)
    clip = clip_of(tmp_path / "c.mkv", [frame(0), frame(1), other, other])
    mask = save(tmp_path / "first.png", square(18))
    out = tmp_path / "out" / "%d.png"
    assert matte_needy(clip, "-o", out, "--mask", mask) == 1
    err = capsys.readouterr().err
    assert "c.mkv ends early, after 2 frames: the next one shows another scene" in err
    assert "give a trimap or mask of it, too" in err and len(err.splitlines()) == 1
    assert len(written(tmp_path / "out")) == 2
    masks = write("m/%d.png", [1, 3], lambda n: square(4 * n))
    given = ("--mask", masks, "--carry", "--band", 2, "--write", "trimap")
    assert matte_needy(clip, "-o", out, *given) == 0
    found = written(tmp_path / "out")
    assert len(found) == 4
    for number in (1, 3):
        expected = edgematte.trimap_from_mask(square(4 * number), SIZE, 2)
        np.testing.assert_array_equal(found[f"{number}.png"], expected)


def test_what_is_left_of_no_subject_is_said(
    matte_needy: Run, write: Write, tmp_path: Path, capsys: Capture
) -> None:
    """The net of the test answers 0 where a trimap says so: there is nothing after the first."""
    given = save(tmp_path / "t.png", np.zeros(SIZE[::-1], np.uint8))
    assert matte_needy(write(), "-o", tmp_path / "out" / "%d.png", "--trimap", given) == 0
    assert "after 1 frames nothing of the subject was left" in capsys.readouterr().err


# Mismatches


def test_a_trimap_that_is_missing_midway_ends_the_result(
    matte_needy: Run, write: Write, tmp_path: Path, capsys: Capture
) -> None:
    """Matroska does not say how many frames there are."""
    clip = clip_of(tmp_path / "c.mkv", [frame(n) for n in range(4)])
    short = clip_of(tmp_path / "t.mkv", [trimap(n) for n in range(2)])
    assert matte_needy(clip, "-o", tmp_path / "out" / "%d.png", "--trimap", short) == 1
    err = capsys.readouterr().err
    assert "after 2 frames: the next one has no trimap (" in err and "t.mkv ends before it" in err
    longer = clip_of(tmp_path / "l.mkv", [trimap(n) for n in range(6)])
    assert matte_needy(clip, "-o", tmp_path / "out" / "%d.png", "--trimap", longer) == 0
    assert "l.mkv goes on after the last frame of c.mkv" in capsys.readouterr().err


def test_odd_pixels_are_told_of_once(
    matte_needy: Run, write: Write, tmp_path: Path, capsys: Capture
) -> None:
    given = write("t/%d.png", range(1, 5), lambda n: np.maximum(trimap(n), 20))
    assert matte_needy(write(), "-o", tmp_path / "out" / "%d.png", "--trimap", given) == 0
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1 and "not 0, 128 or 255" in err and "4 of these files" in err


REFUSED: dict[str, tuple[tuple[str, ...], str]] = {
    "none": (("in/f_%05d.png", "--trimap", "no/%d.png"), "No such file or directory"),
    "empty": (("in/f_%05d.png", "--mask", "empty"), "the folder empty holds no pictures"),
    "missing": (("in/f_%05d.png", "--trimap", "less/%d.png"), "no trimap of 2, 4, frames of in/f_"),
    "by name": (("in/f_%05d.png", "--trimap", "names"), "has no number"),
    "twice": (("in/f_%05d.png", "--trimap", "twice"), "has the number of a_1.png"),
    "size": (("in/f_%05d.png", "--trimap", "sizes"), "sizes/3.png is 20x20, its picture 48x32"),
    "mask": (("in/f_%05d.png", "--mask", "sizes"), "sizes/3.png is 20x20, its picture 48x32"),
    "one, size": (("in/f_%05d.png", "--trimap", "sizes/3.png"), "is 20x20, its picture 48x32"),
    "clip, size": (("c.mp4", "--trimap", "sizes"), "sizes/3.png is 20x20, its picture 48x32"),
    "clip, fewer": (("c.mp4", "--trimap", "less"), "less holds trimaps of 2 frames, and c.mp4 has"),
    "clip, more": (("c.mp4", "--trimap", "more/%d.png"), "holds trimaps of 5 frames, and c.mp4"),
    "clip, gap": (("c.mp4", "--trimap", "less/%d.png"), "no trimap of 2, 4, frames of c.mp4"),
    "clip, clip": (("c.mp4", "--trimap", "t.mp4"), "t.mp4 holds trimaps of 2 frames, and c.mp4"),
    "nothing": (("in/f_%05d.png",), "net needs trimaps: give --trimap or --mask"),
    "carry": (("in/f_%05d.png", "--carry"), "--carry goes on from a trimap or mask"),
    "read": (("in/f_%05d.png", "--trimap", "out/%d.png"), "would replace out/1.png"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_match_is_refused_in_one_line_before_any_work(
    case: str,
    matte_needy: Run,
    write: Write,
    tmp_path: Path,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
    needy: edgematte.Matter,
) -> None:
    pytest.importorskip("av")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(needy, "bundle", _Named(needy.bundle))
    write()
    Path("empty").mkdir()
    write("less/%d.png", [1, 3], trimap)
    write("more/%d.png", range(1, 6), trimap)
    write("twice/a_%d.png", range(1, 5), trimap)
    write("twice/b_%d.png", [1], trimap)
    save(Path("names/one.png"), trimap(1))
    write("sizes/%d.png", range(1, 5), lambda n: trimap(n) if n != 3 else square(4, (20, 20)))
    write("out/%d.png", range(1, 5), trimap)
    clip_of(Path("c.mp4"), [frame(n) for n in range(4)])
    clip_of(Path("t.mp4"), [trimap(n) for n in range(2)])
    (source, *arguments), message = REFUSED[case]
    before = sorted(Path().rglob("*"))
    assert matte_needy(source, "-o", "out/%d.png", *arguments) == 2
    one_line(capsys, message)
    assert sorted(Path().rglob("*")) == before


class _Named:
    """A bundle whose model is called `net`."""

    def __init__(self, bundle: Any) -> None:
        self._bundle = bundle

    def __getattr__(self, name: str) -> Any:
        if name == "manifest":
            return self
        return "net" if name == "model" else getattr(self._bundle.manifest, name)


# From Python


def test_a_stream_takes_a_trimap_for_each_frame(needy: edgematte.Matter) -> None:
    frames = [frame(n) for n in range(3)]
    given = [trimap(n) for n in range(3)]
    for trimaps in (given, iter(given)):
        found = list(needy.stream(frames, trimaps=trimaps))
        for one, expected in zip(found, given, strict=True):
            np.testing.assert_array_equal(one.trimap, expected)
    masks = [square(3 * n) for n in range(3)]
    for one, mask in zip(needy.stream(frames, masks=masks), masks, strict=True):
        np.testing.assert_array_equal(one.trimap, edgematte.trimap_from_mask(mask, SIZE))


def test_a_stream_refuses_what_does_not_match(needy: edgematte.Matter) -> None:
    frames = [frame(n) for n in range(3)]
    with pytest.raises(edgematte.EdgematteError, match="2 trimaps for 3 frames: give one, or None"):
        list(needy.stream(frames, trimaps=[trimap(0)] * 2))
    with pytest.raises(edgematte.EdgematteError, match="beside those of all frames"):
        list(needy.stream(frames, mask=square(3), masks=[square(3)] * 3))
    with pytest.raises(edgematte.EdgematteError, match="carry needs a trimap or mask"):
        list(needy.stream(frames, carry=True))
    mattes = needy.stream(frames, trimaps=[trimap(0), None, trimap(2)])
    next(mattes)
    with pytest.raises(FrameError, match="frame 1 has no trimap, and net needs one") as caught:
        next(mattes)
    assert caught.value.frame == 1
    mattes = needy.stream(frames, trimaps=iter([trimap(0), trimap(1)[:9]]))
    next(mattes)
    with pytest.raises(FrameError, match="frame 1 has no trimap .the trimap is 48x9, its picture"):
        next(mattes)


def test_a_later_mask_is_gone_on_from(needy: edgematte.Matter) -> None:
    """The scene stands still: what is carried is a band around the last mask's edge."""
    found = list(
        needy.stream([frame(0)] * 4, masks=[square(4), None, square(24), None], carry=True)
    )
    assert [m.counts.get("trimaps carried on", 0) for m in found] == [0, 1, 0, 1]
    for one, left in zip(found, (4, 4, 24, 24), strict=True):
        centre = one.trimap[16, left + 6]
        assert centre == 255 and one.trimap[16, (left + 26) % 48] == 0


def test_after_a_cut_a_net_that_finds_its_own_trimap_does(tiny_bundle: Path) -> None:
    matter = edgematte.load(tiny_bundle, threads=1)
    other = np.random.default_rng(0).integers(0, 256, (*SIZE[::-1], 3)).astype(np.uint8)
    found = list(matter.stream([frame(0), frame(0), other], trimap=trimap(9), carry=True))
    np.testing.assert_array_equal(found[2].trimap, matter(other).trimap)
    assert np.abs(found[1].alpha - matter(frame(0)).alpha).max() > 0.1
