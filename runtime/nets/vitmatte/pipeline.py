"""Host side of ViTMatte: a graph of a fixed size runs on tiles that hold unknown pixels."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from edgematte.arrays import Bytes, Floats
from edgematte.host import Size
from edgematte.runtime.engines.graph import GraphCall, answers
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.host.patches import Patch, Stitcher, tile_grid, walk, window
from edgematte.runtime.host.sizes import graph_at
from edgematte.runtime.host.trimap import UNKNOWN, keep_known
from edgematte.runtime.nets.vitmatte.host import Options, TilesHost


@dataclass(frozen=True)
class Place:
    """A tile of one of several pictures."""

    picture: Bytes
    trimap: Bytes
    stitcher: Stitcher
    tile: Patch
    runs: bool  # whether the graph runs on it


def pipeline(
    host: TilesHost, graphs: Mapping[str, GraphCall], options: Options | None = None
) -> "Tiles | Sized":
    """The pipeline over the graphs of a bundle.

    Raises:
        BundleError: a graph is missing.
    """
    if options is not None and options.keep_known is not None:
        host = replace(host, keep_known=options.keep_known)
    made = {
        size: Tiles(host.at(size), graph_at(graphs, "matte", size, host.cut))
        for size in host.all_sizes
    }
    return Sized(host, made) if host.sizes else made[host.size]


class Tiles:
    """Overlapping tiles at full resolution; memory holds the result, one row of tiles, and those
    that run side by side.

    A picture that fits into a tile is one tile. Known pixels get the trimap's value, unless
    ``host.keep_known`` is False: then the graph runs on every tile and alpha is the net's
    everywhere.
    """

    def __init__(self, host: TilesHost, graph: GraphCall) -> None:
        """``graph``: image (1, 3, h, w), trimap (1, 1, h, w) -> alpha (1, 1, h, w)."""
        self.host, self.graph = host, graph
        self._most = 1  # tiles in one call

    def take(self, batch: int) -> None:
        """Run ``batch`` tiles in one call from now on; the graph's batch must be dynamic."""
        self._most = batch

    def __call__(self, picture: Bytes, trimap: Bytes | None, clock: Clock) -> tuple[Floats, Bytes]:
        """See :class:`Pipeline`; there is always a trimap."""
        assert trimap is not None
        return self.many([picture], [trimap], clock)[0], trimap

    def many(
        self, pictures: Sequence[Bytes], trimaps: Sequence[Bytes], clock: Clock
    ) -> list[Floats]:
        """Alpha of every picture (H, W, 3) with its trimap (H, W); their tiles share calls."""
        stitchers = [stitcher_for(self.host, (t.shape[1], t.shape[0])) for t in trimaps]
        tiles = [
            Place(picture, trimap, stitcher, tile, runs(self.host, trimap, tile))
            for picture, trimap, stitcher in zip(pictures, trimaps, stitchers, strict=True)
            for tile in walk(tile_grid(stitcher.size, self.host.size, self.host.overlap))
        ]
        run = [place for place in tiles if place.runs]
        groups = [run[i : i + self._most] for i in range(0, len(run), self._most)]
        inputs = (self._inputs(group, clock) for group in groups)
        timed = partial(clock, "graph.matte")
        with closing(answers(self.graph, inputs, len(groups), timed)) as answered:
            alphas = (alpha for answer in answered for alpha in answer["alpha"][:, 0])
            for place in tiles:
                alpha = next(alphas) if place.runs else 0.0
                with clock("host.stitch"):
                    place.stitcher.add(place.tile, alpha)
        with clock("host.stitch"):
            pairs = zip(stitchers, trimaps, strict=True)
            return [finished(self.host, stitcher, trimap) for stitcher, trimap in pairs]

    def _inputs(self, group: Sequence[Place], clock: Clock) -> dict[str, Floats]:
        """What one call takes: image and trimap of its tiles."""
        with clock("host.crop"):
            images = [image_input(window(p.picture, p.tile), self.host) for p in group]
            classes = [trimap_input(window(p.trimap, p.tile), self.host) for p in group]
            return {"image": _together(images), "trimap": _together(classes)}


class Sized:
    """Tiles of several sizes: a picture gets the smallest size that holds it."""

    def __init__(self, host: TilesHost, tiles: Mapping[Size, Tiles]) -> None:
        """``tiles`` has one for each of the host's sizes."""
        self.host, self.tiles = host, tiles

    def take(self, batch: int) -> None:
        """See :meth:`Tiles.take`."""
        for tiles in self.tiles.values():
            tiles.take(batch)

    def __call__(self, picture: Bytes, trimap: Bytes | None, clock: Clock) -> tuple[Floats, Bytes]:
        """See :class:`Pipeline`; there is always a trimap."""
        assert trimap is not None
        return self.many([picture], [trimap], clock)[0], trimap

    def many(
        self, pictures: Sequence[Bytes], trimaps: Sequence[Bytes], clock: Clock
    ) -> list[Floats]:
        """See :meth:`Tiles.many`; pictures that get the same size of graph share calls."""
        chosen = [self.host.size_for((t.shape[1], t.shape[0])) for t in trimaps]
        by_number: dict[int, Floats] = {}
        for size, tiles in self.tiles.items():
            mine = [i for i, s in enumerate(chosen) if s == size]
            if not mine:
                continue
            alphas = tiles.many([pictures[i] for i in mine], [trimaps[i] for i in mine], clock)
            by_number |= dict(zip(mine, alphas, strict=True))
        return [by_number[i] for i in range(len(pictures))]


def _together(parts: list[Floats]) -> Floats:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def image_input(pixels: Bytes, host: TilesHost) -> Floats:
    """Pixels (h, w, 3) -> graph input (1, 3, height, width), ``host.padding`` right and below.

    The net was trained with zeros there after its normalisation; ``padding`` is the colour that the
    normalisation turns to zero.
    """
    height, width = pixels.shape[:2]
    image = np.empty((1, 3, host.size[1], host.size[0]), np.float32)
    if (width, height) != host.size:
        image[0] = np.array(host.padding, np.float32)[:, None, None]
    np.multiply(pixels.transpose(2, 0, 1), np.float32(1 / 255), out=image[0, :, :height, :width])
    return image


def trimap_input(trimap: Bytes, host: TilesHost) -> Floats:
    """Trimap (h, w) -> graph input (1, 1, height, width): bytes / 255, zeros right and below."""
    classes = np.zeros((1, 1, host.size[1], host.size[0]), np.float32)
    height, width = trimap.shape
    np.multiply(trimap, np.float32(1 / 255), out=classes[0, 0, :height, :width])
    return classes


def runs(host: TilesHost, trimap: Bytes, tile: Patch) -> bool:
    """Whether the graph runs on a tile."""
    return not host.keep_known or bool((window(trimap, tile) == UNKNOWN).any())


def stitcher_for(host: TilesHost, size: Size) -> Stitcher:
    """A stitcher of the tiles of a picture of a size (W, H)."""
    return Stitcher(size, host.size[0], host.overlap, host.size[1])


def finished(host: TilesHost, stitcher: Stitcher, trimap: Bytes) -> Floats:
    """The stitched alpha (H, W); known pixels are set as the host section says."""
    alpha = stitcher.finish()
    return keep_known(alpha, trimap) if host.keep_known else alpha
