"""Clients that are slow, many, or hang up, on sockets of loopback."""

import re
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
from serving import REASON, Made, pixels_of

pytest.importorskip("fastapi", reason=REASON)

from edgematte.serve.limits import Limits

Serving = Callable[..., tuple[int, Any]]
HEAD = (
    b"POST /matte HTTP/1.1\r\nHost: test\r\nContent-Type: multipart/form-data; boundary=x\r\n"
    b"Content-Length: %d\r\n\r\n"
)


PART = b'--x\r\nContent-Disposition: form-data; name="picture"; filename="p"\r\n\r\n'


def request_of(picture: bytes) -> bytes:
    """A whole request."""
    body = PART + picture + b"\r\n--x--\r\n"
    return HEAD % len(body) + body


def connected(port: int) -> socket.socket:
    opened = socket.create_connection(("127.0.0.1", port), timeout=10)
    return opened


def answer_of(opened: socket.socket) -> tuple[int, str, bytes]:
    """Status, head and body of one answer, read to the length that it says."""
    got = b""
    while b"\r\n\r\n" not in got:
        more = opened.recv(65536)
        if not more:
            raise ConnectionError(f"closed after {got!r}")
        got += more
    head, _, body = got.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    while length and len(body) < int(length[1]):
        body += opened.recv(65536)
    return int(head.split()[1]), head.decode().lower(), body


def until(true: Callable[[], bool], seconds: float = 5) -> None:
    latest = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < latest
        time.sleep(0.01)


def test_slow_clients_do_not_hold_others_up(serving: Serving, made: Made) -> None:
    port, front = serving(made, Limits(waiting=1, head_s=0.5, silent_s=0.5, bytes_per_s=1000))
    with ExitStack() as stack:
        slow = [stack.enter_context(connected(port)) for _ in range(20)]
        silent = stack.enter_context(connected(port))
        for each in slow:
            each.sendall(HEAD % 1000 + PART)
        quick = stack.enter_context(connected(port))
        quick.sendall(request_of(b"1234567"))
        status, _, body = answer_of(quick)
        assert status == 200 and pixels_of(body)[0, 0] == 7
        start = time.monotonic()
        while time.monotonic() - start < 0.8:  # more often than silent_s, and too few bytes
            for each in slow[:10]:
                each.sendall(b"-")
            time.sleep(0.1)
        for each in slow:
            status, _, body = answer_of(each)
            assert status == 408 and b"came too slowly" in body
        assert silent.recv(1) == b""  # without a head there is nothing to answer
    until(lambda: front.gate.held == 0)


def test_clients_that_hang_up_leave_nothing_behind(serving: Serving, made: Made) -> None:
    port, front = serving(made, Limits(waiting=2))
    made.let.clear()
    for _ in range(2):
        opened = connected(port)
        opened.sendall(request_of(b"picture"))
        until(lambda: front.gate.waiting > 0)
        opened.close()
        until(lambda: front.gate.waiting == 0)
    half = connected(port)
    half.sendall(HEAD % 10_000 + PART + bytes(5000))
    until(lambda: front.gate.held == len(PART) + 5000)
    half.close()
    until(lambda: front.gate.held == 0)
    assert made.given_up == 2


def test_a_full_server_says_when_to_come_again(serving: Serving, made: Made) -> None:
    port, front = serving(made, Limits(waiting=2, held_bytes=20_000))
    made.let.clear()
    with ExitStack() as stack:
        first, second, third, fourth = (stack.enter_context(connected(port)) for _ in range(4))
        for count, each in enumerate((first, second), 1):
            each.sendall(request_of(b"x" * count))
            until(lambda count=count: front.gate.waiting == count)  # type: ignore[misc]
        third.sendall(request_of(b"picture"))
        status, head, body = answer_of(third)
        assert status == 429 and "retry-after: 1" in head and b"2 pictures are waiting" in body
        made.let.set()
        for count, each in enumerate((first, second), 1):
            status, _, body = answer_of(each)
            assert status == 200 and pixels_of(body)[0, 0] == count
        fourth.sendall(request_of(bytes(30_000)))
        status, head, body = answer_of(fourth)
        assert status == 503 and "retry-after: 1" in head and b"holds as many" in body


def test_more_connections_than_allowed_are_told_so(serving: Serving, made: Made) -> None:
    port, front = serving(made, Limits(connections=20, head_s=30))
    with ExitStack() as stack:
        kept = [stack.enter_context(connected(port)) for _ in range(20)]
        until(lambda: b"connections 20.0" in front.metrics.text())
        for _ in range(30):
            with connected(port) as more:
                status, head, body = answer_of(more)
                assert status == 503 and "retry-after: 1" in head and b"connect again" in body
        kept[0].sendall(request_of(b"12"))
        assert answer_of(kept[0])[0] == 200
    until(lambda: b"connections 0.0" in front.metrics.text())
    with connected(port) as again:
        again.sendall(request_of(b"12"))
        assert answer_of(again)[0] == 200
    assert b"edgematte_refused_connections_total 30.0" in front.metrics.text()


def test_no_answer_in_time(serving: Serving, made: Made) -> None:
    port, _ = serving(made, Limits(answer_s=0.3))
    made.let.clear()
    with connected(port) as opened:
        opened.sendall(request_of(b"picture"))
        status, head, body = answer_of(opened)
    assert status == 504 and b"no answer within 0.3 s" in body
    until(lambda: made.given_up == 1)
