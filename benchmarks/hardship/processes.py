"""A Matter and other processes: forks, pickles, copies, spawned workers, asyncio.

Each either works, with the answer of one call in one process, or says a sentence.
"""

import asyncio
import copy
import multiprocessing
import pickle
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np

import edgematte
from edgematte.errors import EdgematteError
from edgematte.testcard import testcard

WORKS = "works"
LIMIT_S = 120
FORK = """
import os, sys
import edgematte
from edgematte.testcard import testcard
picture = testcard(70, 50)
matter = edgematte.load(engine=sys.argv[1])
wanted = matter(picture).alpha
child = os.fork()
if child == 0:
    try:
        said = "works" if (matter(picture).alpha == wanted).all() else "differs"
    except edgematte.EdgematteError as error:
        said = str(error)
    print(said, flush=True)
    sys.exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def report(count: int) -> int:
    """Print what each way does; returns how many neither work nor say a sentence."""
    picture = testcard(70, 50)
    matter = edgematte.load(threads=1)
    wanted = matter(picture).alpha

    def same(answer: Any) -> str:
        return WORKS if np.array_equal(answer, wanted) else "differs"

    ways: dict[str, Callable[[], str]] = {
        **{f"fork after load, {e}": lambda e=e: forked(e) for e in ("onnxruntime", "openvino")},  # type: ignore[misc]
        "pickling a Matter": lambda: same(pickle.loads(pickle.dumps(matter))(picture).alpha),
        "copying a Matter": lambda: same(copy.deepcopy(matter)(picture).alpha),
        "pickling a Matte": lambda: same(pickle.loads(pickle.dumps(matter(picture))).alpha),
        "spawned processes that get the Matter": lambda: same(spawned(matter, picture)),
        "spawned processes that load": lambda: same(spawned(in_worker, picture)),
        "asyncio, eight calls at a time": lambda: asyncio.run(awaited(matter, picture, same)),
    }
    failed = 0
    for name, way in ways.items():
        try:
            said, ok = way(), True
        except EdgematteError as error:
            said, ok = str(error), True
        except Exception as error:
            said, ok = f"{type(error).__name__}: {error}", False
        failed += not ok or said == "differs" or "\n" in said
        print(f"{name}: {said}", flush=True)
    return failed


def forked(engine: str) -> str:
    """What a forked child says, which has to end."""
    command = [sys.executable, "-c", FORK, engine]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S)
    if done.returncode:
        raise RuntimeError(f"exit code {done.returncode}: {done.stderr[-300:]}")
    return done.stdout.strip()


def spawned(call: Any, picture: Any) -> Any:
    """The alpha that another process finds."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(call, picture).result(LIMIT_S).alpha


def in_worker(picture: Any) -> edgematte.Matte:
    """What a worker does that gets the bundle and not the Matter."""
    return edgematte.load(threads=1)(picture)


async def awaited(matter: edgematte.Matter, picture: Any, same: Callable[[Any], str]) -> str:
    """Calls in threads that are awaited together."""
    mattes = await asyncio.gather(*(asyncio.to_thread(matter, picture) for _ in range(8)))
    return next((said for m in mattes if (said := same(m.alpha)) != WORKS), WORKS)
