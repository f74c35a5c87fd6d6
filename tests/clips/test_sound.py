"""Every kind of sound in every kind of clip that is written."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgematte.clips import tracks
from edgematte.clips.reading import Clip
from edgematte.clips.writing import FORMATS, VideoWriter
from edgematte.errors import EngineError

av = pytest.importorskip("av")

SOURCES = [  # container, codec, layout, rate
    ("webm", "libopus", "stereo", 48000),
    ("webm", "vorbis", "stereo", 44100),
    ("mkv", "flac", "stereo", 44100),
    ("mkv", "flac", "5.1(side)", 48000),
    ("mkv", "flac", "7.1", 48000),
    ("mkv", "flac", "quad(side)", 44100),
    ("mkv", "flac", "stereo", 192000),
    ("mkv", "ac3", "5.1(side)", 48000),
    ("mkv", "pcm_s24le", "stereo", 48000),
    ("avi", "pcm_u8", "stereo", 44100),
    ("avi", "pcm_s16le", "mono", 8000),
    ("avi", "pcm_s16le", "5.1", 48000),
    ("avi", "adpcm_ima_wav", "stereo", 22050),
    ("avi", "libmp3lame", "stereo", 44100),
    ("mov", "pcm_f32le", "stereo", 48000),
    ("mov", "pcm_mulaw", "mono", 8000),
    ("mov", "alac", "stereo", 44100),
    ("mp4", "aac", "5.1", 48000),
    ("ts", "aac", "stereo", 44100),
    ("ts", "eac3", "stereo", 48000),
    ("mpg", "mp2", "stereo", 48000),
]
COPIED = {  # what FFmpeg's writers take as it is; everything else is encoded anew
    ".mov": {"aac", "ac3", "eac3", "alac", "mp2", "mp3float", "pcm_s16le", "pcm_s24le"}
    | {"pcm_u8", "pcm_f32le", "pcm_mulaw"},
    ".webm": {"opus", "vorbis"},
    ".mp4": {"aac", "ac3", "eac3", "alac", "flac", "opus", "vorbis", "mp2", "mp3float"}
    | {"pcm_s16le", "pcm_f32le"},
}
PICTURES = {"webm": "libvpx-vp9", "mpg": "mpeg2video", "avi": "mpeg4"}


def rewritten(source: Path, ending: str) -> tuple[Path, list[str]]:
    """A clip with the same pictures and the sound of the source, and the warnings."""
    output = source.with_name(f"out{ending}")
    writer: VideoWriter | None = None
    with Clip(source) as clip:
        for frame in clip.frames():
            size = frame.pixels.shape[1], frame.pixels.shape[0]
            sound = source, clip.start_s
            writer = writer or VideoWriter(
                output, FORMATS[ending], size, clip.rate, frame.time_base, sound, clear=False
            )
            writer.write(frame.pixels, None, frame)
    assert writer is not None
    writer.close()
    return output, writer.warnings


def heard(path: Path) -> tuple[Any, Any]:
    """The first track's codec context, and what each channel plays (channels, samples)."""
    with av.open(str(path)) as file:
        context = file.streams.audio[0].codec_context
        count = context.layout.nb_channels
        resampler = av.AudioResampler("flt", context.layout, context.sample_rate)
        parts = [p for f in file.decode(audio=0) for p in resampler.resample(f)]
        waves = np.concatenate([p.to_ndarray().reshape(-1, count) for p in parts])
        return context, waves.T


def loudest_hz(wave: Any, rate: int) -> float:
    return float(np.argmax(np.abs(np.fft.rfft(wave))) * rate / len(wave))


@pytest.mark.parametrize("ending", [".mov", ".webm", ".mp4"])
@pytest.mark.parametrize("source", SOURCES, ids=lambda s: "-".join(map(str, s)))
def test_every_channel_of_every_sound_arrives(
    source: tuple[str, str, str, int], ending: str, write_clip: Callable[..., Path]
) -> None:
    container, codec, layout, rate = source
    path = write_clip(
        f"clip.{container}",
        codec=PICTURES.get(container, "libx264"),
        sound=(codec, layout, rate),
    )
    before, waves = heard(path)
    output, warnings = rewritten(path, ending)
    after, found = heard(output)
    assert warnings == []
    if before.name in COPIED[ending]:
        assert after.name in (before.name, "mp3float")  # FFmpeg takes MP2 in MP4 for MP3
    else:
        assert after.name != before.name
        # A player knows which channel is which; without an order it says "6 channels".
        names = {1: "mono", 2: "stereo", 4: "quad", 6: "5.1", 8: "7.1"}
        assert after.layout.name == names[len(waves)]
    assert len(found) == len(waves)
    # An encoder adds its delay and fills its last frame: two frames of 1024 samples.
    spare = 2 * 1024 / after.sample_rate + 0.01
    assert found.shape[1] / after.sample_rate == pytest.approx(
        waves.shape[1] / before.sample_rate, abs=spare
    )
    for old, new in zip(waves, found, strict=True):  # in their order
        # Of 0.4 s, tones are told to 2.5 Hz; a delay and a fade at the ends spread them.
        wanted = loudest_hz(old, before.sample_rate)
        assert loudest_hz(new, after.sample_rate) == pytest.approx(wanted, abs=6)
    with Clip(output) as clip:
        assert len(list(clip.frames())) == 10 and clip.note == ""


