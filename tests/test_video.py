"""Clips from file to file: tiny ones, made and read back with PyAV."""

import contextlib
import json
import sys
from collections.abc import Callable
from fractions import Fraction
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
from edgematte.clips.container import is_clip
from edgematte.clips.frames import Keep
from edgematte.clips.levels import Levels
from edgematte.clips.reading import Clip
from edgematte.errors import EngineError, OptionError, PictureError
from edgematte.pictures import composite
from edgematte.runtime.host.foreground import estimate_foreground
from edgematte.video import ClipOptions, matte_clip

av = pytest.importorskip("av")

Capture = pytest.CaptureFixture[str]
TIMES_MS = [0, 40, 80, 130, 160, 200, 250, 280, 320, 400]  # not of one rate
HZ = 44100
OPEN_FILES = Path("/proc/self/fd")


@pytest.fixture
def make_clip(tmp_path: Path) -> Callable[..., Path]:
    """Writes a clip that pans over the test card, with a tone of 440 Hz."""

    def make(
        name: str = "clip.mp4",
        size: tuple[int, int] = (96, 64),
        sound: bool = True,
        times_ms: list[int] | None = None,
        **options: str,
    ) -> Path:
        times = TIMES_MS if times_ms is None else times_ms
        wide = testcard.testcard(size[0] + len(times), size[1])
        with av.open(str(tmp_path / name), "w", options=options) as file:
            picture = file.add_stream("libx264", rate=25, options={"crf": "10", "g": "5"})
            picture.width, picture.height = size
            picture.pix_fmt = "yuv444p" if size[0] % 2 or size[1] % 2 else "yuv420p"
            picture.codec_context.time_base = Fraction(1, 1000)
            tone = file.add_stream("aac", rate=HZ, layout="mono") if sound else None
            for i, time_ms in enumerate(times):
                pixels = np.ascontiguousarray(wide[:, i : i + size[0]])
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                frame.pts, frame.time_base = time_ms, Fraction(1, 1000)
                file.mux(picture.encode(frame))
            file.mux(picture.encode(None))
            if tone is not None:
                t = np.arange(HZ * (times[-1] + 40) // 1000) / HZ
                wave = (0.3 * np.sin(2 * np.pi * 440 * t)).astype(np.float32)[None]
                heard = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
                heard.sample_rate, heard.pts = HZ, 0
                file.mux(tone.encode(heard))
                file.mux(tone.encode(None))
        return tmp_path / name

    return make


@pytest.fixture
def matter(tiny_bundle: Path) -> edgematte.Matter:
    return edgematte.load(tiny_bundle, threads=1)


def frames(path: Path, pixels: str = "rgb24") -> tuple[list[float], list[Any]]:
    """Times in seconds, and decoded frames as arrays."""
    times, arrays = [], []
    with av.open(str(path)) as file:
        for frame in file.decode(video=0):
            times.append(float(frame.time))
            arrays.append(frame.to_ndarray(format=pixels))
    return times, arrays


def heard(path: Path) -> NDArray[np.float32]:
    with av.open(str(path)) as file:
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=HZ)
        found = [p for f in file.decode(audio=0) for p in resampler.resample(f)]
        return np.concatenate([f.to_ndarray()[0] for f in found])


def source_mattes(path: Path, matter: edgematte.Matter) -> list[tuple[Bytes, edgematte.Matte]]:
    with Clip(path) as clip:
        return [(frame.pixels, matter(frame.pixels)) for frame in clip.frames()]


def loudest_hz(wave: NDArray[np.float32]) -> float:
    return float(np.argmax(np.abs(np.fft.rfft(wave))) * HZ / len(wave))


def assert_times(found: list[float]) -> None:
    np.testing.assert_allclose(found, np.array(TIMES_MS) / 1000, atol=1e-3)  # webm counts ms


# ProRes 4444


