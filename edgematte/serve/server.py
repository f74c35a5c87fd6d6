"""Listening, and stopping: what was accepted is answered first."""

import asyncio
import contextlib
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn

from edgematte.errors import ServerError
from edgematte.serve.connections import protocol_for
from edgematte.serve.front import Front

log = logging.getLogger(__name__)

SPARE_FILES = 300  # descriptors beside those of connections: Ray's, the bundles'


def bound(host: str, port: int) -> socket.socket:
    """A socket with an address, that does not listen yet; with port 0 the system chooses one.

    Raises:
        ServerError: no such address, or it is taken.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        opened = socket.socket(family, kind, protocol)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(address)
    except OSError as error:
        raise ServerError(
            f"{host} port {port} cannot be listened on ({error.strerror or error})"
        ) from None
    return opened


def room_for(connections: int) -> None:
    """Let this process have so many connections.

    Raises:
        ServerError: the system does not.
    """
    try:
        import resource
    except ImportError:  # Windows, which has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + SPARE_FILES
    if hard != resource.RLIM_INFINITY and needed > hard:
        raise ServerError(
            f"{connections} connections need {needed} open files, and this system allows {hard}: "
            "allow fewer connections, or raise its limit (ulimit -n)"
        )
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def run(
    app: Any,
    address: socket.socket,
    *,
    look: Callable[[], int] | None = None,
    look_s: float = 1.0,
    on_start: Callable[[Callable[[], None]], None] = lambda stop: None,
) -> None:
    """Serve until a signal asks to stop; then answer what was accepted, and return.

    A second signal ends it at once.

    Args:
        app: of :func:`edgematte.serve.app.make_app`.
        address: of :func:`bound`.
        look: counts the replicas that run; without one the server is not ready.
        look_s: how often it is called, in a thread.
        on_start: is called when requests are taken, with a function that stops as a signal does.
    """
    front: Front = app.state.front
    config = uvicorn.Config(
        app,
        http=protocol_for(front.limits, front.metrics),
        ws="none",
        lifespan="off",
        loop="asyncio",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=int(2 * front.limits.answer_s) + 1,
    )
    server = _Server(config)

    async def main() -> None:
        front.ready = look is None
        watching = asyncio.ensure_future(_watch(front, look, look_s)) if look else None
        serving = asyncio.ensure_future(server.serve(sockets=[address]))
        while not server.started and not serving.done():
            await asyncio.sleep(0.01)
        on_start(lambda: server.handle_exit(signal.SIGTERM, None))
        await serving
        front.gate.closing = True
        if watching is not None:
            await watching

    server.gate = front.gate
    asyncio.run(main())


class _Server(uvicorn.Server):  # type: ignore[misc]
    """uvicorn's server; a signal that stopped it is not raised again after it has stopped."""

    gate: Any = None
    should_exit: bool
    force_exit: bool

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop by SIGINT and SIGTERM, in the main thread, which alone gets them."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {
            number: signal.signal(number, self.handle_exit)
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Stop; the second time at once."""
        self.gate.closing = True
        log.info("stopping: %d requests are answered first", self.gate.waiting)
        if self.should_exit:
            self.force_exit = True
        self.should_exit = True


async def _watch(front: Front, look: Callable[[], int], look_s: float) -> None:
    """Keep in mind how many replicas run, until the server stops."""
    while not front.gate.closing:
        count = await asyncio.to_thread(look)
        front.metrics.replicas(count)
        front.ready = count > 0
        await asyncio.sleep(look_s)
