"""What a server counts, in Prometheus' text format."""

from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from edgematte.serve.jobs import Answer
from edgematte.serve.limits import Gate

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Metrics:
    """The figures of one server, in a registry of its own."""

    def __init__(self, gate: Gate) -> None:
        self._registry = CollectorRegistry()
        requests, seconds = "Requests that were answered", "Seconds until a request was answered"
        self._requests = self._made(Counter, "requests", requests, ["path", "status"])
        self._seconds = self._made(Histogram, "request_seconds", seconds, ["path"], buckets=SECONDS)
        about = "Seconds of a picture in one stage: decode, a host step, a graph, encode"
        self._stages = self._made(
            Histogram, "stage_seconds", about, ["bundle", "stage"], buckets=SECONDS
        )
        about = "Pictures in the batch of an answered picture"
        self._batch = self._made(
            Histogram, "batch_pictures", about, ["bundle"], buckets=(1, 2, 4, 8, 16, 32)
        )
        self._gone = self._made(Counter, "gone", "Clients that hung up before their answer")
        self._again = self._made(Counter, "repeated_jobs", "Jobs given again after a replica died")
        self._full = self._made(Counter, "refused_connections", "Connections over the limit")
        self._connections = self._made(Gauge, "connections", "Connections that are open")
        self._replicas = self._made(Gauge, "replicas", "Replicas that are running")
        waiting = "Requests with a whole body and no answer yet: the queue and what is worked on"
        self._made(Gauge, "waiting", waiting).set_function(lambda: gate.waiting)
        held = "Bytes of bodies and answers in memory"
        self._made(Gauge, "held_bytes", held).set_function(lambda: gate.held)

    def _made(self, kind: Callable[..., object], name: str, *about: object, **more: object) -> Any:
        return kind(f"edgematte_{name}", *about, registry=self._registry, **more)

    def request(self, path: str, status: int, seconds: float) -> None:
        """A request was answered."""
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def answer(self, bundle: str, answer: Answer) -> None:
        """A picture was matted."""
        self._batch.labels(bundle).observe(1 + answer.shared_with)
        for stage, seconds in answer.seconds.items():
            self._stages.labels(bundle, stage).observe(seconds)

    def gone(self) -> None:
        """A client hung up."""
        self._gone.inc()

    def again(self) -> None:
        """A job was given to another replica."""
        self._again.inc()

    def refused_connection(self) -> None:
        """A connection was one too many."""
        self._full.inc()

    def connections(self, count: int) -> None:
        """So many connections are open."""
        self._connections.set(count)

    def replicas(self, count: int) -> None:
        """So many replicas run."""
        self._replicas.set(count)

    def text(self) -> bytes:
        """All figures."""
        text: bytes = generate_latest(self._registry)
        return text
