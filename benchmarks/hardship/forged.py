"""A process that has imported everything and forks a child for each command it is told to run.

So a command that is killed after 0.4 s was killed amid its work, not amid its imports. A line of
JSON on standard input is a command, a line on standard output what became of it. The child ends as
a program does, by `sys.exit`.
"""

import contextlib
import importlib
import json
import os
import select
import signal
import sys
import time
from typing import Any

from edgematte.cli import main as command_line


def main() -> None:
    """Arguments: modules to import first."""
    for name in sys.argv[1:]:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    orders, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    print("{}", file=answers)
    for line in orders:
        order = json.loads(line)
        said, saying = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(said)
            _become(order, saying)
            sys.exit(command_line(order["argv"]))
        os.close(saying)
        print(json.dumps(_watched(child, said, order.get("kill_after_s"))), file=answers)


def _become(order: dict[str, Any], saying: int) -> None:
    """Make the process one of its own, with the streams and limits that were asked for."""
    os.setsid()
    for number in (1, 2):
        os.dup2(saying, number)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    limit = order.get("file_size")
    if limit is not None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


def _watched(child: int, said: int, kill_after_s: float | None) -> dict[str, Any]:
    """Wait for a child, or kill it and those it started."""
    start, texts = time.monotonic(), []
    ended = os.pidfd_open(child)
    watched = [ended, said]
    while ended in watched:
        left = None
        if kill_after_s is not None:
            left = max(0.0, start + kill_after_s - time.monotonic())
        ready, _, _ = select.select(watched, [], [], left)
        if not ready:
            kill_after_s = None
            for kill in (os.killpg, os.kill):  # it may not be a group of its own yet
                with contextlib.suppress(ProcessLookupError):
                    kill(child, signal.SIGKILL)
        if said in ready:
            texts.append(os.read(said, 65536))
            if not texts[-1]:
                watched.remove(said)
        if ended in ready:
            watched.remove(ended)
    seconds = time.monotonic() - start
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    while select.select([said], [], [], 0)[0] and (more := os.read(said, 65536)):
        texts.append(more)
    os.close(said)
    os.close(ended)
    return {"code": code, "s": seconds, "said": b"".join(texts).decode(errors="replace")}


if __name__ == "__main__":
    main()
