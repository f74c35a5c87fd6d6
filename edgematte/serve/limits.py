"""What a server takes at most, and the gate that counts it: requests, bytes, time."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from edgematte.serve.refused import Refused

MB = 1_000_000
RETRY_S = 1
"""What clients are told to wait when the server is full: about the time of some pictures."""


@dataclass(frozen=True)
class Limits:
    """The limits of a server.

    `body_bytes`: of a request's body. `pixels`: of each picture. `waiting`: requests whose body is
    there and that have no answer yet. `held_bytes`: of bodies and answers in memory, of all
    requests together. `connections`: at a time. `head_s`: until the head of a request is there.
    `silent_s`, `bytes_per_s`: a body that stops for so long, or after that time came more slowly,
    is given up. `answer_s`: until an answer, from when the body was there, and again until that was
    sent.
    """

    body_bytes: int = 25 * MB
    pixels: int = 50 * MB
    waiting: int = 64
    held_bytes: int = 500 * MB
    connections: int = 1000
    head_s: float = 10.0
    silent_s: float = 10.0
    bytes_per_s: int = 2000
    answer_s: float = 120.0


class Gone(Exception):
    """The client hung up."""


class Gate:
    """Counts what is in work, and refuses more than the limits."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.waiting = 0
        self.held = 0
        self.closing = False

    def look(self) -> None:
        """Refuse a request that could not be worked on, before its body is read."""
        if self.closing:
            raise Refused(503, "the server is being stopped: send it to another one", RETRY_S)
        self._room()

    def _room(self) -> None:
        if self.waiting >= self.limits.waiting:
            raise Refused(
                429, f"{self.waiting} pictures are waiting: send this one again later", RETRY_S
            )

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Be one of those that wait, or be refused."""
        self._room()  # a server that is being stopped answers what it began to read
        self.waiting += 1
        try:
            yield
        finally:
            self.waiting -= 1

    @contextmanager
    def holding(self) -> Iterator["Hold"]:
        """Account for a request's bytes until the body of this context ends."""
        hold = Hold(self)
        try:
            yield hold
        finally:
            self.held -= hold.count


class Hold:
    """The bytes of one request that are in memory."""

    def __init__(self, gate: Gate) -> None:
        self._gate, self.count = gate, 0

    def add(self, count: int) -> None:
        """Hold more.

        Raises:
            Refused: all requests together hold more than the limit.
        """
        if self._gate.held + count > self._gate.limits.held_bytes:
            raise Refused(
                503, "the server holds as many pictures as it may: send it again later", RETRY_S
            )
        self._gate.held += count
        self.count += count


async def body_of(request: Any, limits: Limits, hold: Hold) -> AsyncIterator[bytes]:
    """The chunks of a request's body, within the limits.

    Raises:
        Refused: it is too large, or came too slowly.
        Gone: the client hung up.
    """
    said = request.headers.get("content-length", "")
    if said.isdecimal() and int(said) > limits.body_bytes:
        raise _too_large(limits)
    start, count = time.monotonic(), 0
    while True:
        try:
            async with asyncio.timeout(limits.silent_s):
                message = await request.receive()
        except TimeoutError:
            raise _too_slow(limits) from None
        if message["type"] == "http.disconnect":
            raise Gone
        chunk: bytes = message.get("body", b"")
        count += len(chunk)
        if count > limits.body_bytes:
            raise _too_large(limits)
        took = time.monotonic() - start
        if took > limits.silent_s and count < limits.bytes_per_s * took:
            raise _too_slow(limits)
        hold.add(len(chunk))
        if chunk:
            yield chunk
        if not message.get("more_body", False):
            return


def _too_large(limits: Limits) -> Refused:
    return Refused(413, f"the request is too large: at most {limits.body_bytes:,} bytes are read")


def _too_slow(limits: Limits) -> Refused:
    return Refused(
        408,
        f"the request came too slowly: {limits.bytes_per_s} bytes a second are expected, and no "
        f"pause over {limits.silent_s:g} s",
    )
