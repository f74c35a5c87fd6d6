"""A server of mattes under load, beside a loop that mattes the same pictures, in one run.

    python benchmarks/serve.py [--clients 64] [--seconds 120] [--replicas 2] [--bundle B]
    python benchmarks/serve.py --autoscale              # replicas follow the load, and go again
    python benchmarks/serve.py --connections 10000      # many that say nothing

Every client has pictures of its own, of mixed sizes, and knows what the loop made of each: an
answer with other bytes was mixed up. One in twenty of its requests is no picture, a damaged one or
a bomb, and must be refused with a sentence. In the middle a replica is killed, and at the end the
server is told to stop while requests are on their way. Lost are requests without an answer, hung
those without one for a minute. The loop runs in as many processes as there are replicas, one thread
each; the clients and the server share the processor.
"""

import argparse
import asyncio
import hashlib
import io
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

from edgematte.cli.streams import as_program
from edgematte.errors import ServerError
from edgematte.testcard import testcard

SIZES = ((320, 240), (480, 640), (960, 720), (1280, 960))
OWN = 2  # pictures of each client
BAD = 0.05
HUNG_S = 60.0
START_S = 180.0


@dataclass
class Tally:
    """What the clients saw."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)  # lost, mixed up or hung


def main(arguments: argparse.Namespace) -> None:
    if arguments.connections:
        crowd(arguments)
        return
    if arguments.autoscale:
        autoscale(arguments)
        return
    pictures = [made(i) for i in range(OWN * arguments.clients)]
    rate, expected = loop(pictures, arguments)
    print(f"loop: {rate:.2f} pictures a second in {arguments.replicas} processes")
    flags = ["--replicas", str(arguments.replicas), "--max-waiting", str(arguments.waiting)]
    with server(arguments, flags) as (process, url), watched(process.pid) as memory:
        tally = asyncio.run(load(url, process, pictures, expected, arguments))
        code = process.wait(HUNG_S)
    report(tally, rate, memory, code, arguments)
    if tally.wrong or code != 0:
        sys.exit(1)


def made(number: int) -> bytes:
    """A picture file that no other client has."""
    width, height = SIZES[number % len(SIZES)]
    card = np.roll(testcard(width, height), 7 * number, axis=1)
    tint = np.array([255 - number % 50, 255 - number // 50 * 9 % 50, 255], np.uint16)
    stream = io.BytesIO()
    pixels = (card.astype(np.uint16) * tint // 255).astype(np.uint8)
    Image.fromarray(pixels).save(stream, "JPEG" if number % 3 else "PNG")
    return stream.getvalue()


def loop(pictures: list[bytes], arguments: argparse.Namespace) -> tuple[float, list[str]]:
    """Pictures a second of plain processes, and the sha256 of each one's cut-out."""
    shares = [pictures[i :: arguments.replicas] for i in range(arguments.replicas)]
    with ProcessPoolExecutor(arguments.replicas, get_context("spawn")) as pool:
        given = [(share, arguments.bundle) for share in shares]
        results = list(pool.map(matted, given))
    digests = [""] * len(pictures)
    for number, (_, found) in enumerate(results):
        digests[number :: arguments.replicas] = found
    return len(pictures) / max(seconds for seconds, _ in results), digests


def matted(given: tuple[list[bytes], str | None]) -> tuple[float, list[str]]:
    """Seconds for the pictures, and their cut-outs' digests."""
    import edgematte
    from edgematte.pictures import cutout, encode, open_picture

    pictures, bundle = given
    matter = edgematte.load(bundle, threads=1)
    matter(testcard(320, 240))  # warm
    start, digests = time.perf_counter(), []
    for content in pictures:
        picture = open_picture(io.BytesIO(content))
        alpha = matter(picture.image).alpha
        result = encode(cutout(picture.pixels, alpha), "PNG", picture.profile)
        digests.append(hashlib.sha256(result).hexdigest())
    return time.perf_counter() - start, digests


