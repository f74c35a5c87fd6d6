"""Connections: no more than a limit, and none that never says what it wants."""

import asyncio
import socket
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from edgematte.serve.limits import RETRY_S, Limits
from edgematte.serve.metrics import Metrics

LEAVE_S = 1.0  # a refused client has so long to read why
LEAVING = 256  # so many of them at most are waited for

_SENTENCE = b'{"error":"the server has as many connections as it may: connect again later"}'
FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nconnection: close\r\n"
    b"retry-after: %d\r\ncontent-length: %d\r\n\r\n%s" % (RETRY_S, len(_SENTENCE), _SENTENCE)
)


class BoundedProtocol(H11Protocol):  # type: ignore[misc]
    """uvicorn's protocol on h11, which limits the size of a request's head, with further limits.

    A subclass that :func:`protocol_for` makes has them.
    """

    limits: Limits
    metrics: Metrics
    leaving: set[asyncio.Transport]  # refused connections that are not closed yet

    _refused = False
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Take the connection, or say that there are too many."""
        if len(self.connections) >= self.limits.connections:
            self._refuse(transport)
            return
        _give_up_unread(transport, self.limits.answer_s)
        super().connection_made(transport)
        self.metrics.connections(len(self.connections))
        self._mind()

    def data_received(self, data: bytes) -> None:
        """Read on; the head of a request must be there in time."""
        if not self._refused:
            super().data_received(data)
            self._mind()

    def eof_received(self) -> None:
        """The client sends nothing more."""
        if not self._refused:
            super().eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone."""
        self._stop_timer()
        if self._refused:
            self.leaving.discard(self.transport)
            return
        super().connection_lost(error)
        self.metrics.connections(len(self.connections))

    def pause_writing(self) -> None:
        """The client does not read what was written."""
        if not self._refused:
            super().pause_writing()

    def resume_writing(self) -> None:
        """It reads again."""
        if not self._refused:
            super().resume_writing()

    def _refuse(self, transport: Any) -> None:
        self._refused, self.transport = True, transport
        self.metrics.refused_connection()
        transport.write(FULL)
        if len(self.leaving) >= LEAVING:
            transport.close()
            return
        self.leaving.add(transport)
        if transport.can_write_eof():
            transport.write_eof()
        self._timer = self.loop.call_later(LEAVE_S, transport.abort)

    def _mind(self) -> None:
        """Wait for the head of a request as long as none is being answered."""
        busy = self.cycle is not None and not self.cycle.response_complete
        if busy:
            self._stop_timer()
        elif self._timer is None:
            self._timer = self.loop.call_later(self.limits.head_s, self._late)

    def _late(self) -> None:
        self._timer = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.abort()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def protocol_for(limits: Limits, metrics: Metrics) -> type[BoundedProtocol]:
    """The protocol of one server."""
    return type(
        "Protocol", (BoundedProtocol,), {"limits": limits, "metrics": metrics, "leaving": set()}
    )


def _give_up_unread(transport: Any, seconds: float) -> None:
    """Close the connection when what was written is not taken for so long, where systems can."""
    connection = transport.get_extra_info("socket")
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    if connection is not None and option is not None and connection.family != socket.AF_UNIX:
        connection.setsockopt(socket.IPPROTO_TCP, option, int(1000 * seconds))
