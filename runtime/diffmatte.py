"""Host side of DiffMatte: encode once, then denoise step by step, whole or on tiles."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgematte.errors import BundleError
from edgematte.manifest import Host
from edgematte.runtime import diffmatte_steps as host_side
from edgematte.runtime.clock import Clock
from edgematte.runtime.diffusion import Step as Interval
from edgematte.runtime.diffusion import advance, check_steps, clamped, schedule, standardised
from edgematte.runtime.frame import Frame, frame_for
from edgematte.runtime.graph import GraphCall
from edgematte.runtime.noise import check_seed, noise
from edgematte.runtime.patches import Patch
from edgematte.runtime.pipeline import Step
from edgematte.runtime.resize import resize_picture
from edgematte.runtime.trimap import FOREGROUND, UNKNOWN

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

GRAPHS = ("encode", "denoise")


def pipeline(host: Host, graphs: Mapping[str, GraphCall]) -> "Diffusion":
    """The pipeline over the graphs of a bundle.

    Raises:
        BundleError: graphs or parameters that no export of this net writes.
        OptionError: steps outside of 1 to 50, or a seed that is no unsigned 32-bit integer.
    """
    host_side.check_host(host)
    assert host.steps is not None and host.seed is not None
    check_steps(host.steps)
    check_seed(host.seed)
    if missing := [name for name in GRAPHS if name not in graphs]:
        raise BundleError(f"the {host.cut} cut needs a graph {missing[0]!r}; the bundle has none")
    return Diffusion(host, graphs)


@dataclass(frozen=True)
class Scene:
    """What stays the same over the steps."""

    frame: Frame
    trimap: Bytes  # (h, w), as the graphs see it
    condition: Floats  # (1, 7, height, width); plane 6, the noisy matte, is zero
    feature: Floats
    tiles: list[Patch] | None  # of the frame; None: all of it at once


class Diffusion:
    """Encoder once, denoiser in every step."""

    def __init__(self, host: Host, graphs: Mapping[str, GraphCall]) -> None:
        """``graphs``: ``encode``, image and trimap -> feature; ``denoise``: feature, condition and
        time -> matte.
        """
        self.host, self.graphs = host, graphs

    def __call__(self, picture: Bytes, trimap: Bytes | None, clock: Clock) -> tuple[Floats, Bytes]:
        """See :class:`edgematte.runtime.pipeline.Pipeline`; a trimap is needed."""
        assert trimap is not None
        last: tuple[Scene, Floats] | None = None
        for last in self._mattes(picture, trimap, clock):  # noqa: B007
            pass
        return self._alpha(last, trimap, clock), trimap

    def steps(self, picture: Bytes, trimap: Bytes, clock: Clock) -> Iterator[Floats]:
        """Alpha (H, W) after each step.

        It ends early where the host has ``stop_below`` and the mean change of alpha over the
        unknown pixels, from one step to the next, is less. Without unknown pixels there is one
        step and no graph is run, unless ``host.keep_known`` is False.
        """
        if self._known(trimap):
            yield self._alpha(None, trimap, clock)
        for found in self._mattes(picture, trimap, clock):
            yield self._alpha(found, trimap, clock)

    def _mattes(
        self, picture: Bytes, trimap: Bytes, clock: Clock
    ) -> Iterator[tuple[Scene, Floats]]:
        """The scene and x_0 (h, w) of it in [-1, 1] after each step."""
        host = self.host
        assert host.steps is not None and host.seed is not None
        if self._known(trimap):
            return
        scene = self._scene(picture, trimap, clock)
        height, width = scene.trimap.shape
        unknown = scene.trimap == UNKNOWN
        with clock("host.noise"):
            noisy = noise(host.seed, height, width)
        before = np.full(np.count_nonzero(unknown), np.inf, np.float32)
        for interval in schedule(host.steps):
            with clock("host.scale"):
                condition = scene.condition.copy()
                condition[0, 6, :height, :width] = standardised(noisy)
            matte = clamped(self._denoise(scene, condition, interval, clock))
            yield scene, matte
            now = matte[unknown]
            moved = np.abs(now - before) if len(now) else np.full(1, np.inf)
            change = float(moved.mean(dtype=np.float64)) / 2
            if not interval.following or change < (host.stop_below or 0):
                return
            before = now
            with clock("host.advance"):
                noisy = advance(noisy, matte, interval)

    def _known(self, trimap: Bytes) -> bool:
        """Whether the trimap says all of alpha."""
        return self.host.keep_known is not False and not (trimap == UNKNOWN).any()

    def _alpha(self, found: tuple[Scene, Floats] | None, trimap: Bytes, clock: Clock) -> Floats:
        if found is None:
            return np.asarray(trimap == FOREGROUND, np.float32)
        scene, matte = found
        with clock("host.finish"):
            return host_side.alpha_of(matte, trimap, scene.frame, self.host)

    def _scene(self, picture: Bytes, trimap: Bytes, clock: Clock) -> Scene:
        host = self.host
        with clock("host.frame"):
            frame = frame_for((picture.shape[1], picture.shape[0]), host.size)
            framed = resize_picture(picture, frame.used)
            small = host_side.reduced_trimap(trimap, frame.used)
            image, planes = host_side.encoder_inputs(framed, small, host.size)
            condition = host_side.condition(framed, small, host.size)
        with clock("graph.encode"):
            feature = self.graphs["encode"](image=image, trimap=planes)["feature"]
        tiles = None
        if host.cut == "tiles":
            with clock("host.tiles"):
                tiles = host_side.unknown_tiles(small, host)
        return Scene(frame, small, condition, feature, tiles)

    def _denoise(self, scene: Scene, condition: Floats, interval: Interval, clock: Clock) -> Floats:
        """x_0 (h, w)."""
        time = np.array([interval.time], np.float32)
        height, width = scene.trimap.shape
        if scene.tiles is None:
            with clock("graph.denoise"):
                found = self.graphs["denoise"](
                    feature=scene.feature, condition=condition, time=time
                )
            return found["matte"][0, 0, :height, :width]
        mattes = []
        for tile in scene.tiles:
            with clock("host.crop"):
                inputs = host_side.tile_inputs(scene.feature, condition, tile, self.host)
            with clock("graph.denoise"):
                mattes.append(self.graphs["denoise"](**inputs, time=time)["matte"][0, 0])
        with clock("host.stitch"):
            return host_side.stitched(scene.tiles, mattes, scene.trimap, self.host)


def host_steps(host: Host) -> dict[str, Step]:
    """Every host step as a function of named arrays, for golden records and ports of the host.

    ``noisy`` and ``mattes`` are bytes here: (value - 128) / 64.
    """
    host_side.check_host(host)
    assert host.steps is not None and host.seed is not None
    seed = host.seed
    intervals = schedule(host.steps)

    def frame(picture: Bytes, trimap: Bytes) -> dict[str, NDArray[Any]]:
        used = frame_for((picture.shape[1], picture.shape[0]), host.size).used
        small = host_side.reduced_trimap(trimap, used)
        return {"framed": resize_picture(picture, used), "framed_trimap": small}

    def draw(framed_trimap: Bytes) -> dict[str, NDArray[Any]]:
        return {"noise": noise(seed, *framed_trimap.shape)}

    def condition(framed: Bytes, framed_trimap: Bytes, noisy: Bytes) -> dict[str, NDArray[Any]]:
        planes = host_side.condition(framed, framed_trimap, host.size)
        height, width = framed_trimap.shape
        planes[0, 6, :height, :width] = standardised(_signed(noisy))
        return {"condition": planes[0]}

    def step(noisy: Bytes, matte: Bytes) -> dict[str, NDArray[Any]]:
        middle = intervals[len(intervals) // 2]
        return {"advanced": advance(_signed(noisy), _signed(matte), middle)}

    def finish(matte: Bytes, trimap: Bytes) -> dict[str, NDArray[Any]]:
        where = frame_for((trimap.shape[1], trimap.shape[0]), host.size)
        return {"alpha": host_side.alpha_of(_signed(matte), trimap, where, host)}

    def tiles(framed_trimap: Bytes) -> dict[str, NDArray[Any]]:
        found = host_side.unknown_tiles(framed_trimap, host)
        places = [(t.left, t.top, t.side) for t in found]
        return {"tiles": np.array(places, np.int32).reshape(-1, 3)}

    def stitch(
        tiles: NDArray[np.int32], mattes: Bytes, framed_trimap: Bytes
    ) -> dict[str, NDArray[Any]]:
        places = [Patch(*(int(n) for n in row)) for row in tiles]
        found = host_side.stitched(places, list(_signed(mattes)), framed_trimap, host)
        return {"stitched": found}

    steps: dict[str, Step] = {"frame": frame, "noise": draw, "condition": condition}
    steps |= {"advance": step, "finish": finish}
    return steps if host.cut == "whole" else steps | {"tiles": tiles, "stitch": stitch}


def _signed(recorded: Bytes) -> Floats:
    return (recorded.astype(np.float32) - np.float32(128)) / np.float32(64)
