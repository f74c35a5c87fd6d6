"""ViTMatte's host side on a graph of plain NumPy: tiles, padding, known pixels."""

import tracemalloc
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgematte.arrays import Bytes, Floats
from edgematte.errors import BundleError
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.host.patches import tile_grid, walk
from edgematte.runtime.host.trimap import STRIP
from edgematte.runtime.nets.vitmatte.host import Options, TilesHost
from edgematte.runtime.nets.vitmatte.pipeline import Tiles, pipeline
from edgematte.runtime.nets.vitmatte.steps import STEPS

HOST = TilesHost(size=(48, 32), overlap=8, padding=(0.25, 0.5, 0.75))


class Graph:
    """Alpha is the red channel, mixed with the trimap; remembers what it was given."""

    def __init__(self) -> None:
        self.calls: list[tuple[Floats, Floats]] = []

    def __call__(self, **inputs: Floats) -> dict[str, Floats]:
        image, trimap = inputs["image"], inputs["trimap"]
        assert image.shape == (1, 3, 32, 48) and trimap.shape == (1, 1, 32, 48)
        assert image.dtype == trimap.dtype == np.float32
        self.calls.append((image.copy(), trimap.copy()))
        return {"alpha": 0.5 * image[:, :1] + 0.25 * trimap}


def run(picture: Bytes, trimap: Bytes, host: TilesHost = HOST) -> tuple[Floats, Graph]:
    graph = Graph()
    alpha, same = pipeline(host, {"matte": graph})(picture, trimap, Clock())
    assert same is trimap and alpha.shape == trimap.shape and alpha.dtype == np.float32
    return alpha, graph


def scene(seed: int, width: int, height: int, unknown: float = 0.3) -> tuple[Bytes, Bytes]:
    random = np.random.default_rng(seed)
    picture = random.integers(0, 256, (height, width, 3), np.uint8)
    share = [(1 - unknown) / 2, unknown, (1 - unknown) / 2]
    return picture, random.choice(np.array([0, 128, 255], np.uint8), (height, width), p=share)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 150), st.integers(1, 110), st.integers(0, 20))
def test_a_graph_without_context_is_applied_pixel_by_pixel(
    width: int, height: int, overlap: int
) -> None:
    """Tiles cover every pixel, each shows the right part, and blending equals mixes nothing."""
    picture, trimap = scene(width * 200 + height, width, height)
    alpha, _ = run(picture, trimap, replace(HOST, overlap=overlap))
    wanted = np.where(trimap == 128, 0.5 * picture[..., 0] / 255 + 0.25 * 128 / 255, trimap / 255)
    np.testing.assert_allclose(alpha, wanted, atol=1e-6)


