"""What a page tells its reader to type, and a shell that types it: tests run pages as they stand.

A page's commands are the lines of its indented blocks and, in tables, what stands in backticks and
begins with ``edgematte``; its Python is in blocks fenced as ``python``.
"""

import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import edgematte

ROOT = Path(__file__).resolve().parents[2]
IMPORTED = str(Path(edgematte.__file__).parent.parent)
"""Where the tests' own edgematte lies, be it a checkout or a wheel."""

Command = list[str]  # the words after `edgematte`
Step = Command | str  # or a text in Python
NEEDS = {
    "openvino": ("openvino", "nncf"),
    "coreml": ("coremltools", "nncf"),
    "hf:": ("huggingface_hub",),
    "clip": ("av",),
}
"""By what a word begins with: the packages that its command is not to be had without."""

BLOCK = re.compile(
    r"^```python\n(?P<python>(?s:.*?))^```$|^ {4}(?P<line>\S.*)$|^\|(?P<row>.*)\|$", re.MULTILINE
)
IN_A_ROW = re.compile(r"`(edgematte [^`]+)`")

SEVERAL = """
import contextlib, io, json, sys, traceback
from edgematte.cli import main
found = []
for step in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(step) if isinstance(step, list) else exec(step, {}) or 0
        except Exception:
            code = traceback.print_exc() or 1
    found.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Shell:
    """A folder to work in, and what Python finds beside edgematte."""

    folder: Path
    path: tuple[Path, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()

    def python(self, *words: str) -> Said:
        """Run Python with these arguments."""
        old = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        path = os.pathsep.join(filter(None, [*map(str, self.path), IMPORTED, *old]))
        done = subprocess.run(
            [sys.executable, *words],
            cwd=self.folder,
            env={**os.environ, **dict(self.variables), "PYTHONPATH": path},
            capture_output=True,
            text=True,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def run(self, *words: str) -> Said:
        """Run ``edgematte`` with these arguments."""
        return self.python("-m", "edgematte", *words)

    def several(self, steps: Sequence[Step]) -> list[Said]:
        """Commands and texts in Python one after another in one process: torch is imported once."""
        done = self.python("-c", SEVERAL, json.dumps(steps))
        assert done.code == 0, done.err
        return [Said(*said) for said in json.loads(done.out.splitlines()[-1])]


def lines_of(text: str) -> list[str]:
    """The lines of a page's indented blocks."""
    return [found["line"] for found in BLOCK.finditer(text) if found["line"]]


def steps_of(text: str) -> list[Step]:
    """The commands of a page and its Python, in their order."""
    steps: list[Step] = []
    for found in BLOCK.finditer(text):
        if found["python"]:
            steps.append(found["python"])
        for line in [found["line"] or "", *IN_A_ROW.findall(found["row"] or "")]:
            if line.startswith("edgematte "):
                steps.append(shlex.split(line, comments=True)[1:])
    return steps


def commands_of(text: str) -> list[Command]:
    """The commands of a page, in their order."""
    return [step for step in steps_of(text) if isinstance(step, list)]


def missing(command: Command) -> list[str]:
    """Packages that a command needs and that are not installed."""
    needed = [NEEDS[start] for word in command for start in NEEDS if word.startswith(start)]
    packages = [package for several in needed for package in several]
    return [package for package in packages if importlib.util.find_spec(package) is None]


def install(folder: Path, line: str) -> Shell:
    """A shell where ``pip install ./PACKAGE`` was typed in a folder; nothing is downloaded."""
    offline = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", "site")
    done = Shell(folder).python("-m", *shlex.split(line), *offline)
    assert done.code == 0, done.err
    return Shell(folder, (folder / "site",))
