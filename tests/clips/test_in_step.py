"""Sound and pictures stay in step, also after an hour, and tracks that disagree are said."""

import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgematte
from edgematte.cli import main
from edgematte.clips.reading import Clip
from edgematte.clips.whole import is_whole
from edgematte.video import ClipOptions, matte_clip

av = pytest.importorskip("av")

NTSC = Fraction(30000, 1001)
HOUR_S = 3600
FRAMES = 90  # of the long clip, one each 40 s


@pytest.fixture
def matter(tiny_bundle: Path) -> edgematte.Matter:
    return edgematte.load(tiny_bundle, threads=1)


def long_clip(path: Path, codec: str, rate: int, start_s: Fraction) -> Path:
    """An hour: a frame each 1200 of 29.97 a second, and with every tenth or so a click.

    Sound is silent between the clicks. It begins ``start_s`` after the pictures.
    """
    frames = FRAMES
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=NTSC, options={"g": "1", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 16, 16, "yuv420p"
        stream.codec_context.time_base = 1 / NTSC
        tone = file.add_stream(codec, rate=rate, layout="mono")
        for i in range(frames):
            grey = np.full((16, 16, 3), i * 2 % 256, np.uint8)
            frame = av.VideoFrame.from_ndarray(grey, format="rgb24")
            frame.pts, frame.time_base = i * 1200, 1 / NTSC
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
        kind, clicks = tone.codec_context.format, clicks_s()
        for second in range(0, HOUR_S, 10):
            wave = np.zeros((1, 10 * rate), np.int16)
            for click in clicks:
                if second <= click - start_s < second + 10:
                    wave[0, round((click - start_s - second) * rate)] = 30000
            part = av.AudioFrame.from_ndarray(wave, "s16", "mono")
            part.sample_rate, part.time_base = rate, Fraction(1, rate)
            part.pts = second * rate + round(start_s * rate)
            for piece in av.AudioResampler(kind, "mono", rate).resample(part):
                file.mux(tone.encode(piece))
        file.mux(tone.encode(None))
    return path


def clicks_s() -> list[Fraction]:
    """Times of the frames that come with a click."""
    return [i * 1200 / NTSC for i in range(10, FRAMES, 13)]


def heard_s(path: Path) -> list[float]:
    """When clicks are heard, by the times of the frames of sound."""
    found: list[float] = []
    with av.open(str(path)) as file:
        for frame in file.decode(audio=0):
            samples = np.abs(frame.to_ndarray().astype(np.float32)).reshape(-1)
            if frame.format.name.startswith("s16"):
                samples /= 32768
            loud = np.flatnonzero(samples > 0.1)
            if len(loud):
                at = float(frame.pts * frame.time_base + loud[0] / frame.sample_rate)
                if not found or at - found[-1] > 1:
                    found.append(at)
    return found


LONG = [  # codec and rate of the sound, ending and codec of the result
    ("flac", 44100, ".mp4", "flac"),  # copied
    ("flac", 11025, ".webm", "opus"),  # encoded anew, in another rate
]


@pytest.mark.parametrize(("codec", "rate", "ending", "written"), LONG)
def test_sound_is_in_step_after_an_hour(
    codec: str, rate: int, ending: str, written: str, matter: edgematte.Matter, tmp_path: Path
) -> None:
    start_s = Fraction(7, 10)
    source = long_clip(tmp_path / "long.mkv", codec, rate, start_s)
    output = tmp_path / f"out{ending}"
    background = "red" if ending == ".mp4" else None
    matte_clip(matter, source, output, ClipOptions(background=background))
    with av.open(str(output)) as file:
        assert file.streams.audio[0].codec_context.name == written
        shown = [float(frame.time) for frame in file.decode(video=0)]
    wanted = [float(i * 1200 / NTSC) for i in range(len(shown))]
    assert len(shown) == FRAMES and wanted[-1] > 3560
    np.testing.assert_allclose(shown, wanted, atol=0.0011)  # Matroska counts milliseconds
    heard = heard_s(output)
    clicks = [float(s) for s in clicks_s()]
    assert len(heard) == len(clicks)
    # One frame of 29.97 a second is 33 ms; Opus rings before its clicks.
    np.testing.assert_allclose(heard, clicks, atol=float(1 / NTSC))


# Tracks that disagree


def edited(path: Path, change: Callable[[Any], Fraction | None]) -> Path:
    """A copy whose packets are moved by seconds, or left out (None)."""
    copy = path.with_name(f"edited{path.suffix}")
    with av.open(str(path)) as source, av.open(str(copy), "w") as file:
        kept = {s: file.add_stream_from_template(s, opaque=True) for s in source.streams}
        for packet in source.demux():
            by = None if packet.dts is None else change(packet)
            if by is None:
                continue
            shift = round(by / packet.time_base)
            packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
            packet.stream = kept[packet.stream]
            file.mux(packet)
    return copy


def times(path: Path, kind: str) -> tuple[float, float]:
    """The first moment and the last of a track."""
    with av.open(str(path)) as file:
        found = [
            (float(p.pts * p.time_base), float((p.pts + (p.duration or 0)) * p.time_base))
            for p in file.demux(**{kind: 0})
            if p.pts is not None
        ]
    return min(f for f, _ in found), max(e for _, e in found)


HEARD = ("aac", "mono", 48000)
APART = [  # what happens to each packet, and what is said
    (
        lambda p: Fraction(p.stream.type == "audio"),
        r"track 1 of its sound begins 0\.9\d s after and ends 1\.0\d s after its pictures",
    ),
    (
        lambda p: Fraction(p.stream.type == "video"),
        r"track 1 of its sound begins 1\.0\d s before and ends 0\.9\d s before its pictures",
    ),
    (
        lambda p: None if p.stream.type == "video" and p.pts * p.time_base > 0.1 else Fraction(0),
        r"track 1 of its sound ends 0\.2\d s after its pictures",
    ),
    (
        lambda p: None if p.stream.type == "audio" and p.pts * p.time_base > 0.1 else Fraction(0),
        r"track 1 of its sound ends 0\.2\d s before its pictures",
    ),
]


@pytest.mark.parametrize("ending", [".mov", ".webm"])
@pytest.mark.parametrize(("change", "said"), APART)
def test_tracks_that_disagree_keep_their_times_and_are_said(
    change: Callable[[Any], Fraction | None],
    said: str,
    ending: str,
    write_clip: Callable[..., Path],
    matter: edgematte.Matter,
    tmp_path: Path,
) -> None:
    source = edited(write_clip("clip.mkv", codec="mpeg4", sound=HEARD), change)
    output = tmp_path / f"out{ending}"
    report = matte_clip(matter, source, output)
    (line,) = report.warnings
    assert report.note == "" and line.startswith("edited.mkv: ")
    assert pytest.importorskip("re").search(said, line), line
    assert line.endswith("; both keep their times")
    for place in (0, 1):
        old = times(source, "audio")[place] - times(source, "video")[place]
        new = times(output, "audio")[place] - times(output, "video")[place]
        assert new == pytest.approx(old, abs=0.041)  # a frame


@pytest.mark.parametrize("ending", [".mov", ".webm"])
def test_what_an_edit_list_hides_does_not_silence_the_rest(
    ending: str, write_clip: Callable[..., Path], matter: edgematte.Matter, tmp_path: Path
) -> None:
    """A clip that was trimmed as phones do it: its first packets are there, and not shown."""
    clip = write_clip("clip.mp4", sound=("aac", "mono", 44100))
    source = edited(clip, lambda packet: Fraction(-1, 5))
    output = tmp_path / f"out{ending}"
    report = matte_clip(matter, source, output)
    assert (report.frames, report.warnings) == (5, ())
    lasting = []
    for path in (source, output):
        with av.open(str(path)) as file:
            frames = list(file.decode(audio=0))
            lasting.append(sum(f.samples for f in frames) / frames[0].sample_rate)
            loud = np.abs(frames[1].to_ndarray().astype(np.float32)).max()
            assert loud > 0.1  # a tone of a third of full scale
    assert lasting[1] == pytest.approx(lasting[0], abs=0.05)  # an encoder's frame or two


def test_tracks_in_step_are_not_spoken_of(
    write_clip: Callable[..., Path], matter: edgematte.Matter, tmp_path: Path
) -> None:
    """AAC begins a frame of 21 ms early, and ends in whole ones."""
    report = matte_clip(matter, write_clip("clip.mp4", sound=HEARD), tmp_path / "out.mov")
    assert report.warnings == ()


# Headers that lie


def lying(path: Path) -> Path:
    """Makes the header promise a hundred seconds."""
    data = bytearray(path.read_bytes())
    at = data.index(b"\x44\x89\x88") + 3  # Duration, a double, in milliseconds
    struct.pack_into(">d", data, at, 100_000.0)
    path.write_bytes(bytes(data))
    return path


def test_a_whole_clip_whose_header_promises_more_is_no_broken_one(
    write_clip: Callable[..., Path],
    tiny_bundle: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source, output = lying(write_clip("clip.mkv")), tmp_path / "out.mov"
    with av.open(str(source)) as file:
        assert file.duration > 90_000_000  # the premise
    command = ["matte", str(source), "-o", str(output), "--bundle", str(tiny_bundle)]
    assert main([*command, "--threads", "1"]) == 0
    assert capsys.readouterr().err == (
        "edgematte: clip.mkv is whole, but lasts 0.40 of 100.00 s that its header says\n"
    )
    with av.open(str(output)) as file:
        assert len(list(file.decode(video=0))) == 10


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.avi"])
def test_files_know_their_end(name: str, write_clip: Callable[..., Path]) -> None:
    path = write_clip(name)
    assert is_whole(path)
    data = path.read_bytes()
    for size in (len(data) - 1, len(data) // 2, 40, 3, 0):
        path.write_bytes(data[:size])
        assert not is_whole(path)


def test_a_fragment_may_be_followed_by_more(write_clip: Callable[..., Path]) -> None:
    path = write_clip("clip.mp4", options={"movflags": "frag_keyframe+empty_moov"})
    assert not is_whole(path)
    with Clip(path) as clip:
        assert len(list(clip.frames())) == 10 and clip.note == ""
