"""The command of a runner: started for every job, or once for all of them."""

import os
import queue
import shlex
import subprocess
import tempfile
import threading
import time
import weakref
from pathlib import Path
from typing import IO, Protocol

from edgematte.errors import EngineError

DONE, FAILED = "edgematte: done", "edgematte: failed"
"""What a runner that serves answers, at the start of a line."""
TIMEOUT_S = 600.0
PATIENCE_S = 10.0
"""How long a runner that serves may take to end once its input is closed."""


class RunnerCommand(Protocol):
    """Carries out jobs."""

    def __call__(self, folder: Path) -> None:
        """Carry out the job in a folder.

        Raises:
            EngineError: it failed; the message quotes what it said last.
        """


def words_of(command: str) -> list[str]:
    """The command's words, split as a POSIX shell would, without a shell.

    Raises:
        EngineError: it cannot be split, or is empty.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise EngineError(f"the runner command {command!r} cannot be split: {error}") from None
    if not words:
        raise EngineError("the runner command is empty")
    return words


class OneCommandPerJob:
    """Starts the command for every job, with the job's folder as its last argument."""

    def __init__(self, command: str, timeout_s: float) -> None:
        """``timeout_s`` is for one job."""
        self._words, self._timeout_s = words_of(command), timeout_s

    def __call__(self, folder: Path) -> None:
        """See :class:`RunnerCommand`."""
        shown = self._words[0]
        try:
            done = subprocess.run(
                [*self._words, str(folder)],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=self._timeout_s,
                check=False,
            )
        except OSError as error:
            raise EngineError(f"the runner {shown} cannot be started: {error.strerror}") from None
        except subprocess.TimeoutExpired:
            raise EngineError(f"the runner {shown} took more than {self._timeout_s:g} s") from None
        if done.returncode:
            last = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
            raise EngineError(f"the runner {shown} exited with {done.returncode}: {last}")


class ServingCommand:
    """Starts the command once and gives it the folders of jobs as lines on standard input."""

    def __init__(self, command: str, timeout_s: float) -> None:
        """``timeout_s`` is for one job; the command is started with the first one."""
        self._words, self._timeout_s = words_of(command), timeout_s
        self._process: subprocess.Popen[str] | None = None
        self._said: queue.Queue[str | None] = queue.Queue()
        self._errors: IO[bytes] | None = None
        self._lock = threading.Lock()

    def __call__(self, folder: Path) -> None:
        """See :class:`RunnerCommand`."""
        with self._lock:
            process = self._process or self._start()
            assert process.stdin is not None
            try:
                process.stdin.write(f"{folder}\n")
                process.stdin.flush()
            except OSError:
                raise self._ended(process) from None
            self._await(process)

    def _start(self) -> "subprocess.Popen[str]":
        shown = self._words[0]
        errors = self._errors = tempfile.TemporaryFile()
        try:
            process = subprocess.Popen(
                self._words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                encoding="utf-8",
                errors="replace",
            )
        except OSError as error:
            errors.close()
            raise EngineError(f"the runner {shown} cannot be started: {error.strerror}") from None
        threading.Thread(target=_listen, args=(process, self._said), daemon=True).start()
        weakref.finalize(self, _end, process, errors)
        self._process = process
        return process

    def _await(self, process: "subprocess.Popen[str]") -> None:
        """Wait for the answer to the last job; other lines are the command's own and are passed."""
        until = time.monotonic() + self._timeout_s
        shown = self._words[0]
        while True:
            try:
                line = self._said.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                process.kill()
                raise EngineError(
                    f"the runner {shown} took more than {self._timeout_s:g} s"
                ) from None
            if line is None:
                raise self._ended(process)
            if line.startswith(DONE):
                return
            if line.startswith(FAILED):
                why = line.removeprefix(FAILED).strip(" :") or "no message"
                raise EngineError(f"the runner {shown} failed: {why}")

    def _ended(self, process: "subprocess.Popen[str]") -> EngineError:
        code = process.wait()
        assert self._errors is not None
        size = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, size - 4096))
        said = self._errors.read().decode("utf-8", "replace").strip() or "no message"
        return EngineError(
            f"the runner {self._words[0]} ended with {code} before it answered: "
            f"{said.splitlines()[-1]}"
        )


def _listen(process: "subprocess.Popen[str]", said: "queue.Queue[str | None]") -> None:
    assert process.stdout is not None
    with process.stdout as lines:
        for line in lines:
            said.put(line.rstrip("\r\n"))
    said.put(None)


def _end(process: "subprocess.Popen[str]", errors: IO[bytes]) -> None:
    """Close the command's input and what it said, and stop it where it does not end by itself."""
    with errors:
        try:
            if process.stdin is not None:
                process.stdin.close()
            process.wait(PATIENCE_S)
        except (OSError, subprocess.TimeoutExpired):
            process.kill()
            process.wait()
