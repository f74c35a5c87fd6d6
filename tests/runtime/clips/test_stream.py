"""Matting clips: the regional net's reuse on graphs of plain NumPy, and any other bundle."""

import itertools
import threading
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgematte
from edgematte import testcard
from edgematte.arrays import Bytes, Floats
from edgematte.errors import EngineError, PictureError
from edgematte.metrics.temporal import dtssd
from edgematte.runtime.clips import stream as clips
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.host.trimap_source import OwnTrimap
from edgematte.runtime.matte import Matte
from edgematte.runtime.nets.regional.host import Options, RegionsHost
from edgematte.runtime.nets.regional.pipeline import Regions, pipeline
from edgematte.runtime.pipeline import Sourced

N, K = 4, 3
SIZE = (96, 64)
HOST = RegionsHost(
    size=SIZE,
    regions=N,
    k=K,
    search_range=2,
    aliasing=False,
    bias_table=tuple((float(i) / 10, 0.5) for i in range(10)),
)


class Graphs:
    """Cells of middling brightness are unknown; a refined pixel mixes its own brightness, its
    cell's token and what its neighbours' tokens weigh."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def coarse(self, image: Floats) -> dict[str, Floats]:
        self.calls.append("coarse")
        cells = image.mean(axis=1).reshape(8, 8, 12, 8).mean(axis=(1, 3))
        planes = np.exp(20 * np.stack([0.6 - cells, 0.4 - abs(cells - 0.5), cells - 0.4]))
        return {
            "alpha": cells.repeat(8, axis=0).repeat(8, axis=1)[None, None],
            "cell_alpha": cells[None, None],
            "cell_trimap": (planes / planes.sum(axis=0))[None],
        }

    def encode(self, region: Floats) -> dict[str, Floats]:
        self.calls.append("encode")
        small = np.zeros((N, 1, 2, 2), np.float32)
        token = region.mean(axis=(2, 3))
        return {"token": token, "skip8": region[:, :1], "skip4": small, "skip2": small}

    def refine(self, tokens: Floats, bias: Floats, skip8: Floats, **_: Floats) -> dict[str, Floats]:
        self.calls.append("refine")
        weighed = (bias[:, 0].sum(axis=-1)[..., None] * tokens).sum(axis=(1, 2)) / 40
        return {"cell": np.clip(skip8 * 0.7 + weighed[:, None, None, None], 0, 1)}


def made(options: Options | None = None) -> tuple[Regions, Graphs]:
    graphs = Graphs()
    table: dict[str, Any] = {"coarse": graphs.coarse, "encode": graphs.encode}
    return pipeline(HOST, table | {"refine": graphs.refine}, options), graphs


def stream(
    regions: Regions, frames: Iterable[Any], *, reuse: bool = True
) -> Generator[Matte, None, None]:
    return clips.stream(Sourced("regional", regions, OwnTrimap()), frames, reuse=reuse)


def scene(offset: int = 0, size: tuple[int, int] = SIZE, noise: int = 0) -> Bytes:
    """A bright disc with a soft rim before a dark wall, and a grey bar with a line that moves."""
    width, height = size
    y, x = np.mgrid[:height, :width]
    level = np.clip(300 - 9 * np.hypot(x - 60, y - 30), 10, 245)
    level[48:, :40] = 120
    level[48:, offset : offset + 4] = 170
    random = np.random.default_rng(noise)
    shot = level + (random.normal(0, 1.2, level.shape) if noise else 0)
    return np.repeat(shot[..., None].clip(0, 255), 3, axis=2).astype(np.uint8)


def alone(frame: Bytes) -> tuple[Floats, Bytes]:
    return made()[0](frame, None, Clock())


CLIP = [scene(0), scene(0), scene(4), scene(9), scene(9), scene(60)]


def test_without_reuse_every_frame_is_as_if_alone() -> None:
    found = list(stream(made()[0], CLIP, reuse=False))
    assert len(found) == len(CLIP)
    for frame, matte in zip(CLIP, found, strict=True):
        alpha, trimap = alone(frame)
        np.testing.assert_array_equal(matte.alpha, alpha)
        np.testing.assert_array_equal(matte.trimap, trimap)


def test_a_static_scene_calls_no_graph_again() -> None:
    regions, graphs = made()
    found = list(stream(regions, [scene()] * 5))
    once = (
        ["coarse"] + ["encode"] * (len(graphs.calls) // 2) + ["refine"] * (len(graphs.calls) // 2)
    )
    assert graphs.calls == once
    for matte in found:
        np.testing.assert_array_equal(matte.alpha, alone(scene())[0])
        np.testing.assert_array_equal(matte.trimap, alone(scene())[1])
    assert [m.counts.get("regions kept", 0) for m in found] == [0] + [
        found[0].counts["regions refined"]
    ] * 4


def test_only_cells_whose_surroundings_changed_are_refined() -> None:
    """The bar moves by 4 pixels: what stands above it keeps its alpha, bit by bit."""
    regions, _ = made()
    first, second = stream(regions, [scene(0), scene(4)])
    before, now = alone(scene(0))[0], alone(scene(4))[0]
    np.testing.assert_array_equal(first.alpha, before)
    np.testing.assert_array_equal(second.alpha[:40], before[:40])
    assert np.abs(second.alpha[40:] - before[40:]).max() > 0.1
    np.testing.assert_allclose(second.alpha, now, atol=1e-6)
    refined = second.counts["regions refined"]
    assert 0 < refined < first.counts["regions refined"] / 2
    assert refined + second.counts["regions kept"] == second.counts["regions found"]


def test_kept_neighbours_still_give_their_context() -> None:
    """A cell's answer depends on its neighbours' tokens, some of them of the frame before."""
    clip = [scene(0), scene(2), scene(4), scene(6), scene(8), scene(10)]
    for frame, matte in zip(clip, stream(made()[0], clip), strict=True):
        # Kept cells whose neighbours changed keep an answer from before that: the difference is
        # what a neighbour weighs, 1/40 of the biases' sum.
        np.testing.assert_allclose(matte.alpha, alone(frame)[0], atol=0.06)
        np.testing.assert_array_equal(matte.trimap, alone(frame)[1])


def test_flicker_is_no_worse_than_frame_by_frame() -> None:
    """Noise of a camera on a scene that stands still: kept regions do not flicker at all."""
    clip = [scene(noise=n) for n in range(1, 9)]
    truth = [alone(scene())[0]] * len(clip)
    band = [alone(scene())[1] == 128] * len(clip)
    kept = [m.alpha for m in stream(made()[0], clip)]
    each = [alone(frame)[0] for frame in clip]
    assert dtssd(kept, truth, band) < 0.5 * dtssd(each, truth, band)


def test_regions_left_coarse_by_the_budget_are_refined_in_the_next_frames() -> None:
    whole = alone(scene())[0]
    total = stream(made()[0], [scene()])
    count = next(iter(total)).counts["regions found"]
    regions, graphs = made(Options(max_regions=5))
    frames = -(-count // 5) + 2
    found = list(stream(regions, [scene()] * frames))
    assert graphs.calls.count("coarse") == 1
    refined = [m.counts["regions refined"] for m in found]
    assert refined == [5] * (count // 5) + [count % 5] * (count % 5 > 0) + [0] * (
        frames - -(-count // 5)
    )
    # The last ones have seen all neighbours, the first ones five: what neighbours weigh.
    np.testing.assert_allclose(found[-1].alpha, whole, atol=0.15)
    apart = [float(np.abs(m.alpha - whole).mean()) for m in found]
    assert apart[-1] < 0.6 * apart[0]


def test_frames_may_change_size() -> None:
    sizes = [SIZE, SIZE, (80, 56), (200, 150), (200, 150), SIZE]
    clip = [scene(0, size) for size in sizes]
    for frame, matte in zip(clip, stream(made()[0], clip), strict=True):
        alpha, trimap = alone(frame)
        np.testing.assert_array_equal(matte.alpha, alpha)
        np.testing.assert_array_equal(matte.trimap, trimap)


def test_mattes_may_be_written_to() -> None:
    found = []
    for matte in stream(made()[0], [scene()] * 3):
        found.append(matte.alpha.copy())
        matte.alpha[:] = -1
        matte.trimap[:] = 7
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[1], found[2])


def test_a_stream_may_follow_another() -> None:
    regions, _ = made()
    list(stream(regions, [scene(50)] * 2))
    (only,) = stream(regions, [scene(0)])
    np.testing.assert_array_equal(only.alpha, alone(scene(0))[0])


@pytest.mark.parametrize(
    ("bad", "part"),
    [
        (np.full((64, 96, 3), np.nan, np.float32), "frame 2 holds values that are not finite"),
        (np.zeros((64, 96, 3), np.float32), r"frame 2: .*uint8 \(H, W, 3\).*float32"),
        (np.zeros((64, 96), np.uint8), "frame 2: .*uint8"),
        (None, "frame 2: "),
    ],
)
def test_a_bad_frame_is_named_after_the_good_ones(bad: Any, part: str) -> None:
    given = stream(made()[0], [scene(), scene(), bad, scene()])
    assert next(given).alpha.shape == next(given).alpha.shape == (64, 96)
    with pytest.raises(PictureError, match=part):
        next(given)


def test_an_error_of_the_engine_comes_through() -> None:
    regions, graphs = made()

    def fail(image: Floats) -> dict[str, Floats]:
        raise EngineError("the engine failed")

    table: dict[str, Any] = {**regions.graphs, "coarse": fail}
    regions.graphs = table
    with pytest.raises(EngineError, match="the engine failed"):
        list(stream(regions, [scene()]))


def test_frames_are_read_while_a_graph_runs() -> None:
    """The second frame is asked for before the first one's coarse net has answered."""
    regions, graphs = made()
    asked = threading.Event()

    def frames() -> Iterator[Bytes]:
        yield scene(0)
        asked.set()
        yield scene(4)

    def coarse(image: Floats) -> dict[str, Floats]:
        assert asked.wait(10)
        return graphs.coarse(image)

    table: dict[str, Any] = {**regions.graphs, "coarse": coarse}
    regions.graphs = table
    assert len(list(stream(regions, frames()))) == 2


def test_any_other_bundle_mattes_every_frame_alone(tiny_bundle: Path) -> None:
    matter = edgematte.load(tiny_bundle, threads=1)
    clip = [testcard.testcard(70, 50), testcard.testcard(70, 50), testcard.testcard(33, 90)]
    found = list(matter.stream(iter(clip)))
    assert all(isinstance(m, Matte) and m.timings for m in found)
    for frame, matte in zip(clip, found, strict=True):
        np.testing.assert_array_equal(matte.alpha, matter(frame).alpha)


def test_an_endless_source_may_be_left(tiny_bundle: Path) -> None:
    matter = edgematte.load(tiny_bundle, threads=1)
    given = matter.stream(itertools.repeat(testcard.testcard(40, 30)))
    assert next(given).alpha.shape == (30, 40)
    given.close()
    assert list(matter.stream([])) == []
