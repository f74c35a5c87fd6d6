"""Opening a bundle for use: its graphs on an engine, its host side with the options given."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgematte.errors import EngineError, OptionError
from edgematte.manifest import Graph
from edgematte.nets import find, plug_in
from edgematte.ranges import check_options
from edgematte.runtime.bundle import Bundle, open_bundle
from edgematte.runtime.capabilities import Batched, able
from edgematte.runtime.engines import AUTO, ENGINES, Engine, EngineOptions, engine_for, open_engine
from edgematte.runtime.engines.graph import RunnableGraph
from edgematte.runtime.engines.workers import REMOTE, Crew, Division, Workers, usable_cores
from edgematte.runtime.matter import Matter
from edgematte.runtime.net_options import read_load_options
from edgematte.runtime.pipeline import Sourced, pipeline_for

if TYPE_CHECKING:
    from edgematte.runtime.proof.choice import Chosen

log = logging.getLogger(__name__)


def load(
    bundle: Path | str | None = None,
    *,
    engine: str | None = None,
    device: str | None = None,
    verify: bool = False,
    threads: int | None = None,
    engine_cache: Path | str | None = None,
    batch: int = 1,
    in_flight: int = 1,
    plugins: Iterable[str] = (),
    **options: Any,
) -> Matter:
    """Load a bundle; without one, the default that ships with edgematte.

    Examples:
        >>> import edgematte
        >>> edgematte.load(threads=1).engine
        'onnxruntime'

    A forked child opens ONNX Runtime's and LiteRT's graphs on the processor again, at its first
    call; with other engines and devices its calls raise EngineError.

    Args:
        bundle: path of a ``.edgematte`` folder, or of a zip file of one; the name of a net whose
            bundle ships, as one for pictures with a trimap does; or ``hf:OWNER/NAME@REVISION``, one
            on the Hugging Face hub.
        engine: onnxruntime, openvino, coreml, litert, browser or kserve; by default the bundle's
            own. ``auto``: each engine and device that is here runs a golden call of every graph, in
            the file's own precision, and the fastest that is inside the tolerance is taken; see
            ``Matter.engine_choice``. The verdict is remembered.
        device: of the engine: cpu, cuda, cuda:1, tensorrt, coreml, gpu, npu, ane, webgpu; default
            cpu. Of kserve the address of a server that has the bundle's graphs as models:
            ``grpc://HOST:PORT``, ``http://HOST:PORT``, with TLS ``grpcs://`` or ``https://``, and
            behind it, where models are not named as the graphs are, ``/NAMES`` with ``{graph}`` in
            it; ``?timeout_s=N`` limits a call (default 60). Host steps stay here.
        verify: run the golden calls on the one engine that was asked for. This, too, is remembered.
        threads: worker threads of the engine, 1 to 256; by default its own choice. Core ML,
            browsers and servers have no such option. Calls that do not depend on each other, such
            as those of patches, share them: so many run side by side, one thread each; see
            ``Matter.division``.
        engine_cache: folder where tensorrt keeps the engines it compiled, for the next start.
        batch: how many tiles run in one call, for bundles exported with a dynamic batch.
        in_flight: how many pictures are worked on at a time, by ``many``, by calls from so many
            threads of yours, and by ``stream`` for nets that matte every frame alone. The threads
            are divided among them, so that there must be as many.
        plugins: modules that bring nets of their own and are not installed as packages.
        **options: what the bundle's net declares, such as ``max_regions`` or ``steps``;
            ``edgematte matte --help`` lists every net's.

    Raises:
        BundleError: a missing, damaged or unknown bundle.
        EngineError: the engine or device asked for is not here. There is no silent fallback.
        ToleranceError: the golden calls are outside the tolerance, with figures.
        OptionError: a value outside of its range, an engine cache for another device, more
            pictures in flight than threads, or an option that the engine or the bundle's net does
            not have.
        PluginError: a plug-in that cannot be used.
    """
    check_options(threads=threads, batch=batch, in_flight=in_flight)
    if engine_cache and not (device or "").startswith("tensorrt"):
        raise OptionError("engine_cache is for device tensorrt; leave it out")
    plug_in(plugins)
    opened = open_bundle(bundle)
    auto = engine == AUTO
    if auto and device is not None:
        raise OptionError(f"engine {AUTO} chooses the device too: leave device out")
    name = engine_for(opened.manifest.target, None if auto else engine)
    if threads is not None and not ENGINES[name].threads:
        raise OptionError(
            f"threads has no meaning for engine {name}, which has its own; leave it out"
        )
    if threads is not None and in_flight > threads:
        raise OptionError(
            f"in_flight {in_flight} with threads {threads}: each picture takes a thread; give "
            f"in_flight {threads} or less"
        )
    half = opened.manifest.precision == "fp16"
    cache = Path(engine_cache) if engine_cache else None
    settings = EngineOptions(device, threads, half=half, cache=cache, keep=True, batch=batch)
    asked = Asked(opened, settings, options, in_flight)
    start = time.perf_counter()
    if auto:
        matter = asked.fastest()
    elif verify:
        matter = asked.confirmed(name)
    else:
        matter = asked.on(name, settings)
    for line in matter.engine_choice.lines() if matter.engine_choice else ():
        log.debug("%s: %s", opened.shown, line)
    log.debug(
        "%s: %s, %s, %s, opened on %s (%s) in %.0f ms",
        opened.shown,
        opened.manifest.model,
        opened.manifest.target,
        opened.manifest.precision,
        matter.engine,
        matter.device,
        1000 * (time.perf_counter() - start),
    )
    return matter


@dataclass(frozen=True)
class Asked:
    """A bundle and everything that was asked for but the engine."""

    bundle: Bundle
    settings: EngineOptions
    options: dict[str, Any] = field(default_factory=dict)
    in_flight: int = 1

    def on(
        self, engine: str, settings: EngineOptions, engines: Mapping[str, Engine] | None = None
    ) -> Matter:
        """A Matter on an engine; ``engines`` are graphs that are opened on it already, by name."""
        own = divided(engine, settings, self.in_flight)
        return matter_from(self.bundle, engine, own, self.options, self.in_flight, engines)

    def fastest(self) -> Matter:
        """A Matter on the fastest engine that is right; where a remembered one fails, proven anew.

        Raises:
            ToleranceError, EngineError: as :func:`~edgematte.runtime.proof.choice.choose`.
        """
        read_load_options(find(self.bundle.manifest.model), self.options)
        chosen = self.choose()
        try:
            return self._taken(chosen)
        except EngineError:
            if not chosen.choice.remembered:
                raise
            return self._taken(self.choose(fresh=True))

    def choose(self, *, fresh: bool = False) -> "Chosen":
        """The fastest engine that is right."""
        from edgematte.runtime.proof.choice import choose  # a plain load needs none of it

        return choose(
            self.bundle,
            lambda engine, device: divided(engine, self._precise(device), self.in_flight),
            f"{self.settings} {self.in_flight}",
            threads=self.settings.threads is not None,
            fresh=fresh,
        )

    def confirmed(self, engine: str) -> Matter:
        """A Matter on an engine once it was proven.

        Raises:
            ToleranceError, EngineError: as :func:`~edgematte.runtime.proof.choice.confirm`.
        """
        from edgematte.runtime.proof.choice import confirm

        read_load_options(find(self.bundle.manifest.model), self.options)
        own = divided(engine, self.settings, self.in_flight)
        chosen = confirm(self.bundle, engine, own)
        matter = self.on(engine, self.settings, chosen.engines)
        matter.engine_choice = chosen.choice
        return matter

    def _taken(self, chosen: "Chosen") -> Matter:
        taken = chosen.choice.taken
        matter = self.on(taken.engine, self._precise(taken.device), chosen.engines)
        matter.engine_choice = chosen.choice
        return matter

    def _precise(self, device: str | None) -> EngineOptions:
        return replace(self.settings, device=device, precise=True)


def divided(engine: str, settings: EngineOptions, in_flight: int) -> EngineOptions:
    """Divide an engine's threads among the calls of pictures in flight.

    Only a processor's are: elsewhere a call has the device for itself.
    """
    if in_flight == 1 or (settings.device or "cpu").lower() != "cpu" or not ENGINES[engine].threads:
        return settings
    threads = settings.threads or usable_cores()
    if ENGINES[engine].streams:
        return replace(settings, threads=threads, streams=min(threads, in_flight))
    return replace(settings, threads=max(1, threads // in_flight))


def matter_from(
    bundle: Bundle,
    engine: str,
    settings: EngineOptions | None = None,
    options: dict[str, Any] | None = None,
    in_flight: int = 1,
    engines: Mapping[str, Engine] | None = None,
) -> Matter:
    """A Matter from an opened bundle and the name of an engine that can run it.

    ``settings`` are divided among ``in_flight`` pictures already. ``engines`` are graphs that were
    opened with these settings already, by name.
    """
    manifest, settings = bundle.manifest, settings or EngineOptions()
    chosen = read_load_options(find(manifest.model), options or {})
    verify = replace(bundle, path=bundle.path.absolute()).verify
    division = division_of(engine, settings)
    crew = Crew(division, in_flight)

    def opened(graph: Graph, settings: EngineOptions) -> Engine:
        return open_engine(engine, bundle.file(graph), graph, settings, verify=verify)

    def workers(graph: Graph) -> Workers | None:
        if division.workers == 1:
            return None
        streams = ENGINES[engine].streams
        threads = crew.calls * division.threads if streams else division.threads
        own = replace(settings, threads=threads, streams=crew.calls if streams else 1)
        several = division.threads > 1 and not streams
        return Workers(crew, lambda: opened(graph, own), several=several, verify=verify)

    ready = engines or {}
    graphs = {
        graph.name: RunnableGraph(
            graph,
            ready.get(graph.name) or opened(graph, settings),
            manifest.host_of(graph),
            workers(graph),
        )
        for graph in manifest.graphs
    }
    sourced = _sourced(bundle, graphs, settings.batch, chosen)
    matter = Matter(bundle, find(manifest.model), sourced, engine, division, graphs)
    matter.in_flight, matter.device = in_flight, settings.device or "cpu"
    return matter


def matter_on(
    bundle: Bundle, opened: Callable[[Graph], Engine], engine: str, batch: int = 1
) -> Matter:
    """A Matter whose graphs the caller runs, such as a server whose models they are.

    Args:
        bundle: its manifest is read, and no file of its graphs.
        opened: called once for each graph; what it returns runs it.
        engine: what the Matter says it runs on.
        batch: how many tiles run in one call, for bundles exported with a dynamic batch.

    Raises:
        BundleError: a graph that the pipeline needs is missing.
        OptionError: a batch for a bundle without a dynamic one.
    """
    manifest, variant = bundle.manifest, find(bundle.manifest.model)
    graphs = {g.name: RunnableGraph(g, opened(g), manifest.host_of(g)) for g in manifest.graphs}
    sourced = _sourced(bundle, graphs, batch, read_load_options(variant, {}))
    return Matter(bundle, variant, sourced, engine, graphs=graphs)


def _sourced(
    bundle: Bundle, graphs: Mapping[str, RunnableGraph], batch: int, options: Any
) -> Sourced:
    """The pipeline of a bundle with its graphs, which takes ``batch`` tiles a call."""
    manifest = bundle.manifest
    sourced = pipeline_for(
        find(manifest.model), manifest.host, graphs, stage=manifest.trimap_stage, options=options
    )
    if batch != 1:
        inner = able(sourced.pipeline, Batched)
        if inner is None or not any(g.dynamic_batch for g in manifest.graphs):
            raise OptionError(
                f"batch {batch}: this bundle of {manifest.model} runs one call at a time; "
                "export a net on tiles to onnx with a dynamic batch, or leave batch out"
            )
        inner.take(batch)
    return sourced


def division_of(engine: str, settings: EngineOptions) -> Division:
    """How the threads of one picture are divided among calls that do not depend on each other.

    Only a processor's are: elsewhere a call has the device for itself. A server is sent several
    calls at a time where one connection carries them.
    """
    if ENGINES[engine].remote and (settings.device or "").startswith("grpc"):
        return Division(REMOTE, 0)
    if (settings.device or "cpu").lower() != "cpu" or not ENGINES[engine].threads:
        return Division(1, settings.threads or 0)
    return Division.of(max(1, (settings.threads or usable_cores()) // settings.streams))