def test_a_mov_keeps_frames_times_sound_and_transparency(
    make_clip: Callable[..., Path], matter: edgematte.Matter, tmp_path: Path
) -> None:
    source, output = make_clip(), tmp_path / "new" / "out.mov"
    report = matte_clip(matter, source, output)
    assert (report.frames, report.size, report.note) == (len(TIMES_MS), (96, 64), "")
    with av.open(str(output)) as file:
        assert file.streams.video[0].codec_context.name == "prores"
        assert "yuva444p" in file.streams.video[0].codec_context.pix_fmt
        assert file.streams.audio[0].codec_context.name == "aac"  # copied, not encoded again
    times, found = frames(output, "rgba64le")
    assert_times(times)
    for rgba, (picture, matte) in zip(found, source_mattes(source, matter), strict=True):
        # The codec keeps alpha as it is, in ten bits or more.
        np.testing.assert_allclose(rgba[..., 3] / 65535, matte.alpha, atol=1 / 1000)
        assert rgba.shape[:2] == picture.shape[:2]
    with Clip(source, Keep.LEVELS) as old, Clip(output, Keep.LEVELS) as new:
        for before, after in zip(old.frames(), new.frames(), strict=True):
            assert isinstance(before.kept, Levels) and isinstance(after.kept, Levels)
            assert after.alpha is not None
            seen = after.alpha > 0
            for a, b in zip(before.kept.limited(12), after.kept.limited(12), strict=True):
                # A light compression: less than half a level of the source's 256.
                assert np.abs(a.astype(int) - b)[seen].mean() < 8
    played, copied = heard(source), heard(output)
    assert len(copied) == len(played) and np.abs(copied - played).max() < 1e-4


