"""Tab completion and the manual page, in the programs that read them."""

import shutil
import subprocess
from pathlib import Path

import pytest

from edgematte.cli import COMMANDS, main

Capture = pytest.CaptureFixture[str]
TYPED = """
source "$1"; shift; cd "$1"; shift
COMP_WORDS=(edgematte "$@"); COMP_CWORD=$#; COMPREPLY=()
_shtab_edgematte edgematte "${@: -1}" "${COMP_WORDS[-2]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def printed(capsys: Capture, *words: str) -> str:
    assert main([*words]) == 0
    out, err = capsys.readouterr()
    assert not err
    return out


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["mat"], ["matte"]),
        (["matte", "--wat"], ["--watch"]),
        (["export", "--target", "li"], ["litert"]),
        (["export", "--model", "lightw"], ["lightweight", "lightweight-wide"]),
        (["check", "my"], ["my.edgematte"]),
        (["matte", "--watch", "inc"], ["incoming"]),
    ],
)
def test_bash_completes_commands_options_values_and_files(
    words: list[str], wanted: list[str], tmp_path: Path, capsys: Capture
) -> None:
    pytest.importorskip("shtab", reason='pip install "edgematte[shell]"')
    if (bash := shutil.which("bash")) is None:
        pytest.skip("bash is not installed")
    script, here = tmp_path / "edgematte.bash", tmp_path / "here"
    script.write_text(printed(capsys, "completion", "bash"))
    for name in ("my.edgematte", "incoming"):
        (here / name).mkdir(parents=True)
    command = [bash, "-c", TYPED, "bash", str(script), str(here), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert [line.rstrip("/ ") for line in done.stdout.split()] == wanted


def test_the_manual_page_has_every_command(capsys: Capture) -> None:
    pytest.importorskip("argparse_manpage", reason='pip install "edgematte[shell]"')
    page = printed(capsys, "man")
    assert page.startswith('.TH EDGEMATTE "1"')
    if (groff := shutil.which("groff")) is None:
        pytest.skip("groff is not installed: the page was not set")
    command = [groff, "-man", "-Tascii", "-P-cbou"]  # plain text, without bold letters
    done = subprocess.run(command, input=page, capture_output=True, text=True, check=True)
    assert all(f"edgematte {name}" in done.stdout for name in COMMANDS)
