"""ViTMatte's host steps, declared for records, checks and ports of the host side."""

import numpy as np
from numpy.typing import NDArray

from edgematte.arrays import Bytes, Floats
from edgematte.runtime.host.made import blended, row_of
from edgematte.runtime.host.patches import Patch, boxes, tile_grid, walk, window
from edgematte.runtime.host.steps import ALPHA, PICTURE, RUN, TRIMAP, Array, Arrays, HostStep, Steps
from edgematte.runtime.nets.vitmatte.host import TilesHost
from edgematte.runtime.nets.vitmatte.pipeline import (
    finished,
    image_input,
    runs,
    stitcher_for,
    trimap_input,
)

TILES = Array("tiles", "(n, 4)", "int32", note="left, top, width, height")
TILE = Array("tile", "(4,)", "int32", note="a row of tiles", made=row_of("tiles", "run"))
TILE_IMAGE = Array(
    "tile_image",
    "(1, 3, height, width)",
    every=(1, 1, 8, 8),
    note="bytes / 255, the manifest's padding around smaller pictures",
)
TILE_TRIMAP = Array(
    "tile_trimap",
    "(1, 1, height, width)",
    every=(1, 1, 8, 8),
    note="bytes / 255, 0 around smaller pictures",
)
ALPHAS = Array("alphas", "(n, height, width)", unit=True, made=blended("tiles"))


def patches_of(host: TilesHost, trimap: Bytes) -> list[Patch]:
    """The patches that a picture's alpha is stitched from; ``trimap`` (H, W) is the picture's."""
    size = trimap.shape[1], trimap.shape[0]
    sized = host.for_picture(size)
    return list(walk(tile_grid(size, sized.size, sized.overlap)))


def tiles(host: TilesHost, trimap: Bytes) -> Arrays:
    """Where the tiles lie, and on which of them the graph runs."""
    grid = patches_of(host, trimap)
    ran = np.array([runs(host, trimap, tile) for tile in grid], np.bool_)
    return {"tiles": boxes(grid, tall=True), "run": ran}


def cut(host: TilesHost, picture: Bytes, trimap: Bytes, tile: NDArray[np.int32]) -> Arrays:
    """What the graph sees of a tile: bytes / 255, padded where the picture is smaller."""
    where, sized = Patch.of(tile), _sized(host, trimap)
    return {
        "tile_image": image_input(window(picture, where), sized),
        "tile_trimap": trimap_input(window(trimap, where), sized),
    }


def stitch(host: TilesHost, tiles: NDArray[np.int32], alphas: Floats, trimap: Bytes) -> Arrays:
    """Alpha of the picture from those of its tiles."""
    stitcher = stitcher_for(_sized(host, trimap), (trimap.shape[1], trimap.shape[0]))
    for row, alpha in zip(tiles, alphas, strict=True):
        stitcher.add(Patch.of(row), alpha)
    return {"alpha": finished(host, stitcher, trimap)}


def _sized(host: TilesHost, trimap: Bytes) -> TilesHost:
    return host.for_picture((trimap.shape[1], trimap.shape[0]))


STEPS: Steps = {
    "tiles": (
        HostStep("tiles", tiles, (TRIMAP,), (TILES, RUN)),
        HostStep("crop", cut, (PICTURE, TRIMAP, TILE), (TILE_IMAGE, TILE_TRIMAP)),
        HostStep("stitch", stitch, (TILES, ALPHAS, TRIMAP), (ALPHA,)),
    )
}
