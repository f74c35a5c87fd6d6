"""Around every request: its bytes are accounted for, its answer goes out in pieces, and is counted.

Pieces make a client that reads slowly hold back the sending, so that what it has not read stays
accounted for; one that does not read within the time of an answer is given up.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from edgematte.serve.limits import Gate
from edgematte.serve.metrics import Metrics

PIECE = 65_536
PATHS = ("/matte", "/v1.0/removebg", "/health", "/ready", "/metrics", "/openapi.json")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class NotRead(Exception):
    """The client did not read its answer in time."""


class Traffic:
    """An ASGI application around another."""

    def __init__(self, app: Callable[..., Awaitable[None]], gate: Gate, metrics: Metrics) -> None:
        self._app, self._gate, self._metrics = app, gate, metrics

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One request; what is no request of HTTP goes through unchanged."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status = time.monotonic(), 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await self._in_pieces(message, send)

        try:
            with self._gate.holding() as hold:
                scope["hold"] = hold
                await self._app(scope, receive, sending)
        except NotRead:  # the connection is closed, because the answer is not whole
            self._metrics.gone()
        finally:
            path = scope["path"] if scope["path"] in PATHS else "other"
            self._metrics.request(path, status, time.monotonic() - start)

    async def _in_pieces(self, message: Message, send: Send) -> None:
        body = message.get("body", b"")
        if len(body) <= PIECE:
            await send(message)
            return
        more = message.get("more_body", False)
        try:
            async with asyncio.timeout(self._gate.limits.answer_s):
                for at in range(0, len(body), PIECE):
                    piece = {**message, "body": body[at : at + PIECE]}
                    await send({**piece, "more_body": more or at + PIECE < len(body)})
        except TimeoutError:
            raise NotRead from None
