"""What a page tells its reader to type, and a shell that types it: tests run pages as they stand.

A page's commands are the lines of its indented blocks and, in tables, what stands in backticks and
begins with ``edgematte``; its Python is in blocks fenced as ``python``.
"""

import importlib.util
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token
from typist import Said, Typist

import edgematte

ROOT = Path(__file__).resolve().parents[2]
IMPORTED = str(Path(edgematte.__file__).parent.parent)
"""Where the tests' own edgematte lies, be it a checkout or a wheel."""

Command = list[str]  # the words after `edgematte`
NEEDS = {
    "openvino": ("openvino", "nncf"),
    "coreml": ("coremltools", "nncf"),
}
"""By what a word begins with: the packages that its command is not to be had without."""
SHELL, ROW, PROSE = "shell", "row", "prose"
"""Kinds of texts: a line of a block, and a command in backticks in a table and elsewhere. The
others are the languages of fenced blocks."""


@dataclass(frozen=True)
class Text:
    """What a page tells its reader to type: a line of a shell, or a fenced block as a whole."""

    page: str
    line: int  # of the page, from 1
    kind: str
    text: str

    @property
    def where(self) -> str:
        """Page and line."""
        return f"{self.page}:{self.line}"

    @property
    def words(self) -> list[str]:
        """Of a shell's line: its words without the comment."""
        return shlex.split(self.text, comments=True)


@dataclass(frozen=True)
class Shell:
    """A folder to work in, and what Python finds beside edgematte."""

    folder: Path
    path: tuple[Path, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()

    @property
    def environment(self) -> dict[str, str]:
        """The variables of what runs here."""
        old = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        path = os.pathsep.join(filter(None, [*map(str, self.path), IMPORTED, *old]))
        return {**os.environ, **dict(self.variables), "PYTHONPATH": path}

    def python(self, *words: str) -> Said:
        """Run Python with these arguments."""
        return self.program(sys.executable, *words)

    def program(self, *words: str) -> Said:
        """Run a program with these arguments."""
        done = subprocess.run(
            words, cwd=self.folder, env=self.environment, capture_output=True, text=True
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def run(self, *words: str) -> Said:
        """Run ``edgematte`` with these arguments."""
        return self.python("-m", "edgematte", *words)

    def several(self, commands: Sequence[Command]) -> list[Said]:
        """Commands one after another in one process: torch is imported once."""
        with Typist(self.folder, self.environment) as typist:
            return [typist.command(words) for words in commands]


def texts_of(page: Path, root: Path = ROOT) -> list[Text]:
    """What a page tells its reader to type, in its order."""
    name = page.relative_to(root).as_posix()
    tokens = MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))
    return [Text(name, *found) for found in _found(tokens)]


def _found(tokens: list[Token]) -> Iterator[tuple[int, str, str]]:
    """Line, kind and text of all that is found; a fence without a language is a shell's."""
    in_a_row = False
    for token in tokens:
        first = token.map[0] + 1 if token.map else 0
        if token.type in ("tr_open", "tr_close"):
            in_a_row = token.type == "tr_open"
            row = first
        if token.type == "fence" and token.info:
            yield first + 1, token.info.split()[0], token.content
        elif token.type in ("fence", "code_block"):
            for number, line in _lines(token.content):
                yield first + number + (token.type == "fence"), SHELL, line
        for child in token.children or ():
            if child.type == "code_inline":
                yield (row if in_a_row else first), ROW if in_a_row else PROSE, child.content


def _lines(block: str) -> Iterator[tuple[int, str]]:
    """The lines of a block with their numbers, from 0; a backslash at an end continues one."""
    begun, start = "", 0
    for number, line in enumerate(block.splitlines()):
        start = start if begun else number
        begun += line.strip()
        if begun.endswith("\\"):
            begun = begun[:-1]
        elif begun:
            yield start, begun
            begun = ""


def lines_of(texts: Sequence[Text]) -> list[str]:
    """The lines of blocks."""
    return [text.text for text in texts if text.kind == SHELL]


def commands_of(texts: Sequence[Text]) -> list[Command]:
    """The commands of blocks and tables, in their order."""
    typed = [text for text in texts if text.kind in (SHELL, ROW)]
    return [text.words[1:] for text in typed if text.text.startswith("edgematte ")]


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
