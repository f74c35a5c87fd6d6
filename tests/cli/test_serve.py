"""`edgematte serve` refuses what it cannot start with in one sentence, and starts nothing."""

import socket
import sys
from pathlib import Path

import pytest

from edgematte.cli import main, serving


@pytest.fixture(autouse=True)
def this_process_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests of this process start Ray in other ways."""
    monkeypatch.setattr(serving, "stay_on_loopback", lambda: None)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--replicas 0", "--replicas 0: give a number from 1 to 10000, or two as MIN:MAX"),
        ("--replicas 3:2", "--replicas 3:2: MIN is above MAX"),
        ("--upscale-delay 2", "--upscale-delay needs --replicas MIN:MAX"),
        ("--bundle a=x --bundle a=y", "there is a bundle a already"),
        ("--bundle =x", "give NAME=BUNDLE"),
        ("--port 70000", "--port 70000: a whole number from 0 to 65535"),
        ("--max-mb 0", "--max-mb 0: a number of megabytes above 0"),
    ],
)
def test_wrong_arguments(words: str, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", *words.split()]) == 2
    assert sentence in refusal(capsys)


def refusal(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on standard error."""
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("edgematte: ") and err.count("\n") == 1
    return err


def test_a_missing_extra_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "fastapi", None)
    assert main(["serve"]) == 2
    assert 'pip install "edgematte[serve]"' in refusal(capsys)


def test_a_bundle_a_key_file_and_an_address_that_are_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("fastapi", "uvicorn", "prometheus_client", "python_multipart", "ray.serve"):
        pytest.importorskip(name, reason='pip install ".[serve]"')
    assert main(["serve", "--bundle", str(tmp_path / "none")]) == 2
    assert "no bundle at" in refusal(capsys)
    assert main(["serve", "--api-key-file", str(tmp_path / "none")]) == 2
    assert "cannot be read" in refusal(capsys)
    assert main(["serve", "--batch", "4"]) == 2
    assert "no bundle was exported with --dynamic-batch" in refusal(capsys)
    assert main(["serve", "--port", "0", "--ray", "127.0.0.1:1"]) == 2
    assert "no Ray cluster answers at 127.0.0.1:1" in refusal(capsys)
    assert main(["serve", "--port", "0", "--ray", "somewhere"]) == 2
    assert "somewhere is no address of a Ray cluster: give HOST:PORT" in refusal(capsys)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["serve", "--port", str(taken.getsockname()[1])]) == 2
    assert "cannot be listened on" in refusal(capsys)
