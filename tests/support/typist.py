"""Types commands and Python into one process, so that what they import is imported once."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

WORKER = r"""
import argparse, contextlib, io, json, os, runpy, sys, traceback
from pathlib import Path

answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what libraries write into standard output by themselves is no answer
from edgematte.cli import build_parser, main


class Enough(Exception):
    pass


def enough(*arguments, **options):
    raise Enough


def command(words):
    return main(words)


def python(text, before):
    names = {}
    for part in (before, text):
        exec(compile(part, "page", "exec"), names)
    return 0


def parsed(words):
    build_parser(words[0]).parse_args(words)
    return 0


def planned(words):
    # An export as far as its options are checked, together and with the net and the target.
    from edgematte.export import destination

    real, destination.refuse = destination.refuse, enough
    try:
        return main(words) or 3
    except Enough:
        return 0
    finally:
        destination.refuse = real


def program(name, words):
    # A program as far as it parses its arguments.
    parse = argparse.ArgumentParser.parse_args

    def parse_only(self, args=None, namespace=None):
        parse(self, args, namespace)
        raise Enough

    argparse.ArgumentParser.parse_args = parse_only
    old, sys.argv = sys.argv, [name, *words]
    path = list(sys.path)
    try:
        if name.endswith(".py"):
            sys.path.insert(0, str(Path(name).parent))
            runpy.run_path(name, run_name="__main__")
        else:
            runpy.run_module(name, run_name="__main__", alter_sys=True)
        return 3
    except Enough:
        return 0
    finally:
        argparse.ArgumentParser.parse_args, sys.argv, sys.path[:] = parse, old, path


for line in sys.stdin:
    asked = json.loads(line)
    os.chdir(asked.pop("folder"))
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = globals()[asked.pop("what")](**asked)
        except SystemExit as stopped:
            code = stopped.code or 0
        except BaseException:
            code = traceback.print_exc() or 1
    json.dump([code, out.getvalue(), err.getvalue()], answers)
    print(file=answers, flush=True)
"""


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str


class Typist:
    """A process that does what it is told, one after another; closed by ``with``."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self._process = subprocess.Popen(
            [sys.executable, "-c", WORKER],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def command(self, words: list[str], folder: Path | None = None) -> Said:
        """Run ``edgematte`` with these words."""
        return self._ask("command", folder, words=words)

    def python(self, text: str, before: str = "", folder: Path | None = None) -> Said:
        """Run a text; ``before`` is another one that defines what it finds defined."""
        return self._ask("python", folder, text=text, before=before)

    def parsed(self, words: list[str], folder: Path | None = None) -> Said:
        """Parse the arguments of ``edgematte``, and no more."""
        return self._ask("parsed", folder, words=words)

    def planned(self, words: list[str], folder: Path | None = None) -> Said:
        """Run ``edgematte export`` up to where its options are checked."""
        return self._ask("planned", folder, words=words)

    def program(self, name: str, words: list[str], folder: Path | None = None) -> Said:
        """Run a file, or a module by its name, up to where it has parsed its arguments."""
        return self._ask("program", folder, name=name, words=words)

    def _ask(self, what: str, folder: Path | None, **told: Any) -> Said:
        asked = {"what": what, "folder": str(folder or self.folder), **told}
        print(json.dumps(asked), file=self._pipe(self._process.stdin), flush=True)
        answer = self._pipe(self._process.stdout).readline()
        assert answer, f"the process ended with {self._process.wait()} at {asked}"
        return Said(*json.loads(answer))

    @staticmethod
    def _pipe(pipe: IO[str] | None) -> IO[str]:
        assert pipe is not None
        return pipe

    def __enter__(self) -> "Typist":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pipe(self._process.stdin).close()
        self._process.wait()
        self._pipe(self._process.stdout).close()
