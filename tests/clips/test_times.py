"""Frames that share a time, complete clips that look broken, and covers that are no clip."""

import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import edgematte
from edgematte.clips.reading import Clip
from edgematte.clips.times import Rising, Shown, short_of
from edgematte.errors import PictureError
from edgematte.video import ClipOptions, matte_clip

av = pytest.importorskip("av")


def read(path: Path) -> tuple[list[float], str, list[NDArray[np.uint8]]]:
    """Seconds, note and pixels of a clip's frames."""
    with Clip(path) as clip:
        found = list(clip.frames())
        times = [float(f.pts * f.time_base) for f in found]
        return times, clip.note, [f.pixels for f in found]


# Times


def test_times_rise_by_the_smallest_step() -> None:
    rising = Rising()
    assert [rising.after(t) for t in (5, 5, 5, 6, 40, 39, 80)] == [5, 6, 7, 8, 40, 41, 80]


def test_a_frame_without_a_time_follows_the_one_before() -> None:
    shown = Shown(100, 40, numbered=False)
    frames = [SimpleNamespace(pts=t) for t in (None, None, 200, None)]
    assert [shown.frame(f) for f in frames] == [0, 40, 100, 140]


@pytest.mark.parametrize("ending", [".mov", ".webm", ".mp4"])
def test_frames_of_one_time_all_arrive(
    ending: str, write_clip: Callable[..., Path], tiny_bundle: Path, tmp_path: Path
) -> None:
    """Matroska counts milliseconds, so that frames 0.1 ms apart share a time."""
    units = [0, 400, 401, 402, 800, 1200, 1201, 1600, 2000, 2400]
    source = write_clip("clip.mkv", times=units, base=Fraction(1, 10_000))
    before, _, _ = read(source)
    assert len(set(before)) == 7  # the premise
    output = tmp_path / f"out{ending}"
    matter = edgematte.load(tiny_bundle, threads=1)
    report = matte_clip(matter, source, output, ClipOptions(background="red"))
    assert report.frames == 10 and report.note == ""
    with av.open(str(output)) as file:
        times = [float(f.time) for f in file.decode(video=0)]
    np.testing.assert_allclose(times, before, atol=0.0021)  # two steps of a millisecond
    if ending != ".webm":  # Matroska allows equal times
        assert (np.diff(times) > 0).all()


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_an_avi_with_mp3_is_whole_and_its_frames_in_order(
    codec: str, write_clip: Callable[..., Path]
) -> None:
    path = write_clip("clip.avi", codec=codec, sound=("libmp3lame", "stereo", 44100))
    times, note, _ = read(path)
    assert note == "" and len(times) == 10
    # AVI has whole frames of 40 ms; its writer may leave one out.
    steps = np.diff(times) / 0.04
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-6)
    assert set(np.rint(steps)) <= {1, 2} and np.rint(steps).sum() <= 10
    if codec == "libx264":  # the premise: FFmpeg's times are out of order
        with av.open(str(path)) as file:
            found = [f.pts for f in file.decode(video=0)]
        assert found != sorted(found)


def test_headers_may_be_off_by_two_frames() -> None:
    rate = Fraction(5)
    assert not short_of(Fraction(10), Fraction(96, 10), rate)
    assert short_of(Fraction(10), Fraction(95, 10), rate)


