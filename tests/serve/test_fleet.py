"""`edgematte serve` as a shell starts it: on Ray, with replicas that come, die and stop."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serving import REASON, pixels_of, to_file

import edgematte
from edgematte.pictures import alpha_bytes
from edgematte.testcard import testcard as card

pytest.importorskip("ray.serve", reason=REASON)
httpx = pytest.importorskip("httpx", reason=REASON)

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")

START_S = 120
SIZES = [(300, 260), (340, 300), (380, 280), (420, 320)]


class Running:
    """A server's process, and what it is asked."""

    def __init__(self, process: "subprocess.Popen[str]", url: str) -> None:
        self.process, self.url = process, url

    def figure(self, name: str) -> float:
        found = re.search(rf"^edgematte_{name} (\S+)", httpx.get(f"{self.url}/metrics").text, re.M)
        return float(found[1]) if found else 0.0

    def alpha(self, picture: bytes) -> Any:
        answer = httpx.post(
            f"{self.url}/matte?write=alpha", files={"picture": ("p", picture)}, timeout=90
        )
        assert answer.status_code == 200, answer.text
        return pixels_of(answer.content)

    def replicas(self) -> list[int]:
        found = [self.process.pid]
        parents = [(int(f.name), parent_of(f)) for f in Path("/proc").glob("[0-9]*")]
        for each in found:
            found += [pid for pid, parent in parents if parent == each]
        return [pid for pid in found if command_of(pid).startswith("ray::ServeReplica")]


def parent_of(folder: Path) -> int:
    try:
        return int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


@pytest.fixture
def running() -> Iterator[Running]:
    flags = "--replicas 1:2 --target-ongoing 1 --upscale-delay 0.5 --downscale-delay 300"
    command = [sys.executable, "-m", "edgematte", "serve", "--port", "0", *flags.split()]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stderr is not None
    url = process.stdout.readline().strip()
    assert url.startswith("http://127.0.0.1:"), process.stderr.read()
    yield Running(process, url)
    if process.poll() is None:
        process.kill()
        process.wait()


class Asking:
    """Threads that each ask for the matte of a picture of their own until they are told to stop."""

    def __init__(self, running: Running, expected: list[tuple[bytes, Any]]) -> None:
        self.right, self.wrong, self._over = 0, [], threading.Event()  # type: int, list[str], Any
        self._threads = [
            threading.Thread(target=self._ask, args=(running, *each)) for each in expected
        ]
        for thread in self._threads:
            thread.start()

    def _ask(self, running: Running, picture: bytes, expected: Any) -> None:
        while not self._over.is_set():
            try:
                if np.array_equal(running.alpha(picture), expected):
                    self.right += 1
                else:
                    self.wrong.append("another matte")
            except Exception as error:
                refused = isinstance(error, httpx.ConnectError) or "being stopped" in str(error)
                if not (self._over.is_set() and refused):  # asked after the server was stopped
                    self.wrong.append(repr(error))
                return

    def stop(self) -> None:
        self._over.set()

    def join(self) -> None:
        self.stop()
        for thread in self._threads:
            thread.join(100)
            assert not thread.is_alive()


def until(true: Callable[[], bool]) -> None:
    latest = time.monotonic() + START_S
    while not true():
        assert time.monotonic() < latest
        time.sleep(0.1)


def test_replicas_follow_the_load_die_and_stop_without_a_lost_picture(running: Running) -> None:
    until(lambda: httpx.get(f"{running.url}/ready").status_code == 200)
    matter = edgematte.load(threads=1)
    cards = [card(*size) for size in SIZES]
    expected = [(to_file(one), alpha_bytes(matter(one).alpha)) for one in cards]
    assert running.figure("replicas") == 1

    asking = Asking(running, expected)
    until(lambda: running.figure("replicas") == 2 or bool(asking.wrong))  # it scaled
    for _ in range(3):  # one may come between two jobs
        until(lambda: running.figure("waiting") >= 2 or bool(asking.wrong))
        for pid in running.replicas():  # all that there are
            os.kill(pid, signal.SIGKILL)
        before = asking.right
        until(lambda before=before: asking.right >= before + 4 or bool(asking.wrong))  # type: ignore[misc]
        if repeated := running.figure("repeated_jobs_total"):
            break
    assert repeated >= 1

    until(lambda: running.figure("waiting") >= 2 or bool(asking.wrong))
    asking.stop()  # each thread waits for the answer that it has asked for
    running.process.send_signal(signal.SIGTERM)
    asking.join()
    assert not asking.wrong and asking.right > 8
    assert running.process.wait(60) == 0
    assert running.process.stderr is not None
    said = running.process.stderr.read()
    assert "Traceback" not in said and "stopping" in said
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{running.url}/health")


def test_a_picture_that_ends_whatever_works_on_it_ends_three_processes_at_most() -> None:
    from ray.exceptions import ActorDiedError

    from edgematte.serve.deployment import Fleet
    from edgematte.serve.jobs import Job, Refusal

    given: list[Job] = []

    class Handle:
        matte = property(lambda self: self)

        def remote(self, job: Job) -> Any:
            given.append(job)

            async def dies() -> None:
                raise ActorDiedError

            return dies()

    fleet, again = Fleet(Handle()), []
    fleet.on_repeat = lambda: again.append(1)
    answer = asyncio.run(fleet.matte(Job("any", b"poison")))
    assert isinstance(answer, Refusal) and answer.status == 500
    assert "3 processes that worked on this picture ended" in answer.sentence
    assert len(given) == len(again) == 3
