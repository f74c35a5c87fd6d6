"""Host side of ViTMatte: one graph of a fixed size, on tiles of the picture that hold unknowns."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgematte.errors import BundleError
from edgematte.manifest import Host
from edgematte.runtime.clock import Clock
from edgematte.runtime.graph import GraphCall
from edgematte.runtime.patches import Patch, Stitcher, tile_grid, walk, window
from edgematte.runtime.pipeline import Pipeline, Step
from edgematte.runtime.sizes import (
    Size,
    check_sizes,
    graph_at,
    host_at,
    host_for,
    size_for,
    sizes_of,
)
from edgematte.runtime.trimap import BACKGROUND, FOREGROUND, UNKNOWN

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Cut = tuple[Floats, Floats]  # image and trimap of a tile
STRIP = 256  # rows worked on at a time: memory stays that of the result


def pipeline(host: Host, graphs: Mapping[str, GraphCall]) -> Pipeline:
    """The pipeline of the cut that ``host`` names.

    Raises:
        BundleError: graphs or parameters that no export of this net writes.
    """
    _check(host)
    made = {
        size: Tiles(host_at(host, size), graph_at(graphs, "matte", size, host.cut))
        for size in sizes_of(host)
    }
    return Sized(host, made) if host.sizes else made[host.size]


class Tiles:
    """Overlapping tiles at full resolution; memory is the result, and one row of tiles.

    A picture that fits into a tile is one. What is known already keeps the trimap's value, unless
    ``host.keep_known`` is False: then every tile is run and alpha is the net's everywhere.
    """

    def __init__(self, host: Host, graph: GraphCall) -> None:
        """``graph`` makes image (1, 3, h, w) and trimap (1, 1, h, w) into alpha (1, 1, h, w)."""
        self.host, self.graph = host, graph
        self._most = 1  # tiles of one call

    def take(self, batch: int) -> None:
        """Run so many tiles in one call from now on; the graph's batch must be dynamic."""
        self._most = batch

    def __call__(self, picture: Bytes, trimap: Bytes | None, clock: Clock) -> tuple[Floats, Bytes]:
        """See :class:`Pipeline`; there is always a trimap."""
        assert trimap is not None
        return self.many([picture], [trimap], clock)[0], trimap

    def many(
        self, pictures: Sequence[Bytes], trimaps: Sequence[Bytes], clock: Clock
    ) -> list[Floats]:
        """Alpha of every picture (H, W, 3) with its trimap (H, W); their tiles share calls."""
        stitchers = [_stitcher(self.host, (t.shape[1], t.shape[0])) for t in trimaps]
        waiting: list[tuple[Stitcher, Patch, Cut | None]] = []
        full = 0
        for picture, trimap, stitcher in zip(pictures, trimaps, stitchers, strict=True):
            for tile in walk(_grid(self.host, stitcher.size)):
                cut = None
                if _runs(self.host, trimap, tile):
                    with clock("host.crop"):
                        cut = self._cut(picture, trimap, tile)
                waiting.append((stitcher, tile, cut))
                full += cut is not None
                if full == self._most:
                    self._run(waiting, clock)
                    waiting, full = [], 0
        self._run(waiting, clock)
        with clock("host.stitch"):
            pairs = zip(stitchers, trimaps, strict=True)
            return [_finished(self.host, stitcher, trimap) for stitcher, trimap in pairs]

    def _cut(self, picture: Bytes, trimap: Bytes, tile: Patch) -> Cut:
        host = self.host
        return image_input(window(picture, tile), host), trimap_input(window(trimap, tile), host)

    def _run(self, waiting: list[tuple[Stitcher, Patch, Cut | None]], clock: Clock) -> None:
        """Stitch tiles in their order: known ones as they are, the others by one call."""
        cuts = [cut for _, _, cut in waiting if cut is not None]
        if cuts:
            with clock("host.crop"):
                image, classes = (_together([cut[i] for cut in cuts]) for i in range(2))
            with clock("graph.matte"):
                alphas = iter(self.graph(image=image, trimap=classes)["alpha"][:, 0])
        with clock("host.stitch"):
            for stitcher, tile, cut in waiting:
                stitcher.add(tile, 0.0 if cut is None else next(alphas))


class Sized:
    """Tiles of several sizes: every picture gets the smallest that holds it."""

    def __init__(self, host: Host, tiles: Mapping[Size, Tiles]) -> None:
        """``tiles`` has one of each of the host's sizes."""
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
        """See :meth:`Tiles.many`; pictures of one size of the graphs share calls."""
        chosen = [size_for(self.host, (t.shape[1], t.shape[0])) for t in trimaps]
        found: dict[int, Floats] = {}
        for size, tiles in self.tiles.items():
            mine = [i for i, s in enumerate(chosen) if s == size]
            if not mine:
                continue
            alphas = tiles.many([pictures[i] for i in mine], [trimaps[i] for i in mine], clock)
            found |= dict(zip(mine, alphas, strict=True))
        return [found[i] for i in range(len(pictures))]


