import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import edgematte
from edgematte import testcard
from edgematte.cli import main

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def odd(png: Callable[..., Path], tmp_path: Path) -> list[str]:
    """A folder with a file that is no picture by its name, which is a remark."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes(png().read_bytes())
    (folder / "notes.txt").write_text("x")
    return ["matte", str(folder), "-o", str(tmp_path / "out")]


def test_quiet_leaves_remarks_out_and_keeps_failures(
    odd: list[str], tiny_bundle: Path, tmp_path: Path, capsys: Capture
) -> None:
    arguments = [*odd, "--bundle", str(tiny_bundle)]
    assert main(arguments) == 0
    assert "notes.txt" in capsys.readouterr().err
    assert main([*arguments, "--quiet"]) == 0
    out, err = capsys.readouterr()
    assert not err and len(out.splitlines()) == 2
    (tmp_path / "pictures/b.png").write_bytes(b"no picture")
    assert main([*arguments, "-q"]) == 1
    assert "b.png" in capsys.readouterr().err


def test_verbose_says_what_the_library_does(
    odd: list[str], tiny_bundle: Path, capsys: Capture
) -> None:
    assert main([*odd, "--bundle", str(tiny_bundle), "--verbose"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert any(
        line.startswith("edgematte.runtime.load: ") and "onnxruntime" in line for line in lines
    )


def test_both_at_once_are_refused(odd: list[str], capsys: Capture) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*odd, "-q", "-v"])
    assert caught.value.code == 2
    assert "not allowed with" in capsys.readouterr().err


def test_a_command_leaves_logging_as_it_was(
    odd: list[str], tiny_bundle: Path, capsys: Capture
) -> None:
    log = logging.getLogger("edgematte")
    before = (log.level, log.propagate, list(log.handlers))
    main([*odd, "--bundle", str(tiny_bundle), "--verbose"])
    assert (log.level, log.propagate, list(log.handlers)) == before


def test_the_library_logs_by_its_names_and_prints_nothing(
    tiny_bundle: Path, caplog: pytest.LogCaptureFixture, capsys: Capture
) -> None:
    with caplog.at_level(logging.DEBUG, logger="edgematte"):
        edgematte.load(tiny_bundle)(testcard.testcard(64, 48))
    assert "edgematte.runtime.load" in {record.name for record in caplog.records}
    assert capsys.readouterr() == ("", "")


def test_with_no_color_nothing_is_coloured(odd: list[str], tiny_bundle: Path) -> None:
    """As no-color.org asks. From Python 3.14 on help is coloured without it."""
    environment = {k: v for k, v in os.environ.items() if k != "FORCE_COLOR"} | {"NO_COLOR": "1"}
    for arguments in ([*odd, "--bundle", str(tiny_bundle)], ["--help"], ["matte", "--help"]):
        done = subprocess.run(
            [sys.executable, "-m", "edgematte", *arguments],
            capture_output=True,
            env=environment,
            timeout=120,
        )
        assert done.returncode == 0
        assert b"\x1b[" not in done.stdout + done.stderr


@pytest.mark.skipif(os.name != "posix", reason="no SIGPIPE on this system")
def test_a_closed_pipe_is_no_traceback(odd: list[str], tiny_bundle: Path) -> None:
    """As `edgematte ... | head -c 0` does."""
    command = [sys.executable, "-m", "edgematte", *odd, "--bundle", str(tiny_bundle)]
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, timeout=120)
    os.close(writer)
    assert b"Traceback" not in done.stderr and b"BrokenPipe" not in done.stderr
