"""Loaded and proven bundles in one process, which answer jobs; what a replica of the fleet is."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgematte.errors import BundleError, EdgematteError
from edgematte.manifest import FILE
from edgematte.runtime.bundle import Bundle, open_bundle, sha256_file
from edgematte.runtime.capabilities import Batched, able
from edgematte.runtime.load import load
from edgematte.runtime.matte import Matte
from edgematte.runtime.matter import Matter
from edgematte.serve.jobs import Answer, Job, Refusal
from edgematte.serve.work import Taken, give, matte, refusal_of, take

log = logging.getLogger(__name__)

BATCH = 8
"""*Chosen*: tiles in a call, and pictures in a batch, of bundles with a dynamic batch."""
BUCKET_PX = 512
"""Pictures are of one bucket if their sides lie between the same doublings of this."""


@dataclass(frozen=True)
class Loading:
    """How replicas load bundles; the fields are arguments of :func:`edgematte.load`."""

    engine: str | None = None
    device: str | None = None
    threads: int | None = 1
    engine_cache: str | None = None
    batch: int | None = None  # of bundles with a dynamic batch; None: BATCH
    batch_wait_s: float = 0.01
    plugins: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Offer:
    """A bundle that is served: where it lies, and the sha256 of its manifest."""

    path: str | None  # None: the bundle that ships with edgematte
    digest: str

    @classmethod
    def of(cls, path: str | None) -> "Offer":
        """The bundle at a path, opened and verified; errors as of `open_bundle`."""
        bundle = open_bundle(path)
        where = None if path is None else str(Path(path).absolute())
        return cls(where, digest_of(bundle))


def digest_of(bundle: Bundle) -> str:
    """The sha256 of a bundle's manifest, which has those of all its files."""
    return sha256_file(bundle.path / FILE)


class Replica:
    """Answers jobs with bundles that were loaded and proven when it was made.

    One picture is worked on at a time. Of bundles with a dynamic batch those pictures that wait are
    matted together, with others of their bucket of sizes.
    """

    def __init__(self, offers: Mapping[str, Offer], loading: Loading) -> None:
        """Load every bundle, and prove it by its golden calls.

        Raises:
            BundleError: a bundle is another than was offered.
            ToleranceError: one is outside of its tolerance here.
            EdgematteError: as of :func:`edgematte.load`.
        """
        self._loading = loading
        self._matters = {name: _loaded(name, offer, loading) for name, offer in offers.items()}
        self._works = ThreadPoolExecutor(1, "matte")
        self._files = ThreadPoolExecutor(1, "files")
        self._batches: dict[tuple[str, int, int], Callable[[Taken], Awaitable[Any]]] = {}

    async def matte(self, job: Job) -> Answer | Refusal:
        """The answer to a job; whatever is wrong with it is a refusal, too."""
        try:
            matter = self._matters[job.bundle]
            if able(matter.pipeline, Batched) is not None and dynamic(matter.bundle):
                return await self._batched(job, matter)
            whole: Answer = await self._run(self._works, _whole, job, matter)
            return whole
        except Exception as error:
            return self._refusal(error)

    def close(self) -> None:
        """Let go of the bundles; work that was begun ends."""
        self._works.shutdown(wait=False, cancel_futures=True)
        self._files.shutdown(wait=False, cancel_futures=True)
        for matter in self._matters.values():
            matter.close()

    async def _batched(self, job: Job, matter: Matter) -> Answer | Refusal:
        taken = await self._run(self._files, take, job)
        height, width = taken.picture.pixels.shape[:2]
        key = job.bundle, _doublings(width), _doublings(height)
        if key not in self._batches:
            self._batches[key] = self._queue(matter)
        outcome, shared_with = await self._batches[key](taken)
        if isinstance(outcome, EdgematteError):
            return self._refusal(outcome)
        answer: Answer = await self._run(self._files, give, taken, outcome, shared_with)
        return answer

    def _queue(self, matter: Matter) -> Callable[[Taken], Awaitable[Any]]:
        """A queue of pictures of one bucket, which are matted several at a time."""
        from ray import serve

        async def together(waiting: list[Taken]) -> list[tuple[Matte | EdgematteError, int]]:
            outcomes = await self._run(self._works, _several, matter, waiting)
            return [(outcome, len(waiting) - 1) for outcome in outcomes]

        size, wait_s = self._loading.batch or BATCH, self._loading.batch_wait_s
        queue: Callable[[Taken], Awaitable[Any]] = serve.batch(
            max_batch_size=size, batch_wait_timeout_s=wait_s
        )(together)
        return queue

    async def _run(self, pool: ThreadPoolExecutor, work: Callable[..., Any], *given: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(pool, work, *given)

    def _refusal(self, error: Exception) -> Refusal:
        if (refusal := refusal_of(error)) is not None:
            return refusal
        log.error("a job failed", exc_info=error)
        return Refusal(500, "the server failed on this picture; its log says why")


def dynamic(bundle: Bundle) -> bool:
    """Whether any graph of a bundle takes several tiles in a call."""
    return any(graph.dynamic_batch for graph in bundle.manifest.graphs)


def _loaded(name: str, offer: Offer, loading: Loading) -> Matter:
    opened = open_bundle(offer.path)
    if digest_of(opened) != offer.digest:
        raise BundleError(
            f"the bundle {name} at {offer.path} is another one here than where the server was "
            "started: copy it to every node again"
        )
    return load(
        offer.path,
        engine=loading.engine,
        device=loading.device,
        verify=True,
        threads=loading.threads,
        engine_cache=loading.engine_cache,
        batch=(loading.batch or BATCH) if dynamic(opened) else 1,
        plugins=loading.plugins,
        **loading.options,
    )


def _whole(job: Job, matter: Matter) -> Answer:
    taken = take(job)
    return give(taken, matte(matter, taken))


def _several(matter: Matter, waiting: Sequence[Taken]) -> list[Matte | EdgematteError]:
    """The mattes of a batch; if one spoils it, each picture's alone."""
    try:
        return list(
            matter.many(
                [t.picture for t in waiting],
                [t.trimap for t in waiting],
                masks=[t.mask for t in waiting],
            )
        )
    except EdgematteError as error:
        if len(waiting) == 1:
            return [error]
    return [_several(matter, [taken])[0] for taken in waiting]


def _doublings(side: int) -> int:
    """How often :data:`BUCKET_PX` is doubled until a side fits."""
    return ((side - 1) // BUCKET_PX).bit_length()
