"""Tags of a clip's colour, and transparency that it brings along."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import edgematte
from edgematte import testcard
from edgematte.cli import main
from edgematte.clips.colour import Colour
from edgematte.clips.frames import Keep
from edgematte.clips.reading import Clip
from edgematte.pictures import alpha_bytes, read_cutout, read_grey
from edgematte.video import ClipOptions, matte_clip

av = pytest.importorskip("av")

BT2020, PQ, HLG, P3 = 9, 16, 18, 12  # as H.273 counts
HDR = BT2020, BT2020, PQ  # matrix, primaries, transfer


@pytest.fixture
def matter(tiny_bundle: Path) -> edgematte.Matter:
    return edgematte.load(tiny_bundle, threads=1)


def tags(path: Path) -> tuple[int, int, int]:
    """Of the file, which are those of its frames."""
    with av.open(str(path)) as file:
        context = file.streams.video[0].codec_context
        found = int(context.colorspace), int(context.color_primaries), int(context.color_trc)
        frame = next(file.decode(video=0))
        own = int(frame.colorspace), int(frame.color_primaries), int(frame.color_trc)
        assert own == found
        return found


def pixels(path: Path) -> list[NDArray[np.uint8]]:
    with Clip(path) as clip:
        return [frame.pixels for frame in clip.frames()]


@pytest.mark.parametrize("ending", [".mov", ".webm"])
def test_hdr_keeps_its_tags_and_levels(
    ending: str, write_clip: Callable[..., Path], matter: edgematte.Matter, tmp_path: Path
) -> None:
    red = np.full((32, 48, 3), (200, 30, 30), np.uint8)
    source, output = write_clip("hdr.mp4", [red] * 4, tags=HDR), tmp_path / f"out{ending}"
    assert tags(source) == HDR  # the premise
    report = matte_clip(matter, source, output, ClipOptions(keep_colour=True))
    assert tags(output) == HDR
    assert report.note == "" and report.warnings == ()
    # Read with the matrix of its tags: ITU-R 709's would put green off by 9 levels.
    assert np.abs(stored(source) - red).max() <= 3
    assert np.abs(stored(output) - red).max() <= 5


def stored(path: Path) -> NDArray[np.float64]:
    """The RGB that an HDR clip stores in its first frame, 0 to 255."""
    with Clip(path, Keep.RGB) as clip:
        kept = next(clip.frames()).kept
    assert isinstance(kept, np.ndarray)
    return kept / 257


def test_png_files_say_what_they_can(
    write_clip: Callable[..., Path], matter: edgematte.Matter, tmp_path: Path
) -> None:
    assert matte_clip(matter, write_clip("hdr.mp4", tags=HDR), tmp_path / "hdr").warnings == ()
    assert b"cICP\x09\x10\0\1" in (tmp_path / "hdr" / "frame-000000.png").read_bytes()
    source = write_clip("wide.mp4", tags=(BT2020, BT2020, 2))  # whose curve is not known
    assert matte_clip(matter, source, tmp_path / "frames").warnings == (
        "wide.mp4 has BT.2020 colour, which its pictures do not say",
    )
    report = matte_clip(matter, source, tmp_path / "alpha", ClipOptions(kind="alpha"))
    assert report.warnings == ()  # it has no colour


def test_the_command_says_what_is_lost_and_succeeds(
    write_clip: Callable[..., Path],
    tiny_bundle: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = (
        "hdr.mp4 is HDR (PQ, BT.2020): before a background it is shown as on an ordinary screen, "
        "in ITU-R 709"
    )
    source, output = write_clip("hdr.mp4", tags=HDR), tmp_path / "out.mp4"
    command = ["matte", str(source), "-o", str(output), "--bundle", str(tiny_bundle), "--json"]
    assert main([*command, "--background", "red"]) == 0
    out, err = capsys.readouterr()
    assert err == f"edgematte: {said}\n" and json.loads(out)["warnings"] == [said]
    assert tags(output) == (1, 1, 1)


def test_mastering_data_that_is_lost_is_said(
    write_clip: Callable[..., Path], matter: edgematte.Matter, tmp_path: Path
) -> None:
    screen = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)"
    own = {"x264-params": f"mastering-display={screen}:cll=1000,400"}
    source = write_clip("hdr.mp4", tags=HDR, settings=own)
    report = matte_clip(matter, source, tmp_path / "out.mov")
    assert report.warnings == ("hdr.mp4: its data of the mastering screen is not kept",)


def test_alpha_of_hdr_is_not_tagged_as_colour(
    write_clip: Callable[..., Path], matter: edgematte.Matter, tmp_path: Path
) -> None:
    output = tmp_path / "alpha.mp4"
    matte_clip(matter, write_clip("hdr.mp4", tags=HDR), output, ClipOptions(kind="alpha"))
    assert tags(output)[1:] == (2, 2)  # unspecified


def test_an_ordinary_clip_is_not_spoken_of(
    write_clip: Callable[..., Path], matter: edgematte.Matter, tmp_path: Path
) -> None:
    output = tmp_path / "out.mov"
    assert matte_clip(matter, write_clip("clip.mp4"), output).warnings == ()
    assert tags(output) == (6, 2, 2)  # levels stay, and small clips without a tag are ITU-R 601


@pytest.mark.parametrize(
    ("colour", "recorded"),
    [
        (Colour(1, 1), False),
        (Colour(2, 2), False),
        (Colour(P3, 13), True),
        (Colour(P3, 2), False),  # its curve is not known
        (Colour(2, HLG), False),
        (Colour(BT2020, HLG), True),
    ],
)
def test_what_png_files_say(colour: Colour, recorded: bool) -> None:
    assert (colour.recorded is not None) is recorded


# Transparency


def cleared() -> list[NDArray[np.uint8]]:
    """Frames whose left third is transparent and whose middle is half so."""
    rgba = np.dstack([testcard.testcard(48, 32), np.full((32, 48), 255, np.uint8)])
    rgba[:, :16, 3], rgba[:, 16:32, 3] = 0, 128
    return [rgba] * 3


CLEAR = [
    ("clip.webm", "libvpx-vp9", "yuva420p"),
    ("clip.webm", "libvpx", "yuva420p"),
    ("clip.mkv", "libvpx-vp9", "yuva420p"),
    ("clip.mov", "prores_ks", "yuva444p10le"),
    ("clip.mov", "qtrle", "argb"),
]


@pytest.mark.parametrize(("name", "codec", "kind"), CLEAR)
def test_a_clips_own_transparency_multiplies_the_matte(
    name: str,
    codec: str,
    kind: str,
    write_clip: Callable[..., Path],
    matter: edgematte.Matter,
    tmp_path: Path,
) -> None:
    source = write_clip(name, cleared(), codec=codec, pixels=kind)
    if "libvpx" in codec:
        mark_transparent(source)
    wanted = np.repeat([0, 128 / 255, 1], 16)
    with Clip(source) as clip:
        found = list(clip.frames())
    assert len(found) == 3 and clip.note == "" and clip.warnings == []
    for frame in found:
        assert frame.alpha is not None and frame.alpha.shape == (32, 48)
        assert np.abs(frame.alpha - wanted).mean() < 0.02  # compressed like a picture
    mattes = [matter(f.pixels).alpha for f in found]
    assert mattes[0][:, :16].max() > 0.5  # there was something to clear
    for ignore in (False, True):
        output = tmp_path / f"out{ignore}.mov"
        matte_clip(matter, source, output, ClipOptions(ignore_alpha=ignore))
        with Clip(output) as clip:
            for frame, before, matte in zip(clip.frames(), found, mattes, strict=True):
                assert frame.alpha is not None and before.alpha is not None
                product = matte if ignore else matte * before.alpha
                np.testing.assert_allclose(frame.alpha, product, atol=1 / 1000)  # ten bits


def test_the_command_takes_a_clip_as_opaque_where_it_is_told_to(
    write_clip: Callable[..., Path], matter: edgematte.Matter, tiny_bundle: Path, tmp_path: Path
) -> None:
    source = write_clip("clip.mov", cleared(), codec="qtrle", pixels="argb")
    with Clip(source) as clip:
        first = next(iter(clip.frames()))
    assert first.alpha is not None
    alpha = matter(first.pixels).alpha
    command = ["matte", str(source), "--bundle", str(tiny_bundle), "--threads", "1", "-o"]
    for options, shown in (
        ((), alpha * first.alpha),
        (("--ignore-alpha",), alpha),
        (("--keep-colour",), alpha * first.alpha),
    ):
        folder = tmp_path / "-".join(["out", *options])
        assert main([*command, str(folder), *options]) == 0
        found = read_cutout(folder / "frame-000000.png")
        np.testing.assert_array_equal(found[..., 3], alpha_bytes(shown))
        seen = (found[..., 3:] > 0) | ("--keep-colour" in options)
        np.testing.assert_array_equal(found[..., :3], first.pixels * seen)
        assert not seen.all() or options  # there was something to hide


def mark_transparent(path: Path) -> None:
    """A WebM must say that it has a second picture; PyAV copies it to a file that does."""
    old = path.rename(path.with_name(f"unmarked{path.suffix}"))
    with av.open(str(old)) as source, av.open(str(path), "w") as output:
        stream = source.streams.video[0]
        kept = output.add_stream_from_template(stream)
        kept.metadata["alpha_mode"] = "1"
        for packet in source.demux(stream):
            if packet.dts is not None:
                packet.stream = kept
                output.mux(packet)


@pytest.mark.parametrize(("kind", "shown"), [("alpha", [0, 128, 255]), ("trimap", None)])
def test_grey_results_know_the_cleared_pixels(
    kind: str,
    shown: list[int] | None,
    write_clip: Callable[..., Path],
    matter: edgematte.Matter,
    tmp_path: Path,
) -> None:
    source = write_clip("clip.mov", cleared(), codec="qtrle", pixels="argb")
    matte_clip(matter, source, tmp_path / "grey", ClipOptions(kind=kind))
    (frame, *_) = pixels(source)
    matte = matter(frame)
    found = read_grey(tmp_path / "grey" / "frame-000000.png")
    assert (found[:, :16] == 0).all()
    if shown is not None:
        product = np.repeat([0, 128 / 255, 1], 16) * matte.alpha
        np.testing.assert_allclose(found / 255, product, atol=0.51 / 255)
    else:
        np.testing.assert_array_equal(found[:, 16:], matte.trimap[:, 16:])


def test_an_opaque_clip_has_no_alpha(write_clip: Callable[..., Path]) -> None:
    with Clip(write_clip("clip.mp4")) as clip:
        assert all(frame.alpha is None for frame in clip.frames())


def test_transparency_that_cannot_be_decoded_is_said(
    write_clip: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_clip("clip.webm", cleared(), codec="libvpx-vp9", pixels="yuva420p")
    mark_transparent(source)
    monkeypatch.setattr(av, "codecs_available", {"vp9"})
    with Clip(source) as clip:
        assert [frame.alpha for frame in clip.frames()] == [None] * 3
    assert clip.warnings == ["the transparency of clip.webm cannot be decoded here"]
