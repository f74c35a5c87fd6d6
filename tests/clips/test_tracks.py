"""What clips have beside pictures: several tracks of sound, subtitles, timecode."""

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgematte
from edgematte.cli import main
from edgematte.clips.subtitles import STYLES
from edgematte.clips.timecode import is_timecode
from edgematte.video import ClipOptions, matte_clip

av = pytest.importorskip("av")

LINES = [(40, 120, "Hello there"), (200, 100, "Second line")]  # ms, ms, text
COMMENTARY = 1 << 3  # a role of a track
DROP, NORMAL = "01:00:00;02", "10:11:12:13"


@pytest.fixture
def matter(tiny_bundle: Path) -> edgematte.Matter:
    return edgematte.load(tiny_bundle, threads=1)


@pytest.fixture
def with_tracks(tmp_path: Path) -> Callable[..., Path]:
    """Writes a clip with tracks of sound in languages, and of subtitles as a codec has them."""

    def write(
        name: str,
        languages: tuple[str, ...] = (),
        subtitles: str = "",
        timecode: str = "",
    ) -> Path:
        codec = "libvpx-vp9" if name.endswith("webm") else "mpeg4"
        with av.open(str(tmp_path / name), "w") as file:
            pictures = file.add_stream(codec, rate=25)
            pictures.width, pictures.height, pictures.pix_fmt = 48, 32, "yuv420p"
            if timecode:
                pictures.metadata["timecode"] = timecode
            tones = []
            for language in languages:
                sound = "libopus" if name.endswith("webm") else "aac"
                tone = file.add_stream(sound, rate=48000, layout="mono")
                tone.metadata.update(language=language, title=f"Voice {language}")
                tones.append(tone)
            texts: Any = file.add_stream(subtitles) if subtitles else None
            if texts is not None:
                texts.time_base = Fraction(1, 1000)
                texts.codec_context.time_base = Fraction(1, 1000)
                texts.codec_context.subtitle_header = STYLES
                texts.metadata["language"] = "fra"
            if tones:
                tones[-1].disposition = COMMENTARY
            for i in range(10):
                grey = np.full((32, 48, 3), 20 * i, np.uint8)
                picture = av.VideoFrame.from_ndarray(grey, format="rgb24")
                picture.pts = i
                file.mux(pictures.encode(picture))
            file.mux(pictures.encode(None))
            for i, tone in enumerate(tones):
                wave = np.sin(2 * np.pi * (300 + 200 * i) * np.arange(19200) / 48000)
                frame = av.AudioFrame.from_ndarray(
                    (9000 * wave).astype(np.int16)[None], "s16", "mono"
                )
                frame.sample_rate, frame.pts = 48000, 0
                kind = tone.codec_context.format
                for part in av.AudioResampler(kind, "mono", 48000).resample(frame):
                    file.mux(tone.encode(part))
                file.mux(tone.encode(None))
            for start, lasts, text in LINES if texts is not None else ():
                line = av.subtitles.subtitle.SubtitleSet.create(
                    f"0,0,Default,,0,0,0,,{text}".encode(), 0, lasts, start
                )
                packet = texts.codec_context.encode_subtitle(line)
                packet.time_base = Fraction(1, 1000)
                packet.pts = packet.dts = start
                packet.duration, packet.stream = lasts, texts
                file.mux(packet)
        return tmp_path / name

    return write


def texts_of(path: Path) -> list[tuple[int, int, str]]:
    """The lines of the first track of subtitles: milliseconds, milliseconds, text."""
    found = []
    with av.open(str(path)) as file:
        stream = file.streams.subtitles[0]
        for packet in file.demux(stream):
            if packet.pts is None:
                continue
            text = "".join(s.dialogue.decode() for s in packet.decode())
            if text:
                scale = packet.time_base * 1000
                found.append((round(packet.pts * scale), round(packet.duration * scale), text))
    return found


def fundamental(path: Path, track: int) -> float:
    with av.open(str(path)) as file:
        resampler = av.AudioResampler("flt", "mono", 48000)
        parts = [p for f in file.decode(audio=track) for p in resampler.resample(f)]
        wave = np.concatenate([p.to_ndarray().reshape(-1) for p in parts])
    return float(np.argmax(np.abs(np.fft.rfft(wave))) * 48000 / len(wave))


@pytest.mark.parametrize("ending", [".mov", ".webm", ".mp4"])
@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
def test_every_track_of_sound_arrives_with_its_language_and_role(
    name: str,
    ending: str,
    with_tracks: Callable[..., Path],
    matter: edgematte.Matter,
    tmp_path: Path,
) -> None:
    source, output = with_tracks(name, ("eng", "fra", "deu")), tmp_path / f"out{ending}"
    background = "red" if ending == ".mp4" else None
    report = matte_clip(matter, source, output, ClipOptions(background=background))
    assert report.warnings == ()
    with av.open(str(output)) as file:
        tracks = list(file.streams.audio)
        german = "ger" if ending == ".mov" else "deu"  # the same; QuickTime knows this one
        assert [t.language for t in tracks] == ["eng", "fra", german]
        names = [t.metadata.get("title") or t.metadata.get("name") for t in tracks]
        assert names == ["Voice eng", "Voice fra", "Voice deu"]
        if ending == ".mp4":  # FFmpeg writes roles there alone
            assert [bool(t.disposition & COMMENTARY) for t in tracks] == [False, False, True]
    for i in range(3):
        assert fundamental(output, i) == pytest.approx(300 + 200 * i, abs=6)


