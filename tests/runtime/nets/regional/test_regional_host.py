"""The regional pipeline on graphs of plain NumPy whose whole answer has a short definition."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgematte.arrays import Bytes, Floats
from edgematte.errors import BundleError, OptionError
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.nets.regional.host import RegionsHost
from edgematte.runtime.nets.regional.neighbours import nearest_cells, relative_positions
from edgematte.runtime.nets.regional.pipeline import pipeline
from edgematte.runtime.nets.regional.steps import STEPS

K, HEADS, N = 3, 2, 4
TABLE = np.random.default_rng(5).random((10, HEADS), np.float32)
HOST = RegionsHost(
    size=(64, 48),
    regions=N,
    k=K,
    search_range=2,
    aliasing=False,
    bias_table=tuple(tuple(float(v) for v in row) for row in TABLE),
)


class Graphs:
    """Cells of middling brightness are unknown; a cell's answer weighs its group by the biases."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def coarse(self, image: Floats) -> dict[str, Floats]:
        self.calls.append("coarse")
        assert image.shape == (1, 3, 48, 64) and image.dtype == np.float32
        cells = image.mean(axis=1).reshape(6, 8, 8, 8).mean(axis=(1, 3))
        planes = np.stack([0.6 - cells, 0.4 - abs(cells - 0.5), cells - 0.4])
        powers = np.exp(20 * planes)
        return {
            "alpha": cells.repeat(8, axis=0).repeat(8, axis=1)[None, None],
            "cell_alpha": cells[None, None],
            "cell_trimap": (powers / powers.sum(axis=0))[None],
        }

    def encode(self, region: Floats) -> dict[str, Floats]:
        self.calls.append("encode")
        assert region.shape == (N, 4, 8, 8)
        token = region.mean(axis=(2, 3))
        return {
            "token": token,
            "skip8": region[:, 3:],
            "skip4": region[:, :1, ::2, ::2],
            "skip2": region[:, 1:2, ::4, ::4],
        }

    def refine(
        self, tokens: Floats, bias: Floats, skip8: Floats, skip4: Floats, skip2: Floats
    ) -> dict[str, Floats]:
        self.calls.append("refine")
        assert tokens.shape == (N, K + 1, 4) and bias.shape == (N, K + 1, K + 1, HEADS)
        weighed = (bias[:, 0].sum(axis=-1)[..., None] * tokens).sum(axis=(1, 2))
        ramp = np.linspace(0, 0.5, 64, dtype=np.float32).reshape(8, 8)
        cell = np.clip(0.05 * weighed[:, None, None, None] + ramp * skip8, 0, 1)
        return {"cell": cell + 0 * (skip4.mean() + skip2.mean())}

    def table(self) -> dict[str, Any]:
        return {"coarse": self.coarse, "encode": self.encode, "refine": self.refine}


def run(host: RegionsHost, picture: Bytes) -> tuple[Floats, Bytes, Clock, Graphs]:
    graphs, clock = Graphs(), Clock()
    alpha, trimap = pipeline(host, graphs.table())(picture, None, clock)
    assert alpha.shape == trimap.shape == picture.shape[:2]
    assert alpha.dtype == np.float32 and set(np.unique(trimap)) <= {0, 128, 255}
    assert 0 <= alpha.min() and alpha.max() <= 1
    return alpha, trimap, clock, graphs


def by_definition(picture: Bytes, host: RegionsHost = HOST) -> tuple[Floats, int]:
    """The same from its definition, one cell after the other, for a picture of the frame's size."""
    image = np.asarray(picture.transpose(2, 0, 1) / 255, np.float32)
    found = Graphs().coarse(image[None])
    unknown = found["cell_trimap"][0].argmax(axis=0) == 1
    cells = np.argwhere(unknown).astype(np.int32)
    cell_alpha = found["cell_alpha"][0, 0]
    alpha = np.kron(cell_alpha, np.ones((8, 8))).astype(np.float32)
    near = nearest_cells(cells, K)
    tokens = np.array(
        [
            [*image[:, r * 8 : r * 8 + 8, c * 8 : c * 8 + 8].mean(axis=(1, 2)), cell_alpha[r, c]]
            for r, c in cells.tolist()
        ]
    )
    ramp = np.linspace(0, 0.5, 64).reshape(8, 8)
    for i, (row, column) in enumerate(cells.tolist()):
        group = np.array([[i, *near[i]]], np.int32)
        entries = relative_positions(cells, group, 2, False)[0, 0]
        weighed = (TABLE[entries].sum(axis=-1)[:, None] * tokens[group[0]]).sum()
        answer = np.clip(0.05 * weighed + ramp * cell_alpha[row, column], 0, 1)
        alpha[row * 8 : row * 8 + 8, column * 8 : column * 8 + 8] = answer
    return alpha, len(cells)