def test_the_default_bundle_mattes_every_frame(
    make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    output = tmp_path / "out.mov"
    report = matte_clip(edgematte.load(), make_clip(), output)
    assert report.frames == len(TIMES_MS) and len(frames(output)[0]) == len(TIMES_MS)


# VP9


def test_a_webm_holds_transparency_and_its_own_kind_of_sound(
    make_clip: Callable[..., Path], matter: edgematte.Matter, tmp_path: Path
) -> None:
    source, output = make_clip(), tmp_path / "out.webm"
    matte_clip(matter, source, output)
    times, _ = frames(output)
    assert_times(times)
    with av.open(str(output)) as file:
        stream = file.streams.video[0]
        assert stream.codec_context.name == "vp9" and stream.metadata["alpha_mode"] == "1"
        assert file.streams.audio[0].codec_context.name == "opus"
        decoder = av.CodecContext.create("libvpx-vp9", "r")  # FFmpeg's own drops transparency
        found = [f for p in file.demux(stream) for f in decoder.decode(p)]
    assert {f.format.name for f in found} == {"yuva420p"}
    for frame, (_, matte) in zip(found, source_mattes(source, matter), strict=True):
        alpha = frame.reformat(format="rgba").to_ndarray()[..., 3] / 255
        assert np.abs(alpha - matte.alpha).mean() < 0.02  # compressed like a picture
    wave = heard(output)
    assert abs(len(wave) - len(heard(source))) < HZ // 20  # an encoder's frame or two
    assert loudest_hz(wave) == pytest.approx(440, abs=5)


# H.264


@pytest.mark.parametrize("size", [(96, 64), (95, 63)])
def test_an_mp4_shows_the_subject_before_a_colour(
    size: tuple[int, int],
    make_clip: Callable[..., Path],
    matter: edgematte.Matter,
    tmp_path: Path,
) -> None:
    """Odd sides are not possible in H.264: the last row and column are repeated."""
    source, output = make_clip(size=size), tmp_path / "out.mp4"
    matte_clip(matter, source, output, ClipOptions(background="#00ff00"))
    times, found = frames(output)
    assert_times(times)
    for rgb, (picture, matte) in zip(found, source_mattes(source, matter), strict=True):
        assert rgb.shape == (64, 96, 3)
        wanted = composite(picture, matte.alpha, np.array([0, 255, 0], np.uint8), linear=True)
        # Chroma has half the resolution, and the picture is compressed.
        assert np.abs(rgb[: size[1], : size[0]].astype(int) - wanted).mean() < 6
        assert np.abs(picture.astype(int) - wanted).mean() > 20
    assert len(heard(output)) == len(heard(source))


def test_a_picture_as_background(
    make_clip: Callable[..., Path], matter: edgematte.Matter, tmp_path: Path
) -> None:
    Image.new("RGB", (20, 20), (200, 40, 60)).save(tmp_path / "wall.png")
    source, output = make_clip(), tmp_path / "out.mp4"
    wall = ClipOptions(background=str(tmp_path / "wall.png"), foreground=True)
    matte_clip(matter, source, output, wall)
    for rgb, (picture, matte) in zip(frames(output)[1], source_mattes(source, matter), strict=True):
        colour = estimate_foreground(picture, matte.alpha)
        wanted = composite(colour, matte.alpha, np.array([200, 40, 60], np.uint8), linear=True)
        assert np.abs(rgb.astype(int) - wanted).mean() < 6


def test_alpha_as_a_grey_clip(
    make_clip: Callable[..., Path], matter: edgematte.Matter, tmp_path: Path
) -> None:
    source, output = make_clip(), tmp_path / "alpha.mp4"
    matte_clip(matter, source, output, ClipOptions(kind="alpha"))
    for rgb, (_, matte) in zip(frames(output)[1], source_mattes(source, matter), strict=True):
        assert np.abs(rgb.mean(axis=2) / 255 - matte.alpha).mean() < 0.02


# A folder of pictures


def test_a_folder_of_pictures_with_their_times(
    make_clip: Callable[..., Path], matter: edgematte.Matter, tmp_path: Path
) -> None:
    source, output = make_clip(sound=False), tmp_path / "frames"
    matte_clip(matter, source, output)
    names = [f"frame-{i:06d}.png" for i in range(len(TIMES_MS))]
    assert sorted(f.name for f in output.iterdir()) == sorted([*names, "frames.csv"])
    for name, (picture, matte) in zip(names, source_mattes(source, matter), strict=True):
        rgba = np.asarray(Image.open(output / name))
        shown = rgba[..., 3] > 0
        np.testing.assert_array_equal(rgba[shown, :3], picture[shown])
        np.testing.assert_allclose(rgba[..., 3] / 255, matte.alpha, atol=0.51 / 255)
    head, *rows = (output / "frames.csv").read_text().splitlines()
    assert head == "file,seconds" and [row.split(",")[0] for row in rows] == names
    assert_times([float(row.split(",")[1]) for row in rows])


@pytest.mark.parametrize("keep_colour", [False, True])
def test_a_clip_tells_nothing_of_its_background_unless_asked_to(
    keep_colour: bool, make_clip: Callable[..., Path], matter: edgematte.Matter, tmp_path: Path
) -> None:
    source, output = make_clip(sound=False), tmp_path / "frames"
    matte_clip(matter, source, output, ClipOptions(keep_colour=keep_colour))
    hidden = 0
    for name, (picture, _) in zip(
        sorted(output.glob("*.png")), source_mattes(source, matter), strict=True
    ):
        rgba = np.asarray(Image.open(name))
        shown = keep_colour | (rgba[..., 3:] > 0)
        np.testing.assert_array_equal(rgba[..., :3], picture * shown)
        hidden += int((rgba[..., 3] == 0).sum())
    assert hidden


# Clips that break off, and what is none


def cut(path: Path, share: float) -> Path:
    data = path.read_bytes()
    short = path.with_name("short" + path.suffix)
    short.write_bytes(data[: int(len(data) * share)])
    return short


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.ts"])
def test_a_truncated_clip_gives_what_it_had_and_says_so(
    name: str, make_clip: Callable[..., Path], matter: edgematte.Matter, tmp_path: Path
) -> None:
    options = {"movflags": "faststart"} if name.endswith("mp4") else {}
    whole = make_clip(name, times_ms=list(range(0, 1600, 40)), **options)
    short = cut(whole, 0.6)
    report = matte_clip(matter, short, tmp_path / "out.mov")
    assert 5 < report.frames < 40
    assert len(frames(tmp_path / "out.mov")[0]) == report.frames
    assert len(heard(tmp_path / "out.mov")) > HZ / 10  # nor is there a packet cut in two
    if name != "clip.ts":  # a broadcast has no end to be compared with
        assert "short" in report.note and str(report.frames) in report.note


def test_the_command_of_a_truncated_clip_ends_with_1(
    make_clip: Callable[..., Path], tiny_bundle: Path, tmp_path: Path, capsys: Capture
) -> None:
    short = cut(make_clip(times_ms=list(range(0, 1600, 40)), movflags="faststart"), 0.6)
    command = ["matte", str(short), "-o", str(tmp_path / "out.mov"), "--bundle", str(tiny_bundle)]
    assert main([*command, "--threads", "1"]) == 1
    out, err = capsys.readouterr()
    assert out.strip() == str(tmp_path / "out.mov")
    assert err.startswith("edgematte: short.mp4 ") and len(err.splitlines()) == 1


def test_files_that_are_no_clip(matter: edgematte.Matter, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("not a clip")
    (tmp_path / "empty.mov").touch()
    for name in ("text.mp4", "empty.mov", "none.mkv"):
        with pytest.raises(PictureError, match=name):
            matte_clip(matter, tmp_path / name, tmp_path / "out.mov")
    with av.open(str(tmp_path / "tone.mp4"), "w") as file:
        tone = file.add_stream("aac", rate=HZ, layout="mono")
        wave = av.AudioFrame.from_ndarray(np.zeros((1, HZ), np.float32), "fltp", "mono")
        wave.sample_rate = HZ
        file.mux(tone.encode(wave))
        file.mux(tone.encode(None))
    with pytest.raises(PictureError, match="tone.mp4 holds no pictures"):
        matte_clip(matter, tmp_path / "tone.mp4", tmp_path / "out.mov")
    assert not (tmp_path / "out.mov").exists()


def test_an_error_on_the_way_leaves_nothing_half_written(
    make_clip: Callable[..., Path],
    matter: edgematte.Matter,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source, calls = make_clip(), []
    kind = type(matter._sourced)
    inner = kind.__call__

    def fails(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 4:
            raise EngineError("the engine failed")
        return inner(*arguments)

    monkeypatch.setattr(kind, "__call__", fails)
    for name in ("out.mov", "out"):
        calls.clear()
        with pytest.raises(EngineError, match="the engine failed"):
            matte_clip(matter, source, tmp_path / name)
    left = {f.name for f in tmp_path.iterdir()}
    assert left == {"clip.mp4", "tiny.edgematte"}


# What is refused before any work


@pytest.mark.parametrize(
    ("output", "options", "part"),
    [
        ("out.mp4", {}, "holds no transparency; give a background"),
        ("out.gif", {}, "clips are written as .mov"),
        ("clip.mov", {}, "would be replaced"),
        ("full", {}, "would be replaced"),
        ("out.mp4", {"background": "no such colour"}, "neither a colour"),
    ],
)
def test_outputs_that_cannot_be(
    output: str,
    options: dict[str, Any],
    part: str,
    make_clip: Callable[..., Path],
    matter: edgematte.Matter,
    tmp_path: Path,
) -> None:
    source = make_clip("clip.mov")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("keep me")
    with pytest.raises(OptionError, match=part):
        matte_clip(matter, source, tmp_path / output, ClipOptions(**options))
    assert (tmp_path / "full" / "mine.txt").read_text() == "keep me"


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["clip.mp4", "other.jpg", "-o", "out.mov"], "one clip at a time"),
        (["clip.mp4", "-o", "out.mov", "--carry"], "--carry goes on from a trimap or mask"),
        (["clip.mp4", "-o", "out.mov", "--resume"], "--resume is of single pictures"),
        (["clip.mp4", "-o", "out.mov", "--explain", "e.png"], "--explain is of single pictures"),
        (["clip.mp4", "-o", "out.mov", "--explain-at", "1,2"], "--explain-at is of single"),
        (["clip.mp4", "-o", "out.mov", "--alpha-bits", "16"], "--alpha-bits is of single"),
        (["clip.mp4", "-o", "out.mov", "--no-reuse"], "--no-reuse has no meaning for lightweight"),
        (["clip.mp4", "-o", "out.mov", "--write", "alpha", "cutout"], "one kind"),
        (["clip.mp4", "-o", "-"], "not to standard output"),
        (["clip.mp4", "-o", "a.mp4", "--write", "alpha", "--background", "red"], "need a cutout"),
        (["clip.mp4", "-o", "out.mp4"], "holds no transparency"),
    ],
)
def test_arguments_that_do_not_go_together(
    arguments: list[str], part: str, capsys: Capture
) -> None:
    assert main(["matte", *arguments]) == 2
    out, err = capsys.readouterr()
    assert not out and part in err and len(err.splitlines()) == 1


def test_the_command_writes_and_reports(
    make_clip: Callable[..., Path], tiny_bundle: Path, tmp_path: Path, capsys: Capture
) -> None:
    output = tmp_path / "out.webm"
    command = ["matte", str(make_clip()), "-o", str(output), "--bundle", str(tiny_bundle)]
    assert main([*command, "--json"]) == 0
    out, err = capsys.readouterr()
    said = json.loads(out)
    assert said["frames"] == len(TIMES_MS) and said["size"] == [96, 64] and said["note"] == ""
    assert said["warnings"] == []
    assert said["frames_per_second"] > 0 and said["result"] == str(output) and output.is_file()
    assert err == ""  # no bar where nobody looks


def test_a_name_that_ends_in_a_slash_is_a_folder_of_pictures(
    make_clip: Callable[..., Path], tiny_bundle: Path, tmp_path: Path
) -> None:
    command = ["matte", str(make_clip()), "-o", f"{tmp_path}/new.mov/"]
    assert main([*command, "--bundle", str(tiny_bundle)]) == 0
    assert len(list((tmp_path / "new.mov").glob("frame-*.png"))) == len(TIMES_MS)


def test_without_pyav_the_pip_line_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    (tmp_path / "clip.mp4").touch()
    assert main(["matte", str(tmp_path / "clip.mp4"), "-o", str(tmp_path / "out.mov")]) == 2
    assert 'pip install "edgematte[video]"' in capsys.readouterr().err


# Reading


def test_clips_are_known_by_their_endings() -> None:
    assert is_clip("a.MP4") and is_clip(Path("b/c.webm"))
    assert not is_clip("a.png") and not is_clip("-") and not is_clip("mp4")


def test_colours_are_read_by_the_clips_own_matrix(
    make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    """A red wall, written as ITU-R 709: read as 601 its red would be off by 20 levels."""
    red = np.full((64, 64, 3), (200, 30, 30), np.uint8)
    with av.open(str(tmp_path / "red.mov"), "w") as file:
        stream = file.add_stream("prores_ks", rate=25)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv444p10le"
        stream.codec_context.colorspace = 1
        frame = av.VideoFrame.from_ndarray(red, format="rgb24")
        frame = frame.reformat(format="yuv444p10le", dst_colorspace=1)
        frame.colorspace = 1
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    with Clip(tmp_path / "red.mov") as clip:
        (only,) = clip.frames()
    assert np.abs(only.pixels.astype(int) - red).max() <= 3


def test_sound_that_lasts_longer_than_the_pictures_is_no_truncation(
    make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    for name in ("clip.mkv", "clip.mp4"):
        with av.open(str(make_clip(name))) as file, av.open(str(tmp_path / f"x{name}"), "w") as cut:
            kept = {s: cut.add_stream_from_template(s) for s in file.streams}
            for packet in file.demux():
                early = packet.pts is not None and packet.pts * packet.time_base < 0.17
                if early or (packet.pts is not None and packet.stream.type == "audio"):
                    packet.stream = kept[packet.stream]
                    cut.mux(packet)
        with Clip(tmp_path / f"x{name}") as clip:
            assert 0 < len(list(clip.frames())) < len(TIMES_MS) and clip.note == ""


def test_a_clip_may_be_closed_while_it_is_read(make_clip: Callable[..., Path]) -> None:
    with Clip(make_clip()) as clip:
        reader = clip.frames()
        next(reader)
    assert len(list(reader)) < len(TIMES_MS)


def opened(path: Path) -> int:
    """How often this process has a file open."""
    held = 0
    for link in OPEN_FILES.iterdir():
        with contextlib.suppress(OSError):  # one that was closed since
            held += link.samefile(path)
    return held


@pytest.mark.skipif(not OPEN_FILES.is_dir(), reason="the system does not list open files")
def test_a_closed_clip_holds_no_file(make_clip: Callable[..., Path]) -> None:
    path = make_clip()
    with Clip(path) as clip:
        assert opened(path) == 1  # what counts them sees them
        list(clip.frames())
    assert opened(path) == 0


@pytest.mark.skipif(not OPEN_FILES.is_dir(), reason="the system does not list open files")
@pytest.mark.parametrize("fails", [False, True])
def test_nothing_stays_open_after_a_clip(
    fails: bool, make_clip: Callable[..., Path], matter: edgematte.Matter, tmp_path: Path
) -> None:
    """Neither the source, which its sound is read from as well, nor the result."""
    path, kept = make_clip(), []

    def progress(done: int, total: int) -> None:
        scratch = next(f for f in tmp_path.iterdir() if f.name.startswith(".edgematte-"))
        kept.append(opened(path) + opened(scratch))
        if fails and done == 8:
            raise EngineError("the engine failed")

    before = len(list(OPEN_FILES.iterdir()))
    with contextlib.suppress(EngineError):
        matte_clip(matter, path, tmp_path / "out.mov", progress=progress)
    assert max(kept) >= 3  # pictures, sound, result
    assert opened(path) == 0 and len(list(OPEN_FILES.iterdir())) == before
    assert (tmp_path / "out.mov").exists() is not fails