KEPT = [  # name, codec of its subtitles, ending of the result, codec there
    ("clip.mp4", "mov_text", ".mov", "mov_text"),
    ("clip.mp4", "mov_text", ".webm", "webvtt"),
    ("clip.mkv", "srt", ".mov", "mov_text"),
    ("clip.mkv", "ass", ".mp4", "mov_text"),
    ("clip.mkv", "ass", ".webm", "webvtt"),
    ("clip.webm", "webvtt", ".webm", "webvtt"),
    ("clip.webm", "webvtt", ".mov", "mov_text"),
]


@pytest.mark.parametrize(("name", "codec", "ending", "found"), KEPT)
def test_subtitles_are_kept_as_the_new_file_holds_them(
    name: str,
    codec: str,
    ending: str,
    found: str,
    with_tracks: Callable[..., Path],
    matter: edgematte.Matter,
    tmp_path: Path,
) -> None:
    source, output = with_tracks(name, subtitles=codec), tmp_path / f"out{ending}"
    assert texts_of(source) == LINES  # the premise
    background = "red" if ending == ".mp4" else None
    report = matte_clip(matter, source, output, ClipOptions(background=background))
    assert report.warnings == () and report.note == ""
    assert texts_of(output) == LINES
    with av.open(str(output)) as file:
        (stream,) = file.streams.subtitles
        assert stream.codec_context.name == found and stream.language == "fra"


def test_subtitles_that_are_pictures_are_said(
    with_tracks: Callable[..., Path],
    tiny_bundle: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Their codec is renamed in the file, to that of DVDs."""
    source = with_tracks("clip.mkv", subtitles="srt")
    data = source.read_bytes()
    assert data.count(b"S_TEXT/UTF8") == 1
    source.write_bytes(data.replace(b"S_TEXT/UTF8", b"S_HDMV/PGS\0"))
    output = tmp_path / "out.mov"
    command = ["matte", str(source), "-o", str(output), "--bundle", str(tiny_bundle)]
    assert main([*command, "--threads", "1"]) == 0
    said = "track 1 of its subtitles (pgssub) does not fit into .mov: left out"
    assert capsys.readouterr().err == f"edgematte: clip.mkv: {said}\n"
    with av.open(str(output)) as file:
        assert not file.streams.subtitles


def test_what_a_folder_leaves_out_is_said(
    with_tracks: Callable[..., Path],
    tiny_bundle: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = with_tracks("clip.mov", ("eng", "fra"), "mov_text", NORMAL)
    command = ["matte", str(source), "-o", str(tmp_path / "out"), "--bundle", str(tiny_bundle)]
    assert main([*command, "--threads", "1", "--json"]) == 0
    out, err = capsys.readouterr()
    said = (
        "clip.mov: pictures alone are written; left out: 2 tracks of sound, 1 track of "
        "subtitles, timecode"
    )
    assert err == f"edgematte: {said}\n" and json.loads(out)["warnings"] == [said]


@pytest.mark.parametrize("ending", [".mov", ".webm", ".mp4"])
def test_timecode_is_kept(
    ending: str, with_tracks: Callable[..., Path], matter: edgematte.Matter, tmp_path: Path
) -> None:
    source, output = with_tracks("clip.mov", timecode=NORMAL), tmp_path / f"out{ending}"
    background = "red" if ending == ".mp4" else None
    report = matte_clip(matter, source, output, ClipOptions(background=background))
    assert report.warnings == () and report.frames == 10
    with av.open(str(output)) as file:
        marks: dict[str, Any] = {k.lower(): v for k, v in file.streams.video[0].metadata.items()}
        assert marks["timecode"] == NORMAL
        if ending != ".webm":  # a track of its own, as editing programs look for
            (track,) = file.streams.data
            assert track.metadata["timecode"] == NORMAL


def test_a_timecode_that_cannot_be_is_said(
    with_tracks: Callable[..., Path], matter: edgematte.Matter, tmp_path: Path
) -> None:
    """Of a clip in 25 frames a second that drops numbers, as only 29.97 does."""
    source = with_tracks("clip.mkv", timecode=DROP)
    report = matte_clip(matter, source, tmp_path / "out.mov")
    assert report.warnings == (f"the timecode {DROP} is none of 25.00 frames a second: left out",)


@pytest.mark.parametrize(
    ("text", "rate", "good"),
    [
        ("00:00:00:00", Fraction(24), True),
        ("23:59:59:23", Fraction(24000, 1001), True),
        ("23:59:59:24", Fraction(24), False),
        ("24:00:00:00", Fraction(24), False),
        (DROP, Fraction(30000, 1001), True),
        (DROP, Fraction(60000, 1001), True),
        (DROP, Fraction(25), False),
        ("1:2:3:4", Fraction(25), False),
        ("", Fraction(25), False),
    ],
)
def test_timecodes_of_a_rate(text: str, rate: Fraction, good: bool) -> None:
    assert is_timecode(text, rate) is good