def noise(seed: int, unknown: float, width: int = 64, height: int = 48) -> Bytes:
    """Cells that are dark, bright, or, this share of them, in between."""
    random = np.random.default_rng(seed)
    rows, columns = -(-height // 8), -(-width // 8)
    known = random.choice(np.array([10, 245]), (rows, columns))
    levels = np.where(random.random((rows, columns)) < unknown, 128, known)
    jitter = random.integers(-6, 7, (rows * 8, columns * 8, 3))
    picture = np.kron(levels, np.ones((8, 8), np.int64))[..., None] + jitter
    return picture[:height, :width].astype(np.uint8)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.05, 0.3, 1.0]))
def test_the_pipeline_is_its_definition(seed: int, unknown: float) -> None:
    picture = noise(seed, unknown)
    alpha, trimap, _, graphs = run(HOST, picture)
    wanted, count = by_definition(picture)
    np.testing.assert_allclose(alpha, wanted, atol=1e-5)  # float32 sums against float64 ones
    assert (trimap == 128).sum() == 64 * count
    calls = -(-count // N)
    assert graphs.calls == ["coarse"] + ["encode"] * calls + ["refine"] * calls


@pytest.mark.parametrize("count", range(10))
def test_any_small_number_of_unknown_cells(count: int) -> None:
    picture = np.full((48, 64, 3), 10, np.uint8)
    for i in range(count):
        picture[8 * (i % 6) : 8 * (i % 6) + 8, 8 * (i * 5 % 8) : 8 * (i * 5 % 8) + 8] = 128
    alpha, _, clock, _ = run(HOST, picture)
    wanted, found = by_definition(picture)
    assert found == count
    np.testing.assert_allclose(alpha, wanted, atol=1e-5)
    assert ("graph.refine" in clock.seconds) == (count > 0)


def test_the_size_of_a_chunk_does_not_show() -> None:
    picture = noise(3, 0.5)
    graphs = Graphs()
    alpha = run(HOST, picture)[0]
    for n in (1, 7, 48, 100):

        def resized(n: int = n, **inputs: Floats) -> dict[str, Floats]:
            name = "encode" if "region" in inputs else "refine"
            parts = []
            for i in range(n):  # one region at a time, at the size the plain graphs take
                one = {k: np.repeat(v[i : i + 1], N, axis=0) for k, v in inputs.items()}
                parts.append(getattr(graphs, name)(**one))
            return {k: np.concatenate([p[k][:1] for p in parts]) for k in parts[0]}

        table: dict[str, Any] = {"coarse": graphs.coarse, "encode": resized, "refine": resized}
        again, _ = pipeline(replace(HOST, regions=n), table)(picture, None, Clock())
        np.testing.assert_allclose(again, alpha, atol=1e-6)


@pytest.mark.parametrize("most", [0, 1, 5, 1000])
def test_a_budget_refines_so_many_and_leaves_the_rest_coarse(most: int) -> None:
    picture = noise(4, 0.6)
    plain, trimap, _, _ = run(HOST, picture)
    alpha, same, _, graphs = run(replace(HOST, max_regions=most), picture)
    np.testing.assert_array_equal(same, trimap)
    coarse = run(replace(HOST, max_regions=0), picture)[0]
    changed = (alpha != coarse).reshape(6, 8, 8, 8).any(axis=(1, 3)).sum()
    assert changed == min(most, (trimap == 128).sum() // 64)
    assert graphs.calls.count("refine") == -(-changed // N)
    if most == 1000:
        np.testing.assert_array_equal(alpha, plain)


@pytest.mark.parametrize("size", [(64, 48), (50, 37), (1, 1), (1, 48), (64, 1), (8, 8)])
def test_a_smaller_picture_is_reflected_and_cut(size: tuple[int, int]) -> None:
    picture = noise(5, 0.4, *size)
    alpha, trimap, _, _ = run(HOST, picture)
    padded = np.pad(picture, [(0, 48 - size[1]), (0, 64 - size[0]), (0, 0)], mode="reflect")
    whole, whole_trimap, _, _ = run(HOST, padded)
    np.testing.assert_array_equal(alpha, whole[: size[1], : size[0]])
    np.testing.assert_array_equal(trimap, whole_trimap[: size[1], : size[0]])


@pytest.mark.parametrize("size", [(128, 96), (640, 480), (65, 48), (20, 300)])
def test_a_larger_picture_keeps_its_proportions(size: tuple[int, int]) -> None:
    picture = np.full((size[1], size[0], 3), 10, np.uint8)
    picture[: size[1] // 2] = 250
    alpha, trimap, _, _ = run(HOST, picture)
    top, bottom = size[1] // 4, size[1] * 3 // 4
    assert (trimap[:top] == 255).mean() > 0.9 and (trimap[bottom:] == 0).mean() > 0.9
    assert alpha[:top].mean() > 0.9 and alpha[bottom:].mean() < 0.1


def test_without_attention_regions_are_refined_in_one_graph() -> None:
    def refine(region: Floats) -> dict[str, Floats]:
        assert region.shape == (N, 4, 8, 8)
        return {"cell": 1 - region[:, 3:]}

    host = RegionsHost(size=(64, 48), regions=N)
    picture = noise(6, 0.3)
    table: dict[str, Any] = {"coarse": Graphs().coarse, "refine": refine}
    alpha, trimap = pipeline(host, table)(picture, None, Clock())
    coarse = run(replace(HOST, max_regions=0), picture)[0]
    np.testing.assert_allclose(alpha, np.where(trimap == 128, 1 - coarse, coarse), atol=1e-6)


def test_a_given_trimap_is_refused() -> None:
    with pytest.raises(OptionError, match="takes none"):
        pipeline(HOST, Graphs().table())(noise(0, 0), np.zeros((48, 64), np.uint8), Clock())


@pytest.mark.parametrize("size", [(64, 48), (50, 37), (100, 60)])
def test_the_steps_by_name_give_the_pipelines_alpha(
    size: tuple[int, int], steps_by_name: Any
) -> None:
    """Chained by hand: a port of the host can follow them."""
    picture, graphs = noise(7, 0.4, *size), Graphs()
    alpha, trimap, _, _ = run(HOST, picture)
    steps: dict[str, Any] = steps_by_name(STEPS, HOST)
    assert set(steps) == {"frame", "select", "crop", "neighbours", "paste", "finish"}
    framed = steps["frame"](picture=picture)["framed"]
    found = graphs.coarse(framed.transpose(2, 0, 1)[None] * np.float32(1 / 255))
    cells = steps["select"](cell_trimap=found["cell_trimap"][0])["cells"]
    cropped = steps["crop"](framed=framed, coarse_alpha=found["alpha"][0, 0], cells=cells)
    near = steps["neighbours"](cells=cells)
    filled = np.concatenate([cropped["regions"], np.zeros((-len(cells) % N, 4, 8, 8), np.float32)])
    encoded = [graphs.encode(filled[i : i + N]) for i in range(0, len(filled), N)]
    tokens = np.concatenate([e["token"] for e in encoded])[near["group"]]
    bias = TABLE[near["positions"]]
    refined = []
    for i, part in enumerate(encoded):
        chunk = slice(i * N, min(i * N + N, len(cells)))
        rest = N - (chunk.stop - chunk.start)
        skips = {k: part[k] for k in ("skip8", "skip4", "skip2")}
        both = [
            np.concatenate([a[chunk], np.zeros((rest, *a.shape[1:]), np.float32)])
            for a in (tokens, bias)
        ]
        refined.append(graphs.refine(both[0], both[1], **skips)["cell"][: N - rest, 0])
    pasted = steps["paste"](
        cell_alpha=found["cell_alpha"][0, 0], refined=np.concatenate(refined), cells=cells
    )["pasted"]
    done = steps["finish"](
        cell_trimap=found["cell_trimap"][0], coarse_alpha=pasted, size=np.array(size, np.int32)
    )
    np.testing.assert_array_equal(done["alpha"], alpha)
    np.testing.assert_array_equal(done["trimap"], trimap)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"kind": "fused"}, "unknown cut 'fused'; regional has regions"),
        ({"size": (60, 48)}, r"size \[60, 48\]"),
        ({"regions": None}, "lacks the field 'regions'"),
        ({"regions": 0}, "regions 0"),
        ({"max_regions": -1}, "max_regions -1"),
        ({"search_range": None}, "search_range"),
        ({"search_range": 3}, "26 rows"),
        ({"aliasing": None}, "aliasing"),
        ({"bias_table": None}, "10 rows"),
        ({"bias_table": ((1.0,),) * 9 + ((1.0, 2.0),)}, "one length"),
        ({"k": -1}, "k .*at least 1"),
    ],
)
def test_parameters_without_a_meaning_are_refused(
    change: dict[str, Any], part: str, read_host: Any
) -> None:
    assert read_host("regional", HOST, {}) == HOST
    with pytest.raises(BundleError, match=part):
        read_host("regional", HOST, change)


def test_a_missing_graph_is_named() -> None:
    table = Graphs().table()
    del table["encode"]
    with pytest.raises(BundleError, match="'encode'"):
        pipeline(HOST, table)