def _together(parts: list[Floats]) -> Floats:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def image_input(pixels: Bytes, host: Host) -> Floats:
    """Pixels (h, w, 3) -> graph input (1, 3, height, width), ``host.padding`` right and below.

    The net was trained with zeros there, after its normalisation; ``padding`` is what becomes zero.
    """
    assert host.padding is not None
    height, width = pixels.shape[:2]
    image = np.empty((1, 3, host.size[1], host.size[0]), np.float32)
    if (width, height) != host.size:
        image[0] = np.array(host.padding, np.float32)[:, None, None]
    np.multiply(pixels.transpose(2, 0, 1), np.float32(1 / 255), out=image[0, :, :height, :width])
    return image


def trimap_input(trimap: Bytes, host: Host) -> Floats:
    """Trimap (h, w) -> graph input (1, 1, height, width): bytes / 255, zeros right and below."""
    classes = np.zeros((1, 1, host.size[1], host.size[0]), np.float32)
    height, width = trimap.shape
    np.multiply(trimap, np.float32(1 / 255), out=classes[0, 0, :height, :width])
    return classes


def keep_known(alpha: Floats, trimap: Bytes) -> Floats:
    """Put 0 and 1 where the trimap (H, W) knows; changes ``alpha`` (H, W) and gives it back."""
    for top in range(0, len(alpha), STRIP):
        part, classes = alpha[top : top + STRIP], trimap[top : top + STRIP]
        part[classes == BACKGROUND] = 0
        part[classes == FOREGROUND] = 1
    return alpha


def patches_of(host: Host, trimap: Bytes) -> list[Patch]:
    """The patches that a picture's alpha is stitched from; ``trimap`` (H, W) is the picture's."""
    return list(walk(_grid(_sized(host, trimap), (trimap.shape[1], trimap.shape[0]))))


def _sized(host: Host, trimap: Bytes) -> Host:
    return host_for(host, (trimap.shape[1], trimap.shape[0]))


def host_steps(host: Host) -> dict[str, Step]:
    """Every host step as a function of named arrays, for golden records and ports of the host."""
    _check(host)

    def tiles(trimap: Bytes) -> dict[str, NDArray[Any]]:
        grid = patches_of(host, trimap)
        boxes = np.array([(t.left, t.top, t.side, t.height) for t in grid], np.int32)
        return {
            "tiles": boxes,
            "run": np.array([_runs(host, trimap, t) for t in grid]),
        }

    def cut(picture: Bytes, trimap: Bytes, tile: NDArray[np.int32]) -> dict[str, NDArray[Any]]:
        where = Patch(*(int(n) for n in tile))
        sized = _sized(host, trimap)
        return {
            "tile_image": image_input(window(picture, where), sized),
            "tile_trimap": trimap_input(window(trimap, where), sized),
        }

    def stitch(tiles: NDArray[np.int32], alphas: Floats, trimap: Bytes) -> dict[str, Any]:
        stitcher = _stitcher(_sized(host, trimap), (trimap.shape[1], trimap.shape[0]))
        for row, alpha in zip(tiles, alphas, strict=True):
            stitcher.add(Patch(*(int(n) for n in row)), alpha)
        return {"alpha": _finished(host, stitcher, trimap)}

    return {"tiles": tiles, "crop": cut, "stitch": stitch}


def _runs(host: Host, trimap: Bytes, tile: Patch) -> bool:
    """Whether the graph runs on a tile."""
    return host.keep_known is False or bool((window(trimap, tile) == UNKNOWN).any())


def _finished(host: Host, stitcher: Stitcher, trimap: Bytes) -> Floats:
    alpha = stitcher.finish()
    return alpha if host.keep_known is False else keep_known(alpha, trimap)


def _grid(host: Host, size: tuple[int, int]) -> list[list[Patch]]:
    assert host.overlap is not None
    return tile_grid(size, host.size, host.overlap)


def _stitcher(host: Host, size: tuple[int, int]) -> Stitcher:
    assert host.overlap is not None
    return Stitcher(size, host.size[0], host.overlap, host.size[1])


def _check(host: Host) -> None:
    if host.cut != "tiles":
        raise BundleError(f"unknown cut {host.cut!r}; there are: tiles")
    if any(min(size) < 1 for size in (host.size, *sizes_of(host))):
        raise BundleError(f"size {list(host.size)}: both sides should be at least 1")
    check_sizes(host)
    if host.overlap is None or not 0 <= host.overlap < min(host.size):
        raise BundleError(
            f"overlap {host.overlap}: it should be less than the tile, {list(host.size)}"
        )
    if host.padding is None:
        raise BundleError("the host needs padding, the colour around pictures below a tile's size")
