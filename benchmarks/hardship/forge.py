"""Running many commands without importing anything twice: the other side of `forged.py`."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "samples" / "sixth_net" / "src"
"""A plug-in whose net is the smallest there is: an export of it takes every step in seconds."""


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code (-9: it was killed), seconds, and all that it said."""

    code: int
    seconds: float
    said: str


class Forge:
    """A process that runs commands of edgematte; close it, or use it in a ``with`` statement."""

    def __init__(self, modules: tuple[str, ...]) -> None:
        """`modules` are imported before the first command."""
        path = [str(ROOT / "benchmarks"), str(ROOT), str(SAMPLE)]
        path.append(os.environ.get("PYTHONPATH", ""))
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(part for part in path if part),
            "OMP_NUM_THREADS": "1",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "hardship.forged", *modules],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self._answer()

    def run(
        self, argv: list[str], *, kill_after_s: float | None = None, file_size: int | None = None
    ) -> Ended:
        """Run a command to its end, or until it is killed.

        Args:
            argv: of the command line.
            kill_after_s: kill it (SIGKILL), with all that it started.
            file_size: no file may become larger, as on a disk that is full.
        """
        order = {"argv": argv, "kill_after_s": kill_after_s, "file_size": file_size}
        assert self._process.stdin is not None
        print(json.dumps(order), file=self._process.stdin, flush=True)
        answer = self._answer()
        return Ended(answer["code"], answer["s"], answer["said"])

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the process for commands ended ({self._process.wait()})")
        return json.loads(line)

    def __enter__(self) -> "Forge":
        """The forge itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
