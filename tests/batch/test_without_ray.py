"""The command where the extra is not installed."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edgematte.cli import main

Capture = pytest.CaptureFixture[str]


def test_without_ray_a_sentence_says_what_to_install(
    png: Callable[..., Path], tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["batch", str(png().parent), str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    assert "a batch runs on Ray, which is missing" in told
    assert 'pip install "edgematte[batch]"' in told and len(told.splitlines()) == 1
