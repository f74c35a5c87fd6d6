"""``matte --mask`` and ``mask=``: a mask stands in for a trimap wherever one can be taken."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import edgematte
from edgematte import testcard
from edgematte.arrays import Bytes
from edgematte.cli import main
from edgematte.errors import FrameError, OptionError, PictureError
from edgematte.net import Variant
from edgematte.nets import find
from edgematte.pictures import alpha_bytes, read_picture
from edgematte.runtime.clips.stream import stream
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.host.trimap_source import GivenTrimap, OwnTrimap
from edgematte.runtime.matter import Matter
from edgematte.runtime.nets.lightweight.host import FusedHost
from edgematte.runtime.nets.lightweight.pipeline import Fused
from edgematte.runtime.pipeline import Sourced

Capture = pytest.CaptureFixture[str]
Png = Callable[..., Path]


@pytest.fixture
def matter(tiny_bundle: Path) -> Matter:
    return edgematte.load(tiny_bundle, threads=1)


@pytest.fixture
def matte(tiny_bundle: Path) -> Callable[..., int]:
    return lambda *arguments: main(
        ["matte", *map(str, arguments), "--bundle", str(tiny_bundle), "--threads", "1"]
    )


def disc(width: int = 30, height: int = 24) -> Bytes:
    down, across = np.mgrid[:height, :width]
    inside = np.hypot(down - height / 2, across - width / 2) < height / 3
    mask: NDArray[np.uint8] = inside.astype(np.uint8) * np.uint8(255)
    return mask


def save(path: Path, mask: NDArray[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask).save(path)
    return path


def pixels(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.asarray(image)


def one_line(capture: Capture, *parts: str) -> None:
    out, err = capture.readouterr()
    assert not out and len(err.splitlines()) == 1 and err.startswith("edgematte: ")
    for part in parts:
        assert part in err


PICTURE = testcard.testcard(120, 96)
SIZE = (120, 96)


def wanted(matter: Matter, mask: NDArray[Any]) -> edgematte.Matte:
    return matter(PICTURE, edgematte.trimap_from_mask(mask, SIZE))


# From Python


def test_the_call_takes_a_mask_of_another_size(matter: Matter) -> None:
    found = matter(PICTURE, mask=disc())
    np.testing.assert_array_equal(found.trimap, edgematte.trimap_from_mask(disc(), SIZE))
    np.testing.assert_array_equal(found.alpha, wanted(matter, disc()).alpha)
    assert np.abs(found.alpha - matter(PICTURE).alpha).max() > 0.1  # it is not ignored
    assert found.odd_trimap_pixels == 0


def test_refine_and_many_take_masks(matter: Matter) -> None:
    mask = disc()
    (last,) = matter.refine(PICTURE, mask=mask)
    np.testing.assert_array_equal(last.alpha, wanted(matter, mask).alpha)
    first, second = matter.many([PICTURE, PICTURE], masks=[mask, None])
    np.testing.assert_array_equal(first.alpha, wanted(matter, mask).alpha)
    np.testing.assert_array_equal(second.alpha, matter(PICTURE).alpha)


def test_many_takes_trimaps_beside_masks_and_one_for_each(matter: Matter) -> None:
    trimap = edgematte.trimap_from_mask(disc(), SIZE, 3)
    found = matter.many([PICTURE, PICTURE], [trimap, None], masks=[None, disc()])
    np.testing.assert_array_equal(found[0].trimap, trimap)
    np.testing.assert_array_equal(found[1].alpha, wanted(matter, disc()).alpha)
    with pytest.raises(OptionError, match="1 masks for 2 pictures: give one for each"):
        matter.many([PICTURE, PICTURE], masks=[disc()])
    assert matter.many([], masks=[]) == []


def test_a_stream_takes_one_for_its_first_frame_alone(matter: Matter) -> None:
    other = np.ascontiguousarray(PICTURE[::-1])
    found = list(matter.stream([PICTURE, other, PICTURE], mask=disc()))
    np.testing.assert_array_equal(found[0].alpha, wanted(matter, disc()).alpha)
    for matte, frame in zip(found[1:], (other, PICTURE), strict=True):
        np.testing.assert_array_equal(matte.alpha, matter(frame).alpha)
    assert list(matter.stream([], mask=disc())) == []
    trimap = edgematte.trimap_from_mask(disc(), SIZE, 3)
    (given,) = matter.stream([PICTURE], trimap=trimap)
    np.testing.assert_array_equal(given.alpha, matter(PICTURE, trimap).alpha)


def test_a_stream_with_a_mask_still_counts_frames_from_the_clips_start(matter: Matter) -> None:
    mattes = matter.stream([PICTURE, np.zeros((4, 4), np.uint8)], mask=disc())
    next(mattes)
    with pytest.raises(PictureError, match="frame 1: "):
        next(mattes)


def test_the_first_frames_own_alpha_stays(matter: Matter) -> None:
    own = np.full((96, 120, 1), 255, np.uint8)
    own[:, :50] = 0
    (found,) = matter.stream([np.concatenate([PICTURE, own], 2)], mask=disc())
    np.testing.assert_array_equal(found.alpha[:, 50:], wanted(matter, disc()).alpha[:, 50:])
    assert not found.alpha[:, :50].any()


@pytest.mark.parametrize("way", ["call", "many", "refine", "stream"])
def test_a_trimap_and_a_mask_are_refused_and_so_is_what_is_no_mask(
    way: str, matter: Matter
) -> None:
    def run(mask: Any, trimap: Any = None) -> Iterator[Any]:
        if way == "call":
            yield matter(PICTURE, trimap, mask=mask)
        elif way == "many":
            yield matter.many([PICTURE], [trimap], masks=[mask])
        elif way == "refine":
            yield from matter.refine(PICTURE, trimap, mask=mask)
        else:
            yield from matter.stream([PICTURE], trimap=trimap, mask=mask)

    with pytest.raises(OptionError, match="a trimap and a mask were given"):
        list(run(disc(), np.zeros((96, 120), np.uint8)))
    with pytest.raises(PictureError, match="30x30, its picture 120x96"):
        list(run(disc(30, 30)))
    with pytest.raises(PictureError, match="subject is empty"):
        list(run(np.zeros((24, 30), np.uint8)))


# Nets that take no trimap, and nets that need one


def fused() -> Sourced:
    host = FusedHost(size=(64, 48), unknown_threshold=0.3, band_px=2)
    return Sourced("of the test", Fused(host, {"matte": lambda **_: {}}), OwnTrimap())


def test_a_cut_that_takes_no_trimap_refuses_a_mask_with_the_same_sentence(matter: Matter) -> None:
    variant: Variant = find("lightweight")
    whole = Matter(matter.bundle, variant, fused(), "onnxruntime")
    trimap = edgematte.trimap_from_mask(disc(), SIZE)
    with pytest.raises(OptionError) as for_trimap:
        whole(PICTURE, trimap)
    assert "takes no trimap" in str(for_trimap.value)
    for made in (
        lambda: whole(PICTURE, mask=disc()),
        lambda: whole.many([PICTURE], masks=[disc()]),
        lambda: list(whole.refine(PICTURE, mask=disc())),
        lambda: list(whole.stream([PICTURE], mask=disc())),
    ):
        with pytest.raises(OptionError) as caught:
            made()
        assert str(caught.value) == str(for_trimap.value)


class Echo:
    """A pipeline that needs a trimap and gives it back."""

    def __call__(
        self, picture: Bytes, trimap: Bytes | None, clock: Clock
    ) -> tuple[NDArray[np.float32], Bytes]:
        assert trimap is not None
        return (trimap / 255).astype(np.float32), trimap


def test_a_net_that_needs_a_trimap_takes_a_mask_in_its_place() -> None:
    net = Sourced("net", Echo(), GivenTrimap("net"))
    first, second = stream(net, [PICTURE, PICTURE], mask=disc())
    np.testing.assert_array_equal(first.trimap, edgematte.trimap_from_mask(disc(), SIZE))
    assert (first.trimap != second.trimap).mean() < 0.15  # carried on, with a band of its own
    mattes = stream(net, [PICTURE, PICTURE], mask=disc(), carry=False)
    next(mattes)
    with pytest.raises(FrameError, match="frame 1 has no trimap, and net needs one"):
        next(mattes)


# From the command line


def test_a_mask_in_place_of_a_trimap(
    matte: Callable[..., int], matter: Matter, tmp_path: Path, capsys: Capture
) -> None:
    photo = save(tmp_path / "p.png", PICTURE)
    mask, out = save(tmp_path / "m.png", disc()), tmp_path / "out"
    assert matte(photo, "-o", out, "--mask", mask, "--write", "alpha", "trimap") == 0
    expected = wanted(matter, disc())
    np.testing.assert_array_equal(pixels(out / "p-trimap.png"), expected.trimap)
    np.testing.assert_array_equal(pixels(out / "p-alpha.png"), alpha_bytes(expected.alpha))
    assert capsys.readouterr().err == ""


def test_the_options_of_a_mask(matte: Callable[..., int], matter: Matter, tmp_path: Path) -> None:
    photo, square = save(tmp_path / "p.png", PICTURE), disc(40, 40)
    mask, out = save(tmp_path / "m.png", 255 - square), tmp_path / "t.png"
    given = ("--mask", mask, "--invert-mask", "--fit-mask", "--band", 4)
    assert matte(photo, "-o", out, "--write", "trimap", *given) == 0
    np.testing.assert_array_equal(
        pixels(out), edgematte.trimap_from_mask(square, SIZE, 4, fit=True)
    )


def test_a_folder_of_pictures_with_a_folder_of_masks(
    matte: Callable[..., int], matter: Matter, tmp_path: Path, capsys: Capture
) -> None:
    for name in ("a", "b"):
        save(tmp_path / "in" / f"{name}.png", PICTURE)
    save(tmp_path / "masks" / "a.png", disc())
    save(tmp_path / "masks" / "b.png", disc(60, 48))
    out = tmp_path / "out"
    assert matte(tmp_path / "in", "-o", out, "--mask", tmp_path / "masks", "--write", "trimap") == 0
    for name, mask in (("a", disc()), ("b", disc(60, 48))):
        np.testing.assert_array_equal(
            pixels(out / f"{name}-trimap.png"), edgematte.trimap_from_mask(mask, SIZE)
        )
    capsys.readouterr()
    (tmp_path / "masks" / "b.png").unlink()
    assert matte(tmp_path / "in", "-o", tmp_path / "no", "--mask", tmp_path / "masks") == 2
    one_line(capsys, "masks holds no mask for b.png")
    assert (
        matte(tmp_path / "in", "-o", tmp_path / "no", "--mask", tmp_path / "masks" / "a.png") == 2
    )
    one_line(capsys, "several pictures need --mask FOLDER, with one mask of each one's name")
    assert not (tmp_path / "no").exists()


def test_one_bad_mask_of_several_is_named_and_the_rest_go_on(
    matte: Callable[..., int], tmp_path: Path, capsys: Capture
) -> None:
    for name in ("a", "b"):
        save(tmp_path / "in" / f"{name}.png", PICTURE)
        save(tmp_path / "masks" / f"{name}.png", disc() * np.uint8(name == "a"))
    out = tmp_path / "out"
    assert matte(tmp_path / "in", "-o", out, "--mask", tmp_path / "masks") == 1
    err = capsys.readouterr().err
    assert "b.png: the mask's subject is empty" in err and "1 of 2 pictures failed" in err
    assert [f.name for f in out.iterdir()] == ["a.png"]


REFUSED = {
    "both": (("--mask", "m.png", "--trimap", "m.png"), "--mask and --trimap were given"),
    "no mask, band": (("--band", "3"), "--band is of a mask: give --mask FILE"),
    "no mask, invert": (("--invert-mask",), "--invert-mask is of a mask"),
    "no mask, fit": (("--fit-mask", "--trimap", "m.png"), "--fit-mask is of a mask"),
    "band": (("--mask", "m.png", "--band", "-2"), "band_px -2: at least 0 pixels"),
    "none": (("--mask", "no.png"), "no picture at no.png"),
    "square": (("--mask", "square.png"), "square.png is 30x30, its picture 120x96"),
    "a picture": (("--mask", "p.png"), "p.png: the mask looks like a picture"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_is_refused_in_one_line_and_nothing_is_written(
    case: str,
    matte: Callable[..., int],
    tmp_path: Path,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    grey = np.indices((96, 120)).sum(0).astype(np.uint8)
    save(Path("p.png"), np.dstack([grey, grey, grey]))
    save(Path("m.png"), disc())
    save(Path("square.png"), disc(30, 30))
    arguments, message = REFUSED[case]
    assert matte("p.png", "-o", "out.png", *arguments) == 2
    one_line(capsys, message)
    assert not Path("out.png").exists()


def test_a_mask_is_never_replaced(
    matte: Callable[..., int], tmp_path: Path, capsys: Capture
) -> None:
    photo, mask = save(tmp_path / "p.png", PICTURE), save(tmp_path / "m.png", disc())
    assert matte(photo, "-o", mask, "--mask", mask) == 2
    one_line(capsys, "would replace a picture that is read")
    np.testing.assert_array_equal(pixels(mask), disc())


def clip_of(path: Path, frames: list[Bytes]) -> Path:
    """A clip whose frames are these pixels exactly."""
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "bgr0"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


def test_of_a_clip_a_mask_is_of_its_first_frame(
    matte: Callable[..., int], matter: Matter, tmp_path: Path, capsys: Capture
) -> None:
    other = np.ascontiguousarray(PICTURE[::-1])
    clip = clip_of(tmp_path / "clip.mkv", [PICTURE, other])
    mask, square = save(tmp_path / "m.png", disc()), save(tmp_path / "s.png", 255 - disc(40, 40))
    fitted = edgematte.trimap_from_mask(255 - disc(40, 40), SIZE, 4, fit=True, invert=True)
    for name, given, first in (
        ("plain", ("--mask", mask), edgematte.trimap_from_mask(disc(), SIZE)),
        ("options", ("--mask", square, "--fit-mask", "--invert-mask", "--band", 4), fitted),
    ):
        out = tmp_path / name
        assert matte(clip, "-o", f"{out}/", "--write", "trimap", *given) == 0
        found = [pixels(file) for file in sorted(out.glob("*.png"))]
        assert len(found) == 2
        for seen, expected in zip(found, (first, matter(other).trimap), strict=True):
            np.testing.assert_array_equal(seen[..., 0] if seen.ndim == 3 else seen, expected)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--trimap", "square.png"), "square.png is 30x30, its picture 120x96"),
        (("--band", "3"), "--band is of a mask"),
        (("--mask", "m.png", "--trimap", "m.png"), "--mask and --trimap were given"),
        (("--mask", "masks"), "the folder masks holds no pictures"),
        (("--mask", "none.png"), "no picture at none.png"),
        (("--mask", "square.png"), "square.png is 30x30, its picture 120x96"),
        (("--mask", "nothing.png"), "nothing.png: the mask's subject is empty"),
    ],
)
def test_what_a_clip_refuses(
    arguments: tuple[str, ...],
    message: str,
    matte: Callable[..., int],
    tmp_path: Path,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "masks").mkdir()
    save(Path("m.png"), disc())
    save(Path("square.png"), disc(30, 30))
    save(Path("nothing.png"), disc() * np.uint8(0))
    clip = clip_of(tmp_path / "clip.mkv", [PICTURE])
    assert matte(clip, "-o", tmp_path / "out.mov", *arguments) == 2
    one_line(capsys, message)
    assert not (tmp_path / "out.mov").exists()


def test_by_default_a_trimap_or_mask_goes_to_the_net_for_trimaps(tmp_path: Path) -> None:
    """As if it had been named; the default net can be named, too, and answers otherwise."""
    photo = save(tmp_path / "p.png", PICTURE)
    save(tmp_path / "m.png", disc())
    trimap = np.zeros(PICTURE.shape[:2], np.uint8)
    trimap[:, 20:], trimap[:, 10:20] = 255, 128
    save(tmp_path / "t.png", trimap)
    for flag, file in (("--mask", "m.png"), ("--trimap", "t.png")):
        found = []
        for bundle in ([], ["--bundle", "vitmatte-tiny"], ["--bundle", "lightweight"]):
            out = tmp_path / "out.png"
            arguments = ["matte", str(photo), "-o", str(out), flag, str(tmp_path / file), *bundle]
            assert main(arguments) == 0
            found.append(pixels(out))
        assert np.array_equal(found[0], found[1]) and not np.array_equal(found[0], found[2])


def test_by_default_a_mask_may_have_256_pixels(tmp_path: Path) -> None:
    photo = Path(__file__).parents[2] / "samples" / "astronaut.jpg"
    width, height = read_picture(photo).shape[1::-1]
    across = 256
    mask = save(tmp_path / "m.png", disc(across, round(across * height / width)))
    out = tmp_path / "out.png"
    assert main(["matte", str(photo), "-o", str(out), "--mask", str(mask)]) == 0
    assert pixels(out).shape == (height, width, 4)
