"""The public call: load a bundle once, matte many pictures."""

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgematte.errors import OptionError, PictureError
from edgematte.manifest import Host
from edgematte.registry import family
from edgematte.runtime.bundle import Bundle, open_bundle
from edgematte.runtime.clock import Clock
from edgematte.runtime.engines import EngineOptions, engine_for, open_engine
from edgematte.runtime.graph import RunnableGraph
from edgematte.runtime.pipeline import Pipeline
from edgematte.runtime.trimap import read_trimap


@dataclass(frozen=True)
class Matte:
    """What comes back for one picture."""

    alpha: NDArray[np.float32]  # (H, W) in [0, 1]
    trimap: NDArray[np.uint8]  # (H, W): 0 background, 128 unknown, 255 foreground
    timings: dict[str, float]  # seconds by stage: host.reduce, graph.segment, ...
    odd_trimap_pixels: int = 0  # of a given trimap: bytes other than 0, 127..129, 255


class Matter:
    """A loaded bundle. Call it with pictures, from any number of threads."""

    def __init__(self, bundle: Bundle, pipeline: Pipeline, engine: str) -> None:
        """Use :func:`load`; this constructor takes the parts it put together."""
        self.bundle, self.engine = bundle, engine
        self.host: Host = bundle.manifest.host
        self._pipeline = pipeline

    def __call__(self, image: NDArray[np.uint8], trimap: NDArray[np.uint8] | None = None) -> Matte:
        """Matte one picture.

        Args:
            image: uint8 (H, W, 3), RGB.
            trimap: uint8 (H, W), 0 background, 128 unknown, 255 foreground; or None, and it is
                estimated.

        Raises:
            PictureError: another shape or dtype, or a trimap of another size.
            OptionError: a trimap for a bundle that cannot take one.
            EngineError: the engine failed, or gave values that are not finite.
        """
        image = check_image(image)
        odd = 0
        if trimap is not None:
            given = np.asarray(trimap)
            if given.dtype != np.uint8:
                raise PictureError(f"the trimap should be uint8 (H, W), not {given.dtype}")
            trimap, odd = read_trimap(given, (image.shape[1], image.shape[0]))
        clock = Clock()
        alpha, found = self._pipeline(image, trimap, clock)
        return Matte(alpha, found, clock.seconds, odd)


def load(
    bundle: Path | str | None = None,
    *,
    engine: str | None = None,
    device: str | None = None,
    threads: int | None = None,
) -> Matter:
    """Load a bundle; without one, the default that ships with edgematte.

    Args:
        bundle: path of a ``.edgematte`` folder.
        engine: onnxruntime, openvino or coreml; by default the bundle's own.
        device: of the engine: cpu, cuda, cuda:1, tensorrt, coreml, gpu, npu, ane; default cpu.
        threads: worker threads of the engine; by default its own choice.

    Raises:
        BundleError: a missing, damaged or unknown bundle.
        EngineError: the engine or device asked for is not here. There is no silent fallback.
        OptionError: a number of threads below 1.
    """
    if threads is not None and threads < 1:
        raise OptionError(f"threads {threads}: at least 1; leave it out for the engine's choice")
    opened = open_bundle(bundle)
    name = engine_for(opened.manifest.target, engine)
    return matter_from(opened, name, EngineOptions(device, threads))


def matter_from(bundle: Bundle, engine: str, options: EngineOptions | None = None) -> Matter:
    """A Matter from an opened bundle and the name of an engine that can run it."""
    graphs = {
        graph.name: RunnableGraph(graph, open_engine(engine, bundle.file(graph), graph, options))
        for graph in bundle.manifest.graphs
    }
    host_module = importlib.import_module(family(bundle.manifest.model).host_module)
    return Matter(bundle, host_module.pipeline(bundle.manifest.host, graphs), engine)


def check_image(image: Any) -> NDArray[np.uint8]:
    """The image as a uint8 (H, W, 3) array.

    Raises:
        PictureError: saying what came instead.
    """
    array = np.asarray(image)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or not array.size:
        raise PictureError(
            f"the image should be uint8 (H, W, 3) RGB, not {array.dtype} {list(array.shape)}"
        )
    return array