def test_more_channels_than_an_encoder_takes_are_mixed_and_said(
    write_clip: Callable[..., Path],
) -> None:
    path = write_clip("clip.mkv", sound=("pcm_s16le", "hexadecagonal", 48000))
    output, warnings = rewritten(path, ".webm")
    after, waves = heard(output)
    assert (after.layout.name, len(waves)) == ("stereo", 2) and np.abs(waves).max() > 0.01
    (said,) = warnings
    assert "clip.mkv" in said and "16 channels" in said and "mixed to stereo" in said


def unknown_codec(path: Path) -> None:
    """Gives the sound of a QuickTime clip a name that no decoder has."""
    data = path.read_bytes()
    assert data.count(b"sowt") == 1
    path.write_bytes(data.replace(b"sowt", b"zzzz"))


def test_a_track_of_an_unknown_codec_is_left_out_and_said(
    write_clip: Callable[..., Path],
) -> None:
    path = write_clip("clip.mov", sound=("pcm_s16le", "stereo", 44100))
    unknown_codec(path)
    output, (said,) = rewritten(path, ".mp4")
    assert "track 1" in said and "left out" in said
    with av.open(str(output)) as file:
        assert not file.streams.audio and len(list(file.decode(video=0))) == 10


def test_a_track_that_fits_nowhere_is_left_out_and_said(
    write_clip: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracks, "ENCODERS", ())
    path = write_clip("clip.mkv", sound=("flac", "stereo", 44100))
    output, (said,) = rewritten(path, ".webm")
    assert "(flac, stereo)" in said and ".webm" in said and "left out" in said
    with av.open(str(output)) as file:
        assert not file.streams.audio and len(list(file.decode(video=0))) == 10


@pytest.mark.parametrize(
    ("name", "codec", "ending", "sync"),
    [
        ("clip.mkv", "flac", ".webm", b"\xff\xf8"),  # decoded and encoded
        ("clip.ts", "aac", ".mp4", b"\xff\xf1"),  # copied, which reads its headers
    ],
)
def test_damaged_sound_costs_a_moment_of_it(
    name: str, codec: str, ending: str, sync: bytes, write_clip: Callable[..., Path]
) -> None:
    """The last two frames of sound lose their headers."""
    path = write_clip(name, sound=(codec, "mono", 48000))
    data = bytearray(path.read_bytes())
    places = [i for i in range(len(data)) if data[i : i + 2] == sync]
    assert len(places) >= 5  # the sound of 0.4 s, in blocks of 4608 samples or fewer
    for place in places[-2:]:
        data[place : place + 40] = bytes(40)
    path.write_bytes(bytes(data))
    output, warnings = rewritten(path, ending)
    after, waves = heard(output)
    assert len(waves) == 1 and 0.15 < waves.shape[1] / after.sample_rate < 0.5
    assert loudest_hz(waves[0], after.sample_rate) == pytest.approx(300, abs=6)
    for said in warnings:
        assert said.startswith(name) and "damaged pieces of its sound" in said
    assert warnings or name == "clip.ts"  # whose reader skips what it does not know
    with av.open(str(output)) as file:
        assert len(list(file.decode(video=0))) == 10


@pytest.mark.parametrize(("rate", "wanted"), [(44100, 48000), (8000, 8000), (96000, 48000)])
def test_a_rate_that_an_encoder_lacks_becomes_the_next_one(rate: int, wanted: int) -> None:
    assert tracks._nearest(rate, [48000, 24000, 16000, 8000]) == wanted
    assert tracks._nearest(rate, None) == rate


def test_what_ffmpeg_cannot_write_is_one_error_of_the_project(
    write_clip: Callable[..., Path], tmp_path: Path
) -> None:
    with Clip(write_clip("clip.mp4")) as clip:
        frame = next(clip.frames())
        writer = VideoWriter(
            tmp_path / "none" / "out.mov",
            FORMATS[".mov"],
            (48, 32),
            clip.rate,
            frame.time_base,
            None,
            clear=False,
        )
        with pytest.raises(EngineError, match=r"out.mov could not be written \(No such file"):
            for _ in range(3):
                writer.write(frame.pixels, None, frame)
            writer.close()


@pytest.mark.parametrize("same_first", [True, False])
def test_sound_may_change_its_kind_on_the_way(same_first: bool, tmp_path: Path) -> None:
    """As in recordings of broadcasts; first of the encoder's own kind, or later."""
    own, other = ("fltp", "stereo", 44100), ("s16", "mono", 22050)
    with av.open(str(tmp_path / "out.mp4"), "w") as output:
        track = tracks.Track(tracks.Way("aac", "stereo", 44100), None, output)
        start = 0.0
        for kind, layout, rate in (own, other, own) if same_first else (other, own, other):
            channels = 2 if layout == "stereo" else 1
            wave = np.sin(2 * np.pi * 300 * (start + np.arange(rate // 5) / rate))
            flat = (9000 * wave).astype(np.int16) if kind == "s16" else 0.27 * wave
            array = np.repeat(flat[None], channels, axis=0)
            array = array if kind == "s16" else array.astype(np.float32)
            frame = av.AudioFrame.from_ndarray(array, kind, layout)
            frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
            frame.pts = round(start * rate)
            for part in track._resampled(frame):
                track._encode(part)
            start += 0.2
        track.flush()
    assert track.refused == 0
    after, waves = heard(tmp_path / "out.mp4")
    assert waves.shape[1] / after.sample_rate == pytest.approx(0.6, abs=0.06)  # encoder's frames
    assert loudest_hz(waves[0], after.sample_rate) == pytest.approx(300, abs=6)
