"""Workers as actors of Ray, on a cluster that is there or on one that is started here.

The pool is made of plain actors, not of Ray Data's `map_batches`: that restarts an actor with its
tasks for ever, so that a picture that kills its process never ends, and waits for room where a node
is gone (ray-project/ray issues 62746 and 51946).
"""

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from edgematte import ray_address
from edgematte.batch.place import PIP
from edgematte.batch.pool import Died, Event, Finished, Ready
from edgematte.batch.worker import Setup, Task, Worked, Worker
from edgematte.errors import BatchError, line_of
from edgematte.extras import importing
from edgematte.runtime.engines.workers import usable_cores

LOCAL = "local"
NODE_S = 2.0  # for a node to answer, when a worker on it ended
START_S = 600.0
"""*Chosen*: how long a batch waits for a first worker; clusters that grow take minutes."""
DEATHS = 3  # of workers that never got ready, one after the other
STORE_BYTES = 100_000_000  # of Ray's store of objects on a cluster that is started here: rows only


@dataclass(frozen=True)
class Layout:
    """How a batch uses a cluster: so many workers, with `threads` and `gpus` each."""

    actors: int
    threads: int = 1
    gpus: int = 0


@contextmanager
def cluster(address: str | None, actors: int | None, threads: int, gpus: int) -> Iterator[Layout]:
    """Connect to a cluster, or start one here and end it with the body.

    Args:
        address: ``host:port`` of a cluster, ``ray://host:port``, ``auto`` for the one of this
            machine; None or ``local``: one is started.
        actors: workers; None: as many as there are processors for.
        threads: processors of each.
        gpus: of each.

    Raises:
        BatchError: the cluster cannot be used, or more processors are asked for than a cluster on
            this machine has.
    """
    import ray

    here = address is None or address == LOCAL
    common: dict[str, Any] = {
        "log_to_driver": False,
        "logging_level": logging.ERROR,
        "configure_logging": True,
    }
    if here:
        cores = usable_cores()
        actors = max(1, cores // threads) if actors is None else actors
        if actors * threads > cores:
            raise BatchError(
                f"{actors} actors with {threads} threads each need {actors * threads} processors, "
                f"and there are {cores} here: ask for fewer, or give the address of a cluster"
            )
        common |= {
            "address": LOCAL,
            "num_cpus": actors * threads,
            "include_dashboard": False,
            "object_store_memory": STORE_BYTES,
        }
    else:
        common["address"] = address
    with _own_signals():
        try:
            ray.init(**common)
        except Exception as error:  # Ray raises many kinds, some of them with pages of text
            raise BatchError(_refused(address or LOCAL, error)) from None
    try:
        if actors is None:
            actors = max(1, int(ray.cluster_resources().get("CPU", 1)) // threads)
        yield Layout(actors, threads, gpus)
    finally:
        ray.shutdown()


def _refused(address: str, error: Exception) -> str:
    why = line_of(error)
    return f"the Ray cluster at {address} cannot be used ({why}): start it, or give its address"


def reach(address: str | None) -> None:
    """Refuse a cluster that cannot be reached, before any work; Ray itself would try for minutes.

    Raises:
        BatchError: Ray is missing, what is given is no address, or nothing answers there.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would report to its makers
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    with importing("a batch runs on Ray, which is missing", PIP, BatchError):
        import ray  # noqa: F401
    if address in (None, LOCAL, "auto"):
        return
    ray_address.reach(str(address), BatchError, ", auto or local")


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keep how this program ends by signals: Ray sets handlers of its own when it is started."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class RayWorker(Worker):
    """A worker that knows its node by Ray's name."""

    def started(self) -> tuple[str, str | None]:
        """The node, and why this worker cannot work, if it cannot."""
        import ray

        return str(ray.get_runtime_context().get_node_id()), self.refusal


@dataclass
class _Actor:
    handle: Any
    node: str | None = None  # once it is ready
    refs: list[Any] = field(default_factory=list)  # of the tasks it has, the oldest first


class Actors:
    """A pool of Ray's actors; see :class:`edgematte.batch.pool.Pool`."""

    def __init__(self, setup: Setup, layout: Layout) -> None:
        """Ask for all workers; they come as there is room for them."""
        import ray

        self._ray = ray
        self._setup, self._kind = (
            setup,
            ray.remote(
                num_cpus=layout.threads,
                num_gpus=layout.gpus,
                max_restarts=0,
                max_task_retries=0,
                scheduling_strategy="SPREAD",
            )(RayWorker),
        )
        self._actors: dict[int, _Actor] = {}
        self._number = self._deaths = 0
        self._since = time.monotonic()
        for _ in range(layout.actors):
            self._start()

    def _start(self) -> None:
        actor = _Actor(self._kind.remote(self._setup))
        actor.refs = [actor.handle.started.remote()]
        self._actors[self._number] = actor
        self._number += 1

    def submit(self, worker: int, tasks: Sequence[Task]) -> None:
        """Give tasks to a ready worker."""
        actor = self._actors[worker]
        actor.refs.append(actor.handle.work.remote(tasks))

    def wait(self) -> list[Event]:
        """What happened since; an error of a worker that ends the batch is raised."""
        while True:
            owners = {ref: n for n, actor in self._actors.items() for ref in actor.refs}
            ready, _ = self._ray.wait(list(owners), num_returns=1, timeout=5.0)
            if ready:
                more, _ = self._ray.wait(list(owners), num_returns=len(owners), timeout=0)
                events: list[Event] = []
                for worker in sorted({owners[ref] for ref in (*ready, *more)}):
                    events += self._of(worker, {*ready, *more})
                return events
            waited = time.monotonic() - self._since
            if waited > START_S and all(a.node is None for a in self._actors.values()):
                raise BatchError(
                    f"no worker could start in {START_S / 60:.0f} minutes: the cluster has no room "
                    "for one; ask for fewer threads, or start nodes"
                )

    def _of(self, worker: int, ready: set[Any]) -> list[Event]:
        """What happened to one worker, in order."""
        actor, events = self._actors[worker], list[Event]()
        while actor.refs and actor.refs[0] in ready:
            try:
                value = self._ray.get(actor.refs[0])
            except self._ray.exceptions.RayTaskError as error:
                raise BatchError(f"a worker failed: {error.cause!r}") from None
            except self._ray.exceptions.RayError as error:
                return [*events, self._died(worker, error)]
            del actor.refs[0]
            if actor.node is None:
                actor.node, refusal = value
                if refusal is not None:
                    raise BatchError(refusal)
                self._deaths = 0
                events.append(Ready(worker))
                continue
            done: Worked = value
            events.append(Finished(worker, done.rows, done.stop))
        return events

    def _died(self, worker: int, error: Exception) -> Died:
        actor = self._actors.pop(worker)
        self._deaths += actor.node is None
        if self._deaths >= DEATHS:
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            raise BatchError(f"workers end before they are ready: {' '.join(lines)[:300]}")
        self._ray.kill(actor.handle)  # it may be out of reach alone
        self._since = time.monotonic()
        self._start()
        return Died(worker, actor.node is not None and self._gone(actor.node))

    def _gone(self, name: str) -> bool:
        """Whether a node ended; the cluster itself takes up to half a minute to say so."""
        node = next((n for n in self._ray.nodes() if n["NodeID"] == name), None)
        if node is None or not node["Alive"]:
            return True
        if self._ray.util.client.ray.is_connected():  # nodes cannot be reached from outside
            return False
        try:
            place = node["NodeManagerAddress"], node["NodeManagerPort"]
            socket.create_connection(place, NODE_S).close()
        except OSError:
            return True
        return False

    def close(self) -> None:
        """End all workers."""
        for actor in self._actors.values():
            self._ray.kill(actor.handle)
