import argparse
import errno
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

import edgematte
from edgematte.cli import COMMANDS, info, main
from edgematte.errors import EdgematteError, PictureWarning, ToleranceError

Capture = pytest.CaptureFixture[str]


def raising(error: BaseException) -> Callable[..., int]:
    def run(arguments: object) -> int:
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (EdgematteError("what went wrong"), 2, "what went wrong"),
        (EdgematteError("two\n  lines"), 2, "two lines"),
        (ToleranceError("too far"), 1, "too far"),
        (KeyboardInterrupt(), 130, "interrupted; nothing half-written was left"),
        (KeyboardInterrupt("stopped: step 3 is saved"), 130, "stopped: step 3 is saved"),
        (MemoryError(), 2, "not enough memory"),
        (OSError(errno.ENOSPC, "No space left on device"), 2, "No space left on device"),
        (PermissionError(errno.EACCES, "Permission denied", "x"), 2, "Permission denied: x"),
    ],
)
def test_every_error_is_one_line_and_a_code(
    error: BaseException, code: int, line: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr(info, "run", raising(error))
    assert main(["info"]) == code
    assert capsys.readouterr() == ("", f"edgematte: {line}\n")


def test_a_warning_of_a_picture_is_a_line_and_the_work_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def warned(arguments: argparse.Namespace) -> int:
        warnings.warn("a.jpg: its EXIF\ncannot be read", PictureWarning, stacklevel=1)
        return 0

    monkeypatch.setattr(info, "run", warned)
    assert main(["info"]) == 0
    assert capsys.readouterr() == ("", "edgematte: a.jpg: its EXIF cannot be read\n")
    with open("/dev/full" if os.path.exists("/dev/full") else os.devnull, "w") as full:
        monkeypatch.setattr(sys, "stderr", full)
        assert main(["info"]) == 0


def test_a_mistake_of_ours_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(info, "run", raising(ZeroDivisionError("a bug")))
    with pytest.raises(ZeroDivisionError):
        main(["info"])


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ([], "the following arguments are required: command"),
        (["frobnicate"], "invalid choice: 'frobnicate'"),
        (["info", "--frobnicate"], "unrecognized arguments: --frobnicate"),
        (["matte"], "required: -o/--output"),
        (["matte", "a.jpg", "-o", "b.png", "--write", "mask"], "invalid choice: 'mask'"),
        (["matte", "a.jpg", "-o", "b.png", "--alpha-bits", "12"], "invalid choice: 12"),
        (["bench", "--runs", "many"], "invalid int value: 'many'"),
    ],
)
def test_a_wrong_command_line_exits_2_and_says_what_is_wrong(
    arguments: list[str], part: str, capsys: Capture
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    out, err = capsys.readouterr()
    assert not out and part in err.splitlines()[-1]


PRINTING = {"completion", "man", "serve"}
"""Commands whose result is a text of another program's, or that report by other means."""


def test_help_lists_every_command(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    out = capsys.readouterr().out
    assert all(name in out for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_without_an_engine_or_torch(command: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    assert ("--json" in capsys.readouterr().out) == (command not in PRINTING)


def test_the_version(capsys: Capture) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"edgematte {edgematte.__version__}\n"


def test_python_m_edgematte_is_the_command_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edgematte", "info", str(tmp_path / "none")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and not done.stdout
    assert done.stderr.startswith("edgematte: no bundle at") and done.stderr.count("\n") == 1


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    """As in `edgematte info | head -1`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "edgematte", "info"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout and process.stderr
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(60) != 0
