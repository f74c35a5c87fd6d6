"""What works on pictures: a bundle, loaded once, and the whole way from a file to its results."""

import hashlib
import io
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from edgematte.batch.place import FULL, Place
from edgematte.batch.rows import DONE, FAILED, SECONDS, Row
from edgematte.batch.source import Reader, Source
from edgematte.errors import BatchError, EdgematteError
from edgematte.manifest import FILE
from edgematte.pictures import alpha_bytes, encode, open_picture
from edgematte.pictures.formats import row_named
from edgematte.pictures.results import ResultOptions
from edgematte.runtime.bundle import open_bundle, sha256_file
from edgematte.runtime.host.trimap import UNKNOWN
from edgematte.runtime.load import load
from edgematte.runtime.matter import Matter

PATIENCE_S = 10  # a worker that is out of reach may still write what another was given since


@dataclass(frozen=True)
class Setup:
    """All that a worker is told when it starts.

    `digest`: of the bundle, :func:`digest_of`. `mark`: name and bytes of a file that the batch left
    in the place of results. `loading`: keywords of `edgematte.load`. `kinds`: of results.
    """

    bundle: str | None
    digest: str
    output: str
    mark: tuple[str, bytes]
    kinds: tuple[str, ...] = ("cutout",)
    results: ResultOptions = ResultOptions()
    loading: dict[str, Any] = field(default_factory=dict)


class Task(NamedTuple):
    """A picture with the names of its results by kind.

    `attempts`: how often it was begun before, and its worker's process ended. `ends`: the same, and
    the node ended.
    """

    source: Source
    names: tuple[tuple[str, str], ...]
    attempts: int = 0
    ends: int = 0


class Worked(NamedTuple):
    """The rows of some tasks; `stop`: why the work cannot go on, then rows are left out."""

    rows: list[Row]
    stop: str | None = None


def digest_of(bundle: str | None) -> str:
    """What tells versions of a bundle apart: sha256 of its manifest, which has that of every file.

    Raises:
        BundleError: as `open_bundle`.
    """
    return sha256_file(open_bundle(bundle).path / FILE)


class Worker:
    """Mattes pictures with a bundle that is loaded once."""

    def __init__(self, setup: Setup) -> None:
        """Load the bundle; why that does not go is `refusal`, which an actor can tell."""
        self.node = socket.gethostname()
        self.setup, self.place, self.reader = setup, Place(setup.output), Reader()
        self.row = row_named("PNG")
        self.refusal: str | None = None
        try:
            self.matter = self._loaded()
        except (EdgematteError, OSError) as error:
            self.refusal = f"{self.node}: {error}"

    def work(self, tasks: Sequence[Task]) -> Worked:
        """The rows of some pictures; what is wrong with a picture is in its row.

        A picture's results are written before its row is there. When the place of results is full,
        the work stops.
        """
        rows: list[Row] = []
        for task in tasks:
            seconds: dict[str, float] = {}
            try:
                rows.append(self._matted(task, seconds))
            except OSError as error:
                if error.errno in FULL:
                    return Worked(rows, f"no space is left at {self.setup.output} ({self.node})")
                rows.append(self._failed(task, seconds, error.strerror or str(error)))
            except MemoryError:
                rows.append(self._failed(task, seconds, "not enough memory"))
            except EdgematteError as error:
                rows.append(self._failed(task, seconds, str(error)))
            except Exception as error:  # of a million pictures one may do what none did before
                what = f"{type(error).__name__}: {error}"
                rows.append(self._failed(task, seconds, what))
        return Worked(rows)

    def _loaded(self) -> Matter:
        setup = self.setup
        found = digest_of(setup.bundle)
        if found != setup.digest:
            raise BatchError(
                f"the bundle {setup.bundle or 'that ships with edgematte'} is another version here "
                f"(sha256 {found[:12]}) than where the batch was started ({setup.digest[:12]}): "
                "copy it to all nodes, or to a place that they share"
            )
        name, content = setup.mark
        if self.place.read(name) != content:
            raise BatchError(
                f"{setup.output} is not the folder of the batch here: give one on storage that all "
                "nodes share, or a URL of fsspec"
            )
        return load(setup.bundle, **setup.loading)

    def _matted(self, task: Task, seconds: dict[str, float]) -> Row:
        wanted = self.setup.results
        with _timed(seconds, "read"):
            data = self.reader(task.source)
        with _timed(seconds, "decode"):
            picture = open_picture(io.BytesIO(data), task.source.path)
        del data
        start = time.perf_counter()
        matte = self.matter(wanted.image(picture))
        whole = time.perf_counter() - start
        graphs = sum(s for name, s in matte.timings.items() if name.startswith("graph."))
        seconds["graph"] = min(graphs, whole)  # of calls side by side the sum is longer
        seconds["host"] = whole - seconds["graph"]
        picture, matte = wanted.on_screen(picture, matte)
        for kind, name in task.names:
            with _timed(seconds, "encode"):
                array = wanted.make(kind, picture, matte, self.row)
                exif = wanted.exif(kind, picture)
                level = wanted.png_level
                file = encode(
                    array,
                    "PNG",
                    picture.profile,
                    png_level=level,
                    exif=exif,
                    coding=wanted.coding(kind, picture, self.row),
                )
            with _timed(seconds, "write"):
                again = task.attempts + task.ends > 0
                self.place.write(name, file, patience_s=PATIENCE_S if again else 0)
        height, width = matte.alpha.shape
        values = alpha_bytes(matte.alpha, wanted.alpha_bits or 8)
        digest = hashlib.sha256(values.astype(values.dtype.newbyteorder("<")).tobytes())
        return Row(
            task.source.path,
            DONE,
            width=width,
            height=height,
            unknown=float(np.mean(matte.trimap == UNKNOWN)),
            sha256=digest.hexdigest(),
            results=task.names,
            seconds=_in_order(seconds),
            node=self.node,
            attempts=task.attempts + task.ends + 1,
        )

    def _failed(self, task: Task, seconds: dict[str, float], error: str) -> Row:
        return Row(
            task.source.path,
            FAILED,
            " ".join(error.split()),
            seconds=_in_order(seconds),
            node=self.node,
            attempts=task.attempts + task.ends + 1,
        )


def _in_order(seconds: dict[str, float]) -> tuple[tuple[str, float], ...]:
    return tuple((stage, seconds[stage]) for stage in SECONDS if stage in seconds)


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    try:
        yield
    finally:
        seconds[stage] = seconds.get(stage, 0.0) + time.perf_counter() - start
