"""The public call: load a bundle once, matte many pictures."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgematte.errors import OptionError
from edgematte.manifest import Host
from edgematte.ranges import check_options
from edgematte.registry import family
from edgematte.runtime.bundle import Bundle, open_bundle
from edgematte.runtime.cascade import Cascade, pipeline_for
from edgematte.runtime.clock import Clock
from edgematte.runtime.engines import EngineOptions, engine_for, open_engine
from edgematte.runtime.explanation import Explanation
from edgematte.runtime.given import check_image, check_trimap, split_alpha, with_own_alpha
from edgematte.runtime.graph import RunnableGraph
from edgematte.runtime.pipeline import Pipeline
from edgematte.runtime.work import Work, resumable


@dataclass(frozen=True)
class Matte:
    """What comes back for one picture."""

    alpha: NDArray[np.float32]  # (H, W) in [0, 1]
    trimap: NDArray[np.uint8]  # (H, W): 0 background, 128 unknown, 255 foreground
    timings: dict[str, float]  # seconds by stage: host.reduce, graph.segment, ...
    odd_trimap_pixels: int = 0  # of a given trimap: bytes other than 0, 127..129, 255
    counts: dict[str, int] = field(default_factory=dict)  # regions found, refined


class Matter:
    """A loaded bundle. Call it with pictures, from any number of threads."""

    def __init__(self, bundle: Bundle, pipeline: Pipeline, engine: str) -> None:
        """Use :func:`load`; this constructor takes the parts it put together."""
        self.bundle, self.engine = bundle, engine
        self.host: Host = bundle.manifest.host
        self._pipeline = pipeline

    def __call__(
        self,
        image: NDArray[np.uint8],
        trimap: NDArray[np.uint8] | None = None,
        *,
        journal: Path | None = None,
    ) -> Matte:
        """Matte one picture.

        Args:
            image: uint8 (H, W, 3), RGB; or (H, W, 4) with the picture's own alpha, which the
                matte is multiplied by: what was cleared stays cleared.
            trimap: uint8 (H, W), 0 background, 128 unknown, 255 foreground; or None, and it is
                estimated.
            journal: of nets that see other patches (hdmatt): a file where finished patches are
                recorded, and from which a call that was stopped goes on. Remove it when done.

        Raises:
            PictureError: another shape or dtype, or a trimap of another size.
            OptionError: a trimap for a bundle that cannot take one, or none for a net that needs
                one and has no trimap stage; a journal of other work, or for any other net.
            EngineError: the engine failed, or gave values that are not finite.
        """
        colours, own = split_alpha(image)
        image = check_image(colours)
        trimap, odd = check_trimap(trimap, image)
        clock = Clock()
        if journal is None:
            alpha, found = self._pipeline(image, trimap, clock)
        else:
            alpha, found = self._resume(image, trimap, clock, journal)
        alpha, found = with_own_alpha(alpha, found, own)
        return Matte(alpha, found, clock.seconds, odd, clock.counts)

    def many(
        self,
        images: Sequence[NDArray[np.uint8]],
        trimaps: Sequence[NDArray[np.uint8] | None] | None = None,
    ) -> list[Matte]:
        """Matte several pictures; with a ``batch`` (vitmatte) their tiles share calls.

        All results are in memory at once. ``timings`` of a matte are its equal share of the whole.

        Args:
            images: uint8 (H, W, 3) or (H, W, 4), as of the call, of any sizes; of none there are
                no mattes.
            trimaps: one a picture, as of the call; by default none.

        Raises:
            OptionError: not as many trimaps as pictures; and as the call.
            PictureError, EngineError: as the call.
        """
        from edgematte.runtime.batches import many

        split = [split_alpha(image) for image in images]
        mattes = many(self._pipeline, [colours for colours, _ in split], trimaps)
        return [_with_own(m, own) for m, (_, own) in zip(mattes, split, strict=True)]

    def _resume(
        self,
        image: NDArray[np.uint8],
        trimap: NDArray[np.uint8] | None,
        clock: Clock,
        journal: Path,
    ) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        manifest = self.bundle.manifest
        inner = resumable(self._pipeline, manifest.model, "--resume")
        assert isinstance(self._pipeline, Cascade)
        known = self._pipeline.trimap(image, trimap, clock)
        work = f"{manifest.weights.sha256} {manifest.target} {manifest.precision} {self.engine}"
        return inner.resume(image, known, clock, journal, work)

    def explain(
        self,
        image: NDArray[np.uint8],
        trimap: NDArray[np.uint8] | None = None,
        pixel: tuple[int, int] | None = None,
    ) -> Explanation:
        """Of nets whose patches see other patches (hdmatt): what the patch of a pixel looks at.

        Args:
            image: uint8 (H, W, 3), RGB; of (H, W, 4) the fourth channel is not looked at.
            trimap: uint8 (H, W), as of the call.
            pixel: x and y of an unknown pixel; by default one amid many.

        Raises:
            OptionError: any other net, or a pixel that is not unknown.
        """
        image = check_image(split_alpha(image)[0])
        trimap, _ = check_trimap(trimap, image)
        clock = Clock()
        inner = resumable(self._pipeline, self.bundle.manifest.model, "--explain")
        assert isinstance(self._pipeline, Cascade)
        known = self._pipeline.trimap(image, trimap, clock)
        found: Explanation = inner.explain(image, known, clock, pixel)
        return found

    def refine(
        self, image: NDArray[np.uint8], trimap: NDArray[np.uint8] | None = None
    ) -> Iterator[Matte]:
        """Matte one picture step by step: each matte is better than the one before it.

        Of nets that work in steps (diffmatte) every step's matte, the last being what the call
        gives; of any other, its one matte. Arguments and errors are those of the call.
        """
        colours, own = split_alpha(image)
        image = check_image(colours)
        trimap, odd = check_trimap(trimap, image)
        clock = Clock()
        if not isinstance(self._pipeline, Cascade) or not hasattr(self._pipeline.inner, "steps"):
            alpha, found = self._pipeline(image, trimap, clock)
            yield _with_own(Matte(alpha, found, clock.seconds, odd, clock.counts), own)
            return
        found = self._pipeline.trimap(image, trimap, clock)
        for alpha in self._pipeline.inner.steps(image, found, clock):
            matte = Matte(alpha, found, dict(clock.seconds), odd, dict(clock.counts))
            yield _with_own(matte, own)

    @property
    def reuses(self) -> bool:
        """Whether :meth:`stream` can keep what did not change from one frame to the next."""
        from edgematte.runtime.stream import Streaming

        return isinstance(self._pipeline, Streaming)

    def need_patches(self, option: str) -> None:
        """Refuse an option of nets whose patches see other patches (hdmatt) for any other net.

        Raises:
            OptionError: naming the option.
        """
        resumable(self._pipeline, self.bundle.manifest.model, option)

    def stream(
        self, frames: Iterable[NDArray[np.uint8]], *, reuse: bool = True
    ) -> Generator[Matte, None, None]:
        """Matte the frames of a clip, in their order; host and graph work overlap.

        Args:
            frames: uint8 (H, W, 3) or (H, W, 4), as of the call; of any size, which may change.
            reuse: of nets that refine regions: those whose surroundings did not change keep their
                alpha. False gives exactly what the call gives for each frame alone.

        Raises:
            PictureError: a frame of another shape or dtype; the message says which.
            EngineError: as the call.
        """
        from edgematte.runtime.stream import stream

        return stream(self._pipeline, frames, reuse=reuse)


def _with_own(matte: Matte, own: NDArray[np.uint8] | None) -> Matte:
    alpha, trimap = with_own_alpha(matte.alpha, matte.trimap, own)
    return replace(matte, alpha=alpha, trimap=trimap)


def load(
    bundle: Path | str | None = None,
    *,
    engine: str | None = None,
    device: str | None = None,
    threads: int | None = None,
    engine_cache: Path | str | None = None,
    max_regions: int | None = None,
    budget_ms: float | None = None,
    memory_mb: float | None = None,
    steps: int | None = None,
    seed: int | None = None,
    stop_below: float | None = None,
    batch: int = 1,
    keep_known: bool | None = None,
) -> Matter:
    """Load a bundle; without one, the default that ships with edgematte.

    After a fork a child opens ONNX Runtime's sessions on the processor again, at its first call;
    other engines and devices raise EngineError there.

    Args:
        bundle: path of a ``.edgematte`` folder.
        engine: onnxruntime, openvino or coreml; by default the bundle's own.
        device: of the engine: cpu, cuda, cuda:1, tensorrt, coreml, gpu, npu, ane; default cpu.
        threads: worker threads of the engine, 1 to 256; by default its own choice. Not of coreml.
        engine_cache: folder where tensorrt keeps the engines it compiled, for the next start.
        max_regions: of nets that refine regions (regional): so many of a picture at the most, the
            most uncertain ones; the others keep their coarse alpha.
        budget_ms: of the same nets: as many regions as there is time for.
        memory_mb: of nets that see other patches (hdmatt): how much of the patches' features to
            keep in memory (1e6 bytes); the rest goes to a temporary file.
        steps: of nets that work in steps (diffmatte): how many, 1 to 50; by default the bundle's.
        seed: of their noise, an unsigned 32-bit integer.
        stop_below: ends the steps when alpha changes by less from one to the next, on average over
            the unknown pixels.
        batch: of bundles exported with --dynamic-batch (vitmatte): tiles that run in one call.
        keep_known: of vitmatte and diffmatte: whether known pixels are the trimap's 0 and 1, or the
            net's own; by default vitmatte's are the trimap's, and diffmatte's in the background.

    Raises:
        BundleError: a missing, damaged or unknown bundle.
        EngineError: the engine or device asked for is not here. There is no silent fallback.
        OptionError: a value outside of its range (:data:`edgematte.ranges.OPTIONS`), an engine
            cache for another device, or a setting that engine or net do not have.
    """
    check_options(threads=threads)
    work = Work(max_regions, budget_ms, memory_mb, steps, seed, stop_below, batch, keep_known)
    if engine_cache and not (device or "").startswith("tensorrt"):
        raise OptionError("engine_cache is for device tensorrt; leave it out")
    opened = open_bundle(bundle)
    name = engine_for(opened.manifest.target, engine)
    if threads is not None and name == "coreml":
        raise OptionError(
            "threads has no meaning for engine coreml, which has its own; leave it out"
        )
    half = opened.manifest.precision == "fp16"
    cache = Path(engine_cache) if engine_cache else None
    options = EngineOptions(device, threads, half=half, cache=cache, batch=batch)
    return matter_from(opened, name, options, work)


def matter_from(
    bundle: Bundle, engine: str, options: EngineOptions | None = None, work: Work | None = None
) -> Matter:
    """A Matter from an opened bundle and the name of an engine that can run it."""
    manifest, work = bundle.manifest, work or Work()
    host = work.host(manifest.host, manifest.model)
    verify = replace(bundle, path=bundle.path.absolute()).verify
    graphs = {
        graph.name: RunnableGraph(
            graph,
            open_engine(engine, bundle.file(graph), graph, options, verify=verify),
            manifest.host_of(graph),
        )
        for graph in manifest.graphs
    }
    pipeline = pipeline_for(family(manifest.model), host, graphs, manifest.trimap_stage)
    work.limit(pipeline, manifest.model, manifest.graphs)
    return Matter(bundle, pipeline, engine)
