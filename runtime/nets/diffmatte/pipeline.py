"""Host side of DiffMatte: encode once, then denoise step by step, whole, on frames or on tiles."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from edgematte.arrays import Bytes, Floats
from edgematte.errors import OptionError
from edgematte.host import Size
from edgematte.runtime.engines.graph import GraphCall, answers
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.host.frame import Frame
from edgematte.runtime.host.patches import Patch, window
from edgematte.runtime.host.resize import resize_picture
from edgematte.runtime.host.sizes import graph_at
from edgematte.runtime.host.trimap import FOREGROUND, UNKNOWN
from edgematte.runtime.nets.diffmatte import frames as framing
from edgematte.runtime.nets.diffmatte import planes as host_side
from edgematte.runtime.nets.diffmatte.diffusion import Step as Interval
from edgematte.runtime.nets.diffmatte.diffusion import advance, clamped, schedule, standardised
from edgematte.runtime.nets.diffmatte.host import DiffusionHost, Options, TilesHost
from edgematte.runtime.nets.diffmatte.noise import noise

GRAPHS = ("encode", "denoise")


def pipeline(
    host: DiffusionHost, graphs: Mapping[str, GraphCall], options: Options | None = None
) -> "Diffusion | Sized":
    """The pipeline over the graphs of a bundle.

    Raises:
        BundleError: a graph is missing.
        OptionError: the net's own values are asked for in known pixels, and the cut has none there.
    """
    asked = {} if options is None else {k: v for k, v in vars(options).items() if v is not None}
    if asked.get("keep_known") is False and isinstance(host, TilesHost):
        raise OptionError(
            "this bundle denoises tiles with unknown pixels alone and has no values of the net for "
            "known ones: keep_known stays, or export the cut whole"
        )
    host = replace(host, **asked)
    made = {
        size: Diffusion(
            host.at(size), {name: graph_at(graphs, name, size, host.cut) for name in GRAPHS}
        )
        for size in host.all_sizes
    }
    return Sized(host, made) if host.sizes else made[host.size]


@dataclass(frozen=True)
class Part:
    """The part of a picture that lies on one frame of the graphs."""

    place: Patch
    trimap: Bytes  # (h, w), at the frame's top left
    feature: Floats
    tiles: list[Patch] | None  # that the denoiser runs on; None: it runs on the whole frame
    condition: Floats | None  # (1, 7, height, width), of a picture with a single frame; see Scene


@dataclass(frozen=True)
class Scene:
    """What stays the same over the steps.

    A single frame keeps its condition from step to step. With several frames each condition is made
    again in every step, so that memory does not grow by seven planes for each frame.
    """

    frame: Frame
    picture: Bytes  # (h, w, 3), as the graphs see it
    trimap: Bytes  # (h, w), as the graphs see it
    places: list[Patch]  # of all frames
    parts: list[Part]  # the frames that the graphs run on: those with unknown pixels


class Diffusion:
    """Runs the encoder once and the denoiser in every step; larger pictures on overlapping frames.

    Frames are cut from one noisy matte and blended after every step, so that they stay consistent.
    """

    def __init__(self, host: DiffusionHost, graphs: Mapping[str, GraphCall]) -> None:
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

        With ``host.stop_below`` it ends early, as soon as alpha of the unknown pixels changes by
        less than that from one step to the next, on average. Without unknown pixels there is one
        step and no graph is run, unless ``host.keep_known`` is False.
        """
        if self._is_known(trimap):
            yield self._alpha(None, trimap, clock)
        for result in self._mattes(picture, trimap, clock):
            yield self._alpha(result, trimap, clock)

    def _mattes(
        self, picture: Bytes, trimap: Bytes, clock: Clock
    ) -> Iterator[tuple[Scene, Floats]]:
        """The scene and x_0 (h, w) of it in [-1, 1] after each step."""
        host = self.host
        if self._is_known(trimap):
            return
        scene = self._scene(picture, trimap, clock)
        height, width = scene.trimap.shape
        unknown = scene.trimap == UNKNOWN
        with clock("host.noise"):
            noisy = noise(host.seed, height, width)
        before = np.full(np.count_nonzero(unknown), np.inf, np.float32)
        for interval in schedule(host.steps):
            with clock("host.scale"):
                seen = standardised(noisy)
            matte = clamped(self._denoise(scene, seen, interval, clock))
            yield scene, matte
            now = matte[unknown]
            moved = np.abs(now - before) if len(now) else np.full(1, np.inf)
            change = float(moved.mean(dtype=np.float64)) / 2
            if not interval.following or change < (host.stop_below or 0):
                return
            before = now
            with clock("host.advance"):
                noisy = advance(noisy, matte, interval)

    def _is_known(self, trimap: Bytes) -> bool:
        """Whether alpha follows from the trimap alone, without the graphs."""
        return self.host.keep_known is not False and not (trimap == UNKNOWN).any()

    def _alpha(self, result: tuple[Scene, Floats] | None, trimap: Bytes, clock: Clock) -> Floats:
        if result is None:
            return np.asarray(trimap == FOREGROUND, np.float32)
        scene, matte = result
        with clock("host.finish"):
            return host_side.alpha_of(matte, trimap, scene.frame, self.host)

    def _scene(self, picture: Bytes, trimap: Bytes, clock: Clock) -> Scene:
        host = self.host
        with clock("host.frame"):
            frame = framing.used_frame((picture.shape[1], picture.shape[0]), host)
            framed = resize_picture(picture, frame.used)
            small = host_side.reduced_trimap(trimap, frame.used)
            places = framing.frames(small, host)
        single = len(places) == 1
        chosen = [place for place in places if single or framing.runs(host, small, place)]

        def given() -> Iterator[dict[str, Floats]]:
            for place in chosen:
                with clock("host.frame"):
                    shown, inside = window(framed, place), window(small, place)
                    image, planes = host_side.encoder_inputs(shown, inside, host.size)
                yield {"image": image, "trimap": planes}

        timed = partial(clock, "graph.encode")
        with closing(answers(self.graphs["encode"], given(), len(chosen), timed)) as encoded:
            parts = [
                self._part(framed, small, place, next(encoded)["feature"], clock, keep=single)
                for place in chosen
            ]
        return Scene(frame, framed, small, places, parts)

    def _part(
        self,
        picture: Bytes,
        trimap: Bytes,
        place: Patch,
        feature: Floats,
        clock: Clock,
        *,
        keep: bool,
    ) -> Part:
        host = self.host
        inside = window(trimap, place)
        condition = None
        if keep:
            with clock("host.frame"):
                condition = host_side.condition(window(picture, place), inside, host.size)
        tiles = None
        if isinstance(host, TilesHost):
            with clock("host.tiles"):
                tiles = host_side.unknown_tiles(inside, host)
        return Part(place, inside, feature, tiles, condition)

    def _denoise(self, scene: Scene, noisy: Floats, interval: Interval, clock: Clock) -> Floats:
        """x_0 (h, w) of the scene, from the noisy matte (h, w) divided by its deviation."""
        denoised: dict[Patch, Floats] = {}
        count = sum(1 if part.tiles is None else len(part.tiles) for part in scene.parts)
        inputs = self._inputs(scene, noisy, interval, clock)
        timed = partial(clock, "graph.denoise")
        with closing(answers(self.graphs["denoise"], inputs, count, timed)) as answered:
            mattes = (answer["matte"][0, 0] for answer in answered)
            for part in scene.parts:
                height, width = part.trimap.shape
                if part.tiles is None:
                    denoised[part.place] = next(mattes)[:height, :width]
                    continue
                assert isinstance(self.host, TilesHost)
                of_tiles = [next(mattes) for _ in part.tiles]
                with clock("host.stitch"):
                    whole = host_side.stitched(part.tiles, of_tiles, part.trimap, self.host)
                denoised[part.place] = whole
        if len(scene.places) == 1:
            return denoised[scene.places[0]]
        with clock("host.join"):
            joined = [denoised.get(place) for place in scene.places]
            return framing.joined(scene.places, joined, scene.trimap, self.host)

    def _inputs(
        self, scene: Scene, noisy: Floats, interval: Interval, clock: Clock
    ) -> Iterator[dict[str, Floats]]:
        """What the denoiser takes for each frame, or for each tile of each frame."""
        time = np.array([interval.time], np.float32)
        for part in scene.parts:
            with clock("host.scale"):
                condition = self._condition(scene, part, noisy)
            if part.tiles is None:
                yield {"feature": part.feature, "condition": condition, "time": time}
                continue
            assert isinstance(self.host, TilesHost)
            for tile in part.tiles:
                with clock("host.crop"):
                    inputs = host_side.tile_inputs(part.feature, condition, tile, self.host)
                yield inputs | {"time": time}

    def _condition(self, scene: Scene, part: Part, noisy: Floats) -> Floats:
        """The condition (1, 7, height, width) of a frame, with its part of the noisy matte."""
        if part.condition is not None:
            condition = part.condition.copy()
        else:
            shown = window(scene.picture, part.place)
            condition = host_side.condition(shown, part.trimap, self.host.size)
        height, width = part.trimap.shape
        condition[0, 6, :height, :width] = window(noisy, part.place)
        return condition


class Sized:
    """Diffusions for several sizes of graphs: a picture gets the smallest size that holds it."""

    def __init__(self, host: DiffusionHost, diffusions: Mapping[Size, Diffusion]) -> None:
        """``diffusions`` has one for each of the host's sizes."""
        self.host, self.diffusions = host, diffusions

    def __call__(self, picture: Bytes, trimap: Bytes | None, clock: Clock) -> tuple[Floats, Bytes]:
        """See :class:`edgematte.runtime.pipeline.Pipeline`; a trimap is needed."""
        return self._for(picture)(picture, trimap, clock)

    def steps(self, picture: Bytes, trimap: Bytes, clock: Clock) -> Iterator[Floats]:
        """See :meth:`Diffusion.steps`."""
        return self._for(picture).steps(picture, trimap, clock)

    def _for(self, picture: Bytes) -> Diffusion:
        return self.diffusions[self.host.size_for((picture.shape[1], picture.shape[0]))]
