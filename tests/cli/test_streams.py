"""Standard streams that are closed, full, or of a narrow encoding."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgematte.testcard import testcard as card

pytestmark = pytest.mark.skipif(os.name == "nt", reason="a shell of Unix closes the streams")


def shell(command: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run ``command`` by sh, where ``$E`` is edgematte."""
    tool = f'"{sys.executable}" -m edgematte'
    return subprocess.run(
        ["sh", "-c", command.replace("$E", tool)],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        timeout=120,
    )


@pytest.fixture
def folder(tmp_path: Path, tiny_bundle: Path) -> Path:
    """Holds ``p.png`` and a trimap without an unknown pixel, which is warned of."""
    Image.fromarray(card(40, 30)).save(tmp_path / "p.png")
    Image.fromarray(np.full((30, 40), 255, np.uint8)).save(tmp_path / "t.png")
    return tmp_path


MATTE = "$E matte p.png --bundle tiny.edgematte --threads 1"


def test_a_warning_never_goes_into_the_picture(folder: Path) -> None:
    said = shell(f"{MATTE} --trimap t.png -o - > open.png", folder)
    assert said.returncode == 0 and b"no pixel is unknown" in said.stderr
    assert shell(f"{MATTE} --trimap t.png -o - > closed.png 2>&-", folder).returncode == 0
    assert (folder / "closed.png").read_bytes() == (folder / "open.png").read_bytes()


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (f"{MATTE} -o out.png >&-", 0),
        (f"{MATTE} -o out.png 2>&-", 0),
        (f"{MATTE} -o out.png <&- >&- 2>&-", 0),
        (f"{MATTE} --trimap t.png -o out.png 2>/dev/full", 0),
        ("$E info tiny.edgematte >&-", 0),
        ("$E models --json >&-", 0),
        ("$E check tiny.edgematte >&-", 0),
        ("$E check none.edgematte >&- 2>&-", 2),
    ],
)
def test_a_code_keeps_its_meaning_when_streams_are_closed(
    command: str, code: int, folder: Path
) -> None:
    if "/dev/full" in command and not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    done = shell(command, folder)
    assert done.returncode == code and b"Traceback" not in done.stderr
    if "out.png" in command:
        assert np.asarray(Image.open(folder / "out.png")).shape == (30, 40, 4)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (f"{MATTE} -o - >&-", "standard output is closed: give -o FILE"),
        ("$E matte - --bundle tiny.edgematte -o out.png <&-", "standard input is closed: give"),
        ("$E models --json > /dev/full", "No space left on device"),
    ],
)
def test_what_cannot_be_read_or_written_is_one_sentence(
    command: str, said: str, folder: Path
) -> None:
    done = shell(command, folder)
    assert done.returncode == 2 and not (folder / "out.png").exists()
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("edgematte: ") and said in line


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "ascii"])
def test_names_outside_of_the_encoding_are_printed_as_far_as_it_goes(
    encoding: str, folder: Path
) -> None:
    name = "caf\u00e9-\u732b"
    (folder / "p.png").rename(folder / f"{name}.png")
    done = shell(
        "$E matte *-*.png --bundle tiny.edgematte -o out", folder, PYTHONIOENCODING=encoding
    )
    assert done.returncode == 0 and done.stderr == b""
    assert done.stdout == f"out/{name}.png\n".encode(encoding, errors="replace")
    assert (folder / "out" / f"{name}.png").is_file()


@pytest.mark.skipif(sys.platform == "darwin", reason="its file system takes no such names")
def test_names_that_are_no_text_are_printed_as_they_are(folder: Path) -> None:
    os.rename(folder / "p.png", os.fsencode(folder) + b"/caf\xe9.png")
    command = "$E matte caf*.png --bundle tiny.edgematte -o out"
    done = shell(command, folder, PYTHONIOENCODING="utf-8")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"out/caf\xe9.png\n", b"")
    done = shell(f"{command} --json", folder)
    (one,) = json.loads(done.stdout)["done"]
    assert one["picture"] == "caf\udce9.png"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["models", "--json"],
        ["check", "tiny.edgematte"],
        ["matte", "p.png", "--bundle", "tiny.edgematte", "-o", "-"],
        ["sbom", "none.edgematte"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_reader_who_went_away_is_no_traceback(
    stream: str, arguments: list[str], folder: Path
) -> None:
    """As after `| head`: every write to the pipe fails, also the last one as Python ends."""
    reading, writing = os.pipe()
    os.close(reading)
    gone = {stream: writing}
    done = subprocess.run(
        [sys.executable, "-m", "edgematte", *arguments],
        cwd=folder,
        stdout=gone.get("stdout", subprocess.PIPE),
        stderr=gone.get("stderr", subprocess.PIPE),
        env=os.environ | {"PYTHONUNBUFFERED": ""},
        timeout=120,
    )
    os.close(writing)
    assert done.returncode in (0, 2)  # 120 would be Python's own, for what it could not flush
    if stream == "stdout":
        assert b"Traceback" not in done.stderr and b"Exception" not in done.stderr
        assert b"Broken pipe" not in done.stderr
    elif arguments[0] != "sbom":
        assert done.returncode == 0  # the result is there, whoever reads the remarks


def test_help_on_a_full_disk_is_an_error(folder: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    done = shell("$E --help > /dev/full", folder, PYTHONUNBUFFERED="")
    assert done.returncode == 2
    assert done.stderr.decode().splitlines() == ["edgematte: No space left on device"]


def test_no_colour_on_a_terminal_that_wants_none(folder: Path) -> None:
    pty = pytest.importorskip("pty")
    for arguments in (["matte", "--help"], ["models"], ["matte", "none.png", "-o", "out.png"]):
        master, slave = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "edgematte", *arguments],
            cwd=folder,
            stdout=slave,
            stderr=slave,
            env=os.environ | {"NO_COLOR": "1", "TERM": "xterm-256color"},
        )
        os.close(slave)
        said = b""
        while True:
            try:
                more = os.read(master, 65536)
            except OSError:  # on Linux a terminal that nobody writes to any more is an error
                more = b""
            if not more:
                break
            said += more
        process.wait(120)
        os.close(master)
        assert said and b"\x1b[" not in said
