"""A graph ready to be called: declared tensors on one side, an engine on the other."""

from collections.abc import Generator, Iterable, Mapping
from itertools import islice
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from edgematte.arrays import Floats
from edgematte.errors import BundleError, EngineError
from edgematte.host import Host
from edgematte.manifest import Graph, Tensor
from edgematte.runtime.engines import Arrays, Engine
from edgematte.runtime.engines.colours import Colours, colours_of
from edgematte.runtime.engines.workers import Timed, Workers, in_order

CHANNELS_LAST = "NHWC"
"""The layout of tensors whose last axis is channels; pipelines have them second, always."""


class GraphCall(Protocol):
    """What pipelines call: float32 arrays by name, in the unit range, colours as RGB."""

    def __call__(self, **inputs: Floats) -> dict[str, Floats]:
        """Inputs by name -> outputs by name."""


@runtime_checkable
class SideBySide(Protocol):
    """A graph that can run several calls at a time."""

    def answers(
        self, inputs: Iterable[Mapping[str, Floats]], count: int, timed: Timed
    ) -> Generator[dict[str, Floats], None, None]:
        """See :func:`answers`."""


def answers(
    graph: GraphCall, inputs: Iterable[Mapping[str, Floats]], count: int, timed: Timed
) -> Generator[dict[str, Floats], None, None]:
    """The answers of independent calls, in their order, several at a time where the graph can.

    Args:
        graph: called once for each of ``inputs``.
        inputs: by name, as the graph takes them; made one by one, as there is room for them.
        count: how many ``inputs`` there are.
        timed: a context of the time that the caller spends in the graph or waits for it.

    Raises:
        EngineError: as the graph does, after the answers of all calls before.
    """
    if isinstance(graph, SideBySide):
        yield from graph.answers(inputs, count, timed)
        return
    for given in inputs:
        with timed():
            answer = graph(**given)
        yield answer


class Answer(dict[str, Floats]):
    """The outputs of a graph by name; one that its cut needs and it lacks is a BundleError."""

    def __init__(self, graph: str, outputs: Mapping[str, Floats]) -> None:
        """``graph`` is its name."""
        super().__init__(outputs)
        self._graph = graph

    def __missing__(self, name: str) -> Floats:
        """Say which graph lacks which output."""
        raise BundleError(f"graph {self._graph} gives no {name!r}, which its cut needs")


class RunnableGraph:
    """Checks shapes, converts between a pipeline's RGB in [0, 1] and what the manifest declares."""

    def __init__(
        self,
        graph: Graph,
        engine: Engine,
        host: Host | None = None,
        workers: Workers | None = None,
    ) -> None:
        """``graph`` is the manifest's declaration of what ``engine`` runs.

        ``host`` is the host section of its cut; without one the graph takes RGB bytes / 255.
        ``workers`` run calls that do not depend on each other; without them ``engine`` does.

        Raises:
            BundleError: the host section has colours that this version does not know.
        """
        self.graph, self.engine, self.workers = graph, engine, workers
        self.colours = Colours() if host is None else colours_of(host)

    def __call__(self, **inputs: Floats) -> dict[str, Floats]:
        """Float32 inputs by name, unit range -> float32 outputs by name, unit range.

        Raises:
            EngineError: a wrong shape, or a result that is not finite.
            BundleError: the graph has other tensors than its cut.
        """
        return self._call(self.engine, inputs)

    def answers(
        self, inputs: Iterable[Mapping[str, Floats]], count: int, timed: Timed
    ) -> Generator[dict[str, Floats], None, None]:
        """See :func:`answers`."""
        given, workers = iter(inputs), self.workers
        together = 0 if workers is None else workers.crew.division.side_by_side(count)
        if workers is not None and together > 1:
            with timed():
                ready = workers.open()
            if ready:
                yield from in_order(
                    lambda one: self._call(workers, one),
                    islice(given, together),
                    workers.crew.division.workers,
                    timed,
                )
        for one in given:
            with timed():
                answer = self(**one)
            yield answer

    def _call(self, engine: Engine, inputs: Mapping[str, Floats]) -> dict[str, Floats]:
        graph = self.graph
        if graph.dynamic_batch:
            graph = graph.of_batch(len(inputs[graph.inputs[0].name]))
        for tensor in graph.inputs:
            if tensor.name not in inputs:
                raise BundleError(
                    f"graph {graph.name} takes {tensor.name[:60]!r}, which its cut does not give"
                )
        given = {t.name: to_file(inputs[t.name], t, self.colours) for t in graph.inputs}
        arrays: Arrays = engine.run(given)
        return Answer(graph.name, {t.name: self._from_file(arrays, t) for t in graph.outputs})

    def _from_file(self, arrays: Mapping[str, NDArray[Any]], tensor: Tensor) -> Floats:
        raw = np.asarray(arrays[tensor.name])
        if raw.shape != tensor.shape:
            raise EngineError(
                f"graph {self.graph.name} gave {tensor.name} of shape {list(raw.shape)}; "
                f"the manifest says {list(tensor.shape)}"
            )
        if tensor.layout == CHANNELS_LAST:
            raw = np.ascontiguousarray(raw.transpose(0, 3, 1, 2))
        value: Floats = raw.astype(np.float32, copy=tensor.range == (0, 255))
        with np.errstate(invalid="ignore", over="ignore"):
            total = value.sum()  # one pass over the values; not finite if one of them is not
        if not np.isfinite(total) and not np.isfinite(value).all():
            raise EngineError(f"graph {self.graph.name} gave values of {tensor.name} not finite")
        if tensor.range == (0, 255):
            value /= np.float32(255)
        return value


def to_file(value: Floats, tensor: Tensor, colours: Colours | None = None) -> NDArray[Any]:
    """A unit-range float32 array (N, C, H, W) -> what the file's tensor takes.

    That is its dtype, its range, its colours and its order of axes.
    """
    last = tensor.layout == CHANNELS_LAST
    shape = tuple(tensor.shape[axis] for axis in (0, 3, 1, 2)) if last else tensor.shape
    if value.shape != shape:
        raise EngineError(
            f"{tensor.name} has shape {list(value.shape)}; the graph takes {list(shape)}"
        )
    if colours is not None:
        value = colours(value, tensor)
    if tensor.range == (0, 255):
        value = np.rint(value * np.float32(255))
    if last:
        value = value.transpose(0, 2, 3, 1)
    return np.ascontiguousarray(value, np.dtype(tensor.dtype))


def need(graphs: Mapping[str, GraphCall], name: str, cut: str) -> None:
    """Refuse a bundle without a graph that its cut needs.

    Raises:
        BundleError: naming the graph.
    """
    if name not in graphs:
        raise BundleError(f"the {cut} cut needs a graph {name!r}; the bundle has none")