# MP4: edit lists


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def trimmed(path: Path, first: int) -> Path:
    """A copy that begins at a frame, as players trim: packets stay, an edit list hides them."""
    short = path.with_name(f"trimmed{path.suffix}")
    with av.open(str(path)) as source, av.open(str(short), "w", options=FASTSTART) as cut:
        kept = {s: cut.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            if packet.dts is None:
                continue
            shift = round(Fraction(first, 25) / packet.time_base)
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            if packet.stream.type == "audio" and packet.pts < 0:
                continue
            packet.stream = kept[packet.stream]
            cut.mux(packet)
    return short


FASTSTART = {"movflags": "faststart"}  # tables before pictures: a copy cut short can be opened
HEARD = ("aac", "stereo", 44100)


def test_a_clip_trimmed_by_its_edit_list_is_whole(write_clip: Callable[..., Path]) -> None:
    path = write_clip("clip.mp4", sound=HEARD)
    _, _, whole = read(path)
    times, note, pixels = read(trimmed(path, 3))
    assert note == ""
    np.testing.assert_allclose(times, np.arange(7) / 25, atol=1e-6)
    for found, wanted in zip(pixels, whole[3:], strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_an_edit_list_may_hide_the_end(write_clip: Callable[..., Path]) -> None:
    path = write_clip("clip.mp4")
    data = bytearray(path.read_bytes())
    assert data.count(b"elst") == 1
    at = data.index(b"elst") + 12  # version and flags, the number of entries
    assert struct.unpack_from(">I", data, at)[0] == 400  # milliseconds
    struct.pack_into(">I", data, at, 200)
    for kind, ahead in ((b"mvhd", 20), (b"tkhd", 24)):  # their durations
        struct.pack_into(">I", data, data.index(kind) + ahead, 200)
    path.write_bytes(bytes(data))
    times, note, _ = read(path)
    assert len(times) == 5 and note == ""


def test_a_trimmed_clip_that_breaks_off_is_still_told(write_clip: Callable[..., Path]) -> None:
    short = trimmed(write_clip("clip.mp4", sound=HEARD), 3)
    data = short.read_bytes()
    short.write_bytes(data[: int(len(data) * 0.7)])
    times, note, _ = read(short)
    assert 0 < len(times) < 7 and note.startswith("trimmed.mp4 breaks off after")


# Covers


def with_cover(path: Path, *, pictures: bool = True) -> None:
    """Puts a red cover before all tracks, as music shops and recorders do; or leaves it alone."""
    png = path.with_name("cover.png")
    Image.new("RGB", (20, 20), (255, 0, 0)).save(png)
    cover = box(b"covr", box(b"data", struct.pack(">II", 14, 0), png.read_bytes()))
    png.unlink()
    handler = box(b"hdlr", bytes(8), b"mdirappl", bytes(9))
    user = box(b"udta", box(b"meta", bytes(4), handler, box(b"ilst", cover)))
    data = path.read_bytes()
    at = data.index(b"moov") - 4
    assert at + struct.unpack_from(">I", data, at)[0] == len(data)  # so that no offset moves
    header = struct.unpack_from(">I", data, at + 8)[0]  # mvhd
    inside = data[at + 8 : at + 8 + header], user, data[at + 8 + header :] if pictures else b""
    path.write_bytes(data[:at] + box(b"moov", *inside))


def test_a_cover_before_the_pictures_is_not_the_clip(write_clip: Callable[..., Path]) -> None:
    path = write_clip("clip.mp4")
    _, _, wanted = read(path)
    with_cover(path)
    with av.open(str(path)) as file:  # the premise
        assert [s.codec_context.name for s in file.streams.video] == ["png", "h264"]
    _, note, found = read(path)
    assert note == "" and len(found) == len(wanted)
    np.testing.assert_array_equal(found[0], wanted[0])


def test_a_cover_alone_is_no_clip(write_clip: Callable[..., Path]) -> None:
    path = write_clip("clip.mp4")
    with_cover(path, pictures=False)
    with pytest.raises(PictureError, match=r"clip.mp4 holds no pictures that move"):
        Clip(path)


def test_a_title_of_another_encoding_does_no_harm(write_clip: Callable[..., Path]) -> None:
    path = write_clip("clip.mp4")
    data = path.read_bytes()
    assert data.count(b"VideoHandler") == 1
    path.write_bytes(data.replace(b"VideoHandler", "Vidéo caméra".encode("latin-1")))
    times, note, _ = read(path)
    assert len(times) == 10 and note == ""


def test_a_clip_of_an_unknown_codec_is_refused(write_clip: Callable[..., Path]) -> None:
    path = write_clip("clip.mp4")
    data: Any = path.read_bytes()
    path.write_bytes(data.replace(b"avc1", b"zzzz"))
    with pytest.raises(PictureError, match=r"clip.mp4 is in a codec"):
        Clip(path)