@contextmanager
def server(
    arguments: argparse.Namespace, flags: list[str]
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`edgematte serve` in a process of its own, and its address."""
    command = [sys.executable, "-m", "edgematte", "serve", "--port", "0", *flags]
    command += ["--bundle", arguments.bundle] if arguments.bundle else []
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        start = time.monotonic()
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        if not url:
            raise ServerError("the server did not start")
        while httpx.get(f"{url}/ready").status_code != 200:
            if time.monotonic() - start > START_S:
                raise ServerError(f"the server was not ready within {START_S:g} s")
            time.sleep(0.1)
        print(f"server: ready after {time.monotonic() - start:.1f} s")
        yield process, url
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(HUNG_S)


async def load(
    url: str,
    process: subprocess.Popen[str],
    pictures: list[bytes],
    expected: list[str],
    arguments: argparse.Namespace,
) -> Tally:
    """All clients until the time is over; then the server is stopped under them."""
    tally, start = Tally(), time.monotonic()
    stopped: list[float] = []
    tasks = [
        asyncio.create_task(
            client(url, pictures[i :: arguments.clients], expected[i :: arguments.clients], tally,
                   random.Random(i), stopped)
        )
        for i in range(arguments.clients)
    ]  # fmt: skip
    await asyncio.sleep(arguments.seconds / 2)
    killed = replicas_of(process.pid)[0]
    os.kill(killed, signal.SIGKILL)
    print(f"killed a replica after {time.monotonic() - start:.0f} s")
    await asyncio.sleep(arguments.seconds / 2)
    stopped.append(time.monotonic())
    figures = httpx.get(f"{url}/metrics").text
    process.send_signal(signal.SIGTERM)
    await asyncio.wait(tasks, timeout=2 * HUNG_S)
    tally.wrong += [f"hung: {task.exception()!r}" for task in tasks if not task.done()]
    again = re.search(r"^edgematte_repeated_jobs_total (\S+)", figures, re.M)
    print(f"jobs given to another replica: {float(again[1] if again else 0):.0f}")
    return tally


async def client(
    url: str,
    pictures: list[bytes],
    expected: list[str],
    tally: Tally,
    chance: random.Random,
    stopped: list[float],
) -> None:
    """One client: a request, its answer, the next request."""
    bad = [b"no picture", pictures[0][: len(pictures[0]) // 2], bomb()]
    async with httpx.AsyncClient(timeout=HUNG_S) as asking:
        while not stopped:
            number = chance.randrange(len(pictures))
            spoilt = chance.random() < BAD
            content = chance.choice(bad) if spoilt else pictures[number]
            begun = time.monotonic()
            try:
                answer = await asking.post(f"{url}/matte", files={"picture": ("p", content)})
            except httpx.TimeoutException:
                tally.wrong.append("hung: no answer for a minute")
                continue
            except httpx.TransportError as error:
                if not stopped or begun < stopped[0] - 0.2:  # it was there before the signal
                    tally.wrong.append(f"lost: {error!r}")
                return
            tally.statuses[answer.status_code] += 1
            if answer.status_code in (429, 503):
                await asyncio.sleep(float(answer.headers["retry-after"]))
            elif spoilt:
                if answer.status_code not in (413, 422) or "error" not in answer.json():
                    tally.wrong.append(f"a bad picture was answered {answer.status_code}")
            elif answer.status_code != 200:
                tally.wrong.append(f"lost: {answer.status_code} {answer.text[:200]}")
            elif hashlib.sha256(answer.content).hexdigest() != expected[number]:
                tally.wrong.append("mixed up: another picture's matte")
            else:
                tally.seconds.append(time.monotonic() - begun)


def bomb() -> bytes:
    """A small file of 100 megapixels."""
    stream = io.BytesIO()
    Image.new("1", (10_000, 10_000)).save(stream, "PNG")
    return stream.getvalue()


def children(pid: int) -> list[int]:
    """A process and all that it started."""
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        parents.setdefault(parent, []).append(int(folder.name))
    found = [pid]
    for each in found:
        found += parents.get(each, [])
    return found


def name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def replicas_of(pid: int) -> list[int]:
    return [each for each in children(pid) if name_of(each).startswith("ray::ServeReplica")]


@contextmanager
def watched(pid: int) -> Iterator[dict[str, float]]:
    """The largest proportional memory in MB: of the front, of a replica, of all with Ray's own."""
    peaks, over = {"front": 0.0, "one replica": 0.0, "all": 0.0}, threading.Event()

    def look() -> None:
        while not over.wait(1):
            sizes = {each: memory_of(each) for each in children(pid)}
            replicas = replicas_of(pid)
            now = {
                "front": sizes.get(pid, 0.0),
                "one replica": max((sizes.get(each, 0.0) for each in replicas), default=0.0),
                "all": sum(sizes.values()),
            }
            peaks.update({name: max(peaks[name], size) for name, size in now.items()})

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield peaks
    finally:
        over.set()
        thread.join()


def memory_of(pid: int) -> float:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    found = re.search(r"^Pss:\s+(\d+) kB", text, re.M)
    return int(found[1]) / 1000 if found else 0.0


def report(
    tally: Tally, rate: float, memory: dict[str, float], code: int, arguments: argparse.Namespace
) -> None:
    done = sorted(tally.seconds)
    served = len(done) / arguments.seconds
    print(f"{arguments.clients} clients, {arguments.seconds:g} s: {dict(tally.statuses)}")
    print(f"served: {served:.2f} pictures a second, {served / rate:.2f} of the loop's")
    if done:
        tail = done[min(len(done) - 1, int(0.99 * len(done)))]
        print(f"seconds until the answer: p50 {statistics.median(done):.2f}, p99 {tail:.2f}")
    print("memory at most: " + ", ".join(f"{name} {size:.0f} MB" for name, size in memory.items()))
    print(f"lost, mixed up or hung: {len(tally.wrong)}; the stopped server's exit code: {code}")
    for line, count in Counter(tally.wrong).most_common(10):
        print(f"  {count} x {line}")


def autoscale(arguments: argparse.Namespace) -> None:
    """How many replicas there are while 16 clients ask, and after."""
    flags = ["--replicas", f"1:{arguments.replicas}", "--target-ongoing", "2"]
    flags += ["--upscale-delay", "1", "--downscale-delay", "3"]
    picture = made(0)

    async def ask(url: str, until: float) -> None:
        async with httpx.AsyncClient(timeout=HUNG_S) as asking:
            while time.monotonic() < until:
                await asking.post(f"{url}/matte", files={"picture": ("p", picture)})

    with server(arguments, flags) as (_, url):
        start, seen = time.monotonic(), -1
        busy_s = arguments.seconds / 2

        async def clients() -> None:
            await asyncio.gather(*(ask(url, start + busy_s) for _ in range(16)))

        asking = threading.Thread(target=lambda: asyncio.run(clients()))
        asking.start()
        while time.monotonic() < start + arguments.seconds:
            found = re.search(r"^edgematte_replicas (\S+)", httpx.get(f"{url}/metrics").text, re.M)
            count = int(float(found[1])) if found else 0
            if count != seen:
                doing = "16 clients ask" if asking.is_alive() else "nobody asks"
                print(f"{time.monotonic() - start:6.1f} s: {count} replicas, {doing}")
                seen = count
            time.sleep(0.5)
        asking.join()


def crowd(arguments: argparse.Namespace) -> None:
    """Connections that say nothing, more than are allowed."""
    import resource

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with server(arguments, ["--replicas", "1"]) as (process, url), watched(process.pid) as memory:
        asyncio.run(crowded(url, arguments.connections))
    print(f"memory of the front at most: {memory['front']:.0f} MB")


async def crowded(url: str, count: int) -> None:
    port, found = int(url.rpartition(":")[2]), Counter[str]()
    start = time.monotonic()

    async def one() -> None:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            said = await reader.read(1000)
            told = b"503" in said and b"retry-after" in said
            found["told to come again" if told else "closed: no request came in time"] += 1
            writer.close()
        except OSError as error:
            found[f"{type(error).__name__}"] += 1

    tasks = [asyncio.create_task(one()) for _ in range(count)]
    await asyncio.sleep(1)
    async with httpx.AsyncClient(timeout=HUNG_S) as asking:
        while True:
            try:
                files = {"picture": ("p", made(0))}
                status = (await asking.post(f"{url}/matte", files=files)).status_code
            except httpx.TransportError:
                status = 0
            if status == 200:
                break
            await asyncio.sleep(0.2)
    print(f"a picture was answered {time.monotonic() - start:.1f} s after {count} connections came")
    await asyncio.wait(tasks, timeout=HUNG_S)
    print(", ".join(f"{many} {what}" for what, many in found.most_common()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", help="default: the shipped one")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("--waiting", type=int, default=48, help="requests that may wait")
    parser.add_argument("--autoscale", action="store_true", help="show that replicas follow load")
    parser.add_argument("--connections", type=int, help="show what so many connections do")
    given = parser.parse_args()
    as_program("serve", lambda: main(given))