@pytest.mark.parametrize("size", [(48, 32), (49, 33), (47, 31), (500, 20), (20, 500)])
def test_tiles_lie_inside_the_picture_and_share_the_overlap(size: tuple[int, int]) -> None:
    grid = tile_grid(size, (48, 32), 8)
    lefts, tops = [t.left for t in grid[0]], [row[0].top for row in grid]
    for starts, length, side in ((lefts, size[0], 48), (tops, size[1], 32)):
        assert starts[0] == 0 and all(b - a <= side - 8 for a, b in pairwise(starts))
        if length >= side:
            assert starts[-1] + side == length
        else:
            assert starts == [0]
        assert len(starts) == max(1, -(-(length - 8) // (side - 8)))  # and no more than needed
    assert all((t.side, t.height) == (48, 32) for t in walk(grid))


def test_a_smaller_picture_gets_the_colour_that_is_zero_to_the_net() -> None:
    picture, trimap = scene(1, 30, 20)
    _, graph = run(picture, trimap)
    ((image, classes),) = graph.calls
    np.testing.assert_allclose(image[0, :, :20, :30] * 255, picture.transpose(2, 0, 1), atol=1e-4)
    for channel, value in enumerate(HOST.padding):
        assert (image[0, channel, 20:] == value).all()
        assert (image[0, channel, :, 30:] == value).all()
    assert not classes[0, 0, 20:].any() and not classes[0, 0, :, 30:].any()
    np.testing.assert_allclose(classes[0, 0, :20, :30] * 255, trimap, atol=1e-4)


def test_tiles_without_an_unknown_pixel_are_never_run() -> None:
    picture, trimap = scene(2, 200, 150, unknown=0.0)
    alpha, graph = run(picture, trimap)
    assert not graph.calls
    np.testing.assert_array_equal(alpha, trimap / 255)
    trimap[70, 110] = 128
    grid = list(walk(tile_grid((200, 150), HOST.size, 8)))
    inside = [t for t in grid if t.left <= 110 < t.left + t.side and t.top <= 70 < t.top + t.height]
    _, graph = run(picture, trimap)
    assert 1 <= len(graph.calls) == len(inside) < len(grid)


@pytest.mark.parametrize("unknown", [0.0, 0.3])
def test_known_pixels_keep_the_nets_answer_where_that_is_asked_for(unknown: float) -> None:
    """As in the authors' code and transformers: the net's alpha everywhere, every tile run."""
    picture, trimap = scene(4, 130, 70, unknown)
    nets = 0.5 * picture[..., 0] / 255 + 0.25 * trimap / 255
    own, graph = run(picture, trimap, replace(HOST, keep_known=False))
    assert len(graph.calls) == len(list(walk(tile_grid((130, 70), HOST.size, 8))))
    np.testing.assert_allclose(own, nets, atol=1e-6)
    for host in (HOST, replace(HOST, keep_known=True)):
        kept, _ = run(picture, trimap, host)
        np.testing.assert_allclose(kept, np.where(trimap == 128, nets, trimap / 255), atol=1e-6)
    for asked, bundles in ((True, False), (False, True), (None, True), (None, False)):
        host, asks = replace(HOST, keep_known=bundles), Options(keep_known=asked)
        found, _ = pipeline(host, {"matte": Graph()}, asks)(picture, trimap, Clock())
        keep = bundles if asked is None else asked
        np.testing.assert_array_equal(found, kept if keep else own)


@pytest.mark.parametrize("keep", [True, False])
def test_the_steps_by_name_give_the_pipelines_alpha(keep: bool, steps_by_name: Any) -> None:
    """Chained by hand: a port of the host can follow them."""
    picture, trimap = scene(3, 130, 70)
    host = replace(HOST, keep_known=keep)
    alpha, graph = run(picture, trimap, host)
    steps: dict[str, Any] = steps_by_name(STEPS, host)
    assert list(steps) == ["tiles", "crop", "stitch"]
    found = steps["tiles"](trimap=trimap)
    assert found["run"].sum() == len(graph.calls)
    alphas = []
    for tile in found["tiles"]:
        inputs = steps["crop"](picture=picture, trimap=trimap, tile=tile)
        found_alpha = graph(image=inputs["tile_image"], trimap=inputs["tile_trimap"])["alpha"]
        alphas.append(found_alpha[0, 0])
    stitched = steps["stitch"](tiles=found["tiles"], alphas=np.stack(alphas), trimap=trimap)
    np.testing.assert_array_equal(stitched["alpha"], alpha)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"kind": "split"}, "unknown cut 'split'; vitmatte has tiles"),
        ({"size": (0, 32)}, "at least 1"),
        ({"overlap": 32}, "less than the tile"),
        ({"overlap": None}, "lacks the field 'overlap'"),
        ({"padding": None}, "lacks the field 'padding'"),
    ],
)
def test_a_host_that_no_export_writes_is_refused(
    changes: dict[str, Any], part: str, read_host: Any
) -> None:
    assert read_host("vitmatte-s", HOST, {}) == HOST
    with pytest.raises(BundleError, match=part):
        read_host("vitmatte-s", HOST, changes)


def test_a_bundle_without_the_graph_is_refused() -> None:
    with pytest.raises(BundleError, match="needs a graph 'matte'"):
        pipeline(HOST, {})


class Wide:
    """Half of the red channel, for any number of tiles; keeps nothing."""

    def __call__(self, **inputs: Floats) -> dict[str, Floats]:
        return {"alpha": 0.5 * inputs["image"][:, :1]}


@pytest.mark.parametrize("batch", [1, 4])
def test_memory_is_the_result_a_row_of_tiles_and_those_of_a_call(batch: int) -> None:
    side, width, height = 256, 2000, 1500
    picture, trimap = scene(0, width, height)
    tiles = Tiles(replace(HOST, size=(side, side), overlap=32), Wide())
    tiles.take(batch)
    tracemalloc.start()
    try:
        (alpha,) = tiles.many([picture], [trimap], Clock())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert alpha.shape == (height, width)
    row, tile = 2 * 4 * side * width, 4 * side * side
    # A tile: an image of 3 planes, trimap, alpha, window; twice while they are put together.
    assert peak < alpha.nbytes + row + 12 * batch * tile + 6 * tile + 2 * STRIP * width
