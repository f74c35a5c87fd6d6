"""What a person sees of long work."""

import argparse
from collections.abc import Iterator

import pytest

from edgematte.cli.progress import Bars
from edgematte.cli.volume import volume

pytest.importorskip("tqdm")


@pytest.fixture(autouse=True)
def as_commands_run() -> Iterator[None]:
    """Neither quiet nor verbose."""
    with volume(argparse.Namespace(quiet=False, verbose=False)):
        yield


def test_quiet_shows_neither(capsys: pytest.CaptureFixture[str]) -> None:
    with volume(argparse.Namespace(quiet=True, verbose=False)):
        show = Bars()
        show("capturing the graphs")
        show("calibration pictures", 1, 1)
    assert capsys.readouterr() == ("", "")


def test_stages_are_lines_and_steps_a_bar(capsys: pytest.CaptureFixture[str]) -> None:
    show = Bars()
    show("capturing the graphs")
    for done in range(1, 4):
        show("calibration pictures", done, 3)
    show("writing onnx int8")
    seen = capsys.readouterr()
    assert seen.out == ""
    lines = seen.err.replace("\r", "\n").splitlines()
    assert lines[0] == "capturing the graphs ..."
    assert lines[-1] == "writing onnx int8 ..."
    bars = [line for line in lines if line.startswith("calibration pictures")]
    assert "3/3" in bars[-1]


def test_another_message_starts_another_bar(capsys: pytest.CaptureFixture[str]) -> None:
    show = Bars()
    show("first", 1, 2)
    show("second", 1, 4)
    show("second", 4, 4)
    text = capsys.readouterr().err
    assert "1/2" in text and "4/4" in text
