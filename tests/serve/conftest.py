"""Servers in this process: the front with a replica of the tiny bundle, or with a made backend."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from serving import REASON, Made, to_file

from edgematte.testcard import testcard as card


@pytest.fixture
def picture() -> bytes:
    """A picture of 60x45 as a PNG."""
    return to_file(card(60, 45))


@pytest.fixture
def made() -> Made:
    """A made backend."""
    return Made()


@pytest.fixture
def serving() -> Iterator[Callable[..., tuple[int, Any]]]:
    """Starts servers on loopback: ``serving(backend, limits)`` -> port, front."""
    pytest.importorskip("fastapi", reason=REASON)
    pytest.importorskip("uvicorn", reason=REASON)
    with ExitStack() as stack:
        yield lambda backend, limits: stack.enter_context(_served(backend, limits))


@contextmanager
def _served(backend: Any, limits: Any) -> Iterator[tuple[int, Any]]:
    from edgematte.serve import server
    from edgematte.serve.app import make_app

    app, stops, up = make_app(backend, ("made",), limits), [], threading.Event()

    def started(stop: Callable[[], None]) -> None:
        stops.append(stop)
        up.set()

    with server.bound("127.0.0.1", 0) as address:
        thread = threading.Thread(target=lambda: server.run(app, address, on_start=started))
        thread.start()
        assert up.wait(10)
        try:
            yield address.getsockname()[1], app.state.front
        finally:
            stops[0]()
            thread.join(20)
            assert not thread.is_alive()


@pytest.fixture
def client(tiny_bundle: Path) -> Iterator[Any]:
    """An HTTP client of the front with a replica of the tiny bundle in this process."""
    pytest.importorskip("fastapi", reason=REASON)
    pytest.importorskip("httpx", reason=REASON)
    from fastapi.testclient import TestClient

    from edgematte.serve.app import make_app
    from edgematte.serve.limits import Limits
    from edgematte.serve.replica import Loading, Offer, Replica

    replica = Replica({"tiny": Offer.of(str(tiny_bundle))}, Loading())
    app = make_app(replica, ("tiny",), Limits(body_bytes=200_000, pixels=100_000))
    app.state.front.ready = True
    with TestClient(app, raise_server_exceptions=False) as asking:
        yield asking
    replica.close()
