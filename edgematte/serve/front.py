"""The state of a server: who answers, what is allowed, what is counted."""

import asyncio
from collections.abc import Awaitable
from typing import Any, Protocol, TypeVar

from edgematte.serve.jobs import Answer, Job, Refusal
from edgematte.serve.keys import Keys
from edgematte.serve.limits import RETRY_S, Gate, Gone, Hold, Limits
from edgematte.serve.metrics import Metrics
from edgematte.serve.refused import Refused

T = TypeVar("T")


class Backend(Protocol):
    """What answers jobs: a replica in this process, or a fleet of them."""

    async def matte(self, job: Job) -> Answer | Refusal:
        """The answer to a job."""


class Front:
    """The state of one server: who answers, what is allowed, what is counted."""

    def __init__(
        self, backend: Backend, bundles: tuple[str, ...], limits: Limits, keys: Keys
    ) -> None:
        self.backend, self.bundles, self.limits, self.keys = backend, bundles, limits, keys
        self.gate = Gate(limits)
        self.metrics = Metrics(self.gate)
        self.ready = False

    def allow(self, request: Any) -> None:
        """Refuse a request without a key, where one is asked for."""
        if not self.keys.allow(request.headers):
            raise Refused(401, "give an API key that is known here, in the header X-Api-Key")

    async def answered(self, request: Any, job: Job, hold: Hold) -> Answer:
        """The answer to a job, in time.

        Raises:
            Refused: the job was, or there is no room, or no answer in time.
            Gone: the client hung up.
        """
        with self.gate.entered():
            try:
                async with asyncio.timeout(self.limits.answer_s):
                    answer = await _unless_gone(request, self.backend.matte(job))
            except TimeoutError:
                raise Refused(
                    504,
                    f"no answer within {self.limits.answer_s:g} s: send a smaller picture, or try "
                    "again later",
                    RETRY_S,
                ) from None
        if isinstance(answer, Refusal):
            retry_s = RETRY_S if answer.status in (429, 503) else None
            raise Refused(answer.status, answer.sentence, retry_s)
        hold.add(len(answer.content))
        self.metrics.answer(job.bundle, answer)
        return answer


async def _unless_gone(request: Any, work: Awaitable[T]) -> T:
    """The result of work that is given up when the client hangs up.

    Raises:
        Gone: it did.
    """
    working = asyncio.ensure_future(work)
    watching = asyncio.ensure_future(_hung_up(request))
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise Gone
        return working.result()
    finally:
        for task in (working, watching):
            task.cancel()
        await asyncio.gather(working, watching, return_exceptions=True)


async def _hung_up(request: Any) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
