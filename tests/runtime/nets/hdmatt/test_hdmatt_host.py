"""HDMatt's host side on graphs of plain NumPy whose whole answer has a short definition."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgematte.arrays import Bytes, Floats
from edgematte.errors import BundleError, OptionError
from edgematte.nets import find
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.host.patches import blend_window, patch_grid, walk
from edgematte.runtime.net_options import read_load_options
from edgematte.runtime.nets.hdmatt.contexts import candidates
from edgematte.runtime.nets.hdmatt.host import Options, PatchesHost
from edgematte.runtime.nets.hdmatt.pipeline import pipeline
from edgematte.runtime.nets.hdmatt.steps import STEPS

SIDE, K = 16, 2
HOST = PatchesHost(size=(SIDE, SIDE), patch=SIDE, overlap=4, k=K, candidates=30)


class Graphs:
    """Features are mean colours of 8x8 cells; alpha mixes a patch's red with its contexts' green.

    ``kill_at``: the process kills itself at that call of QUERY.
    """

    def __init__(self, kill_at: int = -1) -> None:
        self.calls: list[str] = []
        self.kill_at = kill_at

    def bank(self, image: Floats, trimap: Floats) -> dict[str, Floats]:
        self.calls.append("bank")
        assert image.shape == trimap.shape == (1, 3, SIDE, SIDE)
        assert (trimap.sum(axis=1) == 1).all()
        cells = image.reshape(1, 3, 2, 8, 2, 8).mean(axis=(3, 5))
        unknown = trimap[:, 2:].reshape(1, 1, 2, 8, 2, 8).max(axis=(3, 5))
        key = cells - np.float32(0.5)
        return {
            "key": key,
            "value": cells[:, 1:2],
            "own": cells[:, :1],
            "query": (key * unknown).mean(axis=(2, 3)),
            "context": key.mean(axis=(2, 3)),
            "mask": np.concatenate([1 - unknown, 0 * unknown, unknown], axis=1),
        }

    def query(self, image: Floats, trimap: Floats, **given: Floats) -> dict[str, Floats]:
        if self.calls.count("query") == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.calls.append("query")
        assert given["keys"].shape == (K, 3, 2, 2) and given["masks"].shape == (K, 3, 2, 2)
        present = np.exp(given["pad"][0])
        green = (given["values"].mean(axis=(1, 2, 3)) * present).sum() / max(present.sum(), 1)
        match = (given["keys"] * given["key"]).sum() + given["masks"][:, 2].sum() / 8
        mixed = 0.5 * image[:, :1] + 0.3 * green + 0.1 * np.tanh(match) + 0.1 * given["own"].mean()
        alpha = np.clip(mixed, 0, 1) * trimap[:, 2:] + 0.1  # not exact where it is known
        return {"alpha": alpha.astype(np.float32)}

    def table(self) -> dict[str, Any]:
        return {"bank": self.bank, "query": self.query}


def scene(seed: int, width: int, height: int) -> tuple[Bytes, Bytes]:
    """Noise, and a trimap of blocks of 10 pixels."""
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, 256, (height, width, 3), np.uint8)
    picture[:, : width // 2] //= 2
    blocks = rng.choice(
        np.array([0, 128, 255], np.uint8), (-(-height // 10), -(-width // 10)), p=[0.4, 0.3, 0.3]
    )
    return picture, blocks.repeat(10, axis=0).repeat(10, axis=1)[:height, :width]


def run(host: PatchesHost, picture: Bytes, trimap: Bytes) -> tuple[Floats, Clock, Graphs]:
    graphs, clock = Graphs(), Clock()
    alpha, same = pipeline(host, graphs.table())(picture, trimap, clock)
    assert same is trimap and alpha.shape == trimap.shape and alpha.dtype == np.float32
    assert (alpha[trimap == 255] == 1).all() and (alpha[trimap == 0] == 0).all()
    assert 0 <= alpha.min() and alpha.max() <= 1
    return alpha, clock, graphs


def by_definition(host: PatchesHost, picture: Bytes, trimap: Bytes) -> tuple[Floats, int]:
    """Every patch against every other one by eq. 1, then eq. 5 and 6 over the whole picture."""
    graphs = Graphs()
    size = picture.shape[1], picture.shape[0]
    patches = list(walk(patch_grid(size, SIDE, host.overlap)))
    inputs = []
    for patch in patches:
        here = np.s_[patch.top : patch.top + SIDE, patch.left : patch.left + SIDE]
        pads = [(0, SIDE - n) for n in trimap[here].shape]  # of the picture, reflected as a whole
        image = np.pad(picture, [*pads, (0, 0)], mode="reflect")[here]
        planes = image.transpose(2, 0, 1).astype(np.float32)
        known = np.pad(trimap, pads, mode="reflect")[here]
        classes = np.stack([known == c for c in (0, 255, 128)]).astype(np.float32)
        inputs.append((np.ascontiguousarray(planes)[None] / np.float32(255), classes[None]))
    banks = [graphs.bank(*both) for both in inputs]
    pool = candidates(trimap, patches, host.candidates or 0).tolist()
    total, weights = np.zeros(trimap.shape), np.zeros(trimap.shape)
    decoded = 0
    for i, patch in enumerate(patches):
        here = np.s_[patch.top : patch.top + SIDE, patch.left : patch.left + SIDE]
        inside = trimap[here]
        height, width = inside.shape
        part = (inside == 255).astype(np.float64)
        if (inside == 128).any():
            decoded += 1
            score = {j: banks[i]["query"][0] @ banks[j]["context"][0] for j in pool if j != i}
            best = sorted(score, key=lambda j: -score[j])[:K]
            stacked = {
                plural: np.zeros((K, *banks[0][name].shape[1:]), np.float32)
                for plural, name in (("keys", "key"), ("values", "value"), ("masks", "mask"))
            }
            for n, j in enumerate(best):
                for plural, name in (("keys", "key"), ("values", "value"), ("masks", "mask")):
                    stacked[plural][n] = banks[j][name][0]
            pad = np.where(np.arange(K) < len(best), 0, -1e4)[None].astype(np.float32)
            found = graphs.query(
                *inputs[i],
                key=banks[i]["key"],
                own=banks[i]["own"],
                pad=pad,
                **stacked,
            )
            part = np.where(inside == 128, found["alpha"][0, 0, :height, :width], part)
        window = blend_window(patch, size, host.overlap)[:height, :width]
        total[here] += window * part
        weights[here] += window
    return (total / weights).astype(np.float32), decoded


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.tuples(st.integers(2, 70), st.integers(2, 60)),
    st.sampled_from([0, 4, 8]),
)
def test_the_pipeline_is_its_definition(seed: int, size: tuple[int, int], overlap: int) -> None:
    host = replace(HOST, overlap=overlap, candidates=1000)
    picture, trimap = scene(seed, *size)
    expected, decoded = by_definition(host, picture, trimap)
    alpha, clock, graphs = run(host, picture, trimap)
    np.testing.assert_allclose(alpha, expected, atol=1e-5)  # float32 against float64 sums
    patches = len(list(walk(patch_grid(size, SIDE, overlap))))
    assert graphs.calls.count("query") == decoded == clock.counts["patches refined"]
    assert graphs.calls.count("bank") == (patches if decoded else 0)


def test_large_pictures_choose_from_the_most_mixed_patches_and_keep_half_floats() -> None:
    host = replace(HOST, candidates=7)
    picture, trimap = scene(1, 90, 70)
    trimap[:40, :60] = 0
    alpha, clock, graphs = run(host, picture, trimap)
    expected, decoded = by_definition(host, picture, trimap)
    np.testing.assert_allclose(alpha, expected, atol=2e-3)  # features with 11 bits
    patches = list(walk(patch_grid((90, 70), SIDE, 4)))
    pool = set(candidates(trimap, patches, 7).tolist())
    assert len(pool) == 7 == clock.counts["candidates"] and decoded < len(patches)
    unknown = {
        i for i, p in enumerate(patches) if (trimap[p.top :, p.left :][:16, :16] == 128).any()
    }
    assert graphs.calls.count("bank") == len(pool | unknown) < len(patches)


@pytest.mark.parametrize("memory_mb", [0.0, 0.0002])
def test_features_in_the_file_give_the_same_alpha(memory_mb: float) -> None:
    for host in (HOST, replace(HOST, candidates=5)):
        picture, trimap = scene(2, 60, 50)
        net = pipeline(host, Graphs().table(), Options(memory_mb))
        alpha, _ = net(picture, trimap, Clock())
        np.testing.assert_array_equal(alpha, run(host, picture, trimap)[0])


def test_a_trimap_without_unknown_pixels_is_the_alpha() -> None:
    picture, trimap = scene(3, 50, 40)
    for two_levels in (np.where(trimap == 128, 0, trimap), np.where(trimap, 255, 0), trimap * 0):
        alpha, _, graphs = run(HOST, picture, two_levels.astype(np.uint8))
        np.testing.assert_array_equal(alpha, two_levels / 255)
        assert not graphs.calls


@pytest.mark.parametrize("size", [(1, 1), (1, 30), (7, 5), (16, 16), (40, 33)])
def test_everything_may_be_unknown_and_a_picture_smaller_than_a_patch(
    size: tuple[int, int],
) -> None:
    picture, trimap = scene(4, *size)
    alpha, _, graphs = run(HOST, picture, np.full_like(trimap, 128))
    assert alpha.shape == size[::-1] and alpha.std() >= 0
    if max(size) <= SIDE:
        assert graphs.calls == ["bank", "query"]


def resume(path: Path, seed: int = 5, work: str = "", kill_at: int = -1) -> tuple[Floats, Graphs]:
    graphs = Graphs(kill_at)
    net = pipeline(replace(HOST, candidates=6), graphs.table())
    alpha, _ = net.resume(*scene(seed, 80, 70), Clock(), path, work)
    return alpha, graphs


def test_a_killed_run_goes_on_and_gives_the_same_alpha(tmp_path: Path) -> None:
    expected, whole = resume(tmp_path / "whole")
    code = (
        "import runpy, sys, pathlib\n"
        f"runpy.run_path({__file__!r})['resume'](pathlib.Path(sys.argv[1]), kill_at=7)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "killed")], check=False)
    assert done.returncode == -signal.SIGKILL
    alpha, rest = resume(tmp_path / "killed")
    np.testing.assert_array_equal(alpha, expected)
    assert rest.calls.count("query") == whole.calls.count("query") - 7
    again, nothing = resume(tmp_path / "killed")
    np.testing.assert_array_equal(again, expected)
    assert not nothing.calls


@pytest.mark.parametrize("changed", [{"seed": 6}, {"work": "fp16"}])
def test_a_journal_of_other_work_is_refused(tmp_path: Path, changed: dict[str, Any]) -> None:
    resume(tmp_path / "j")
    with pytest.raises(OptionError, match="of another picture"):
        resume(tmp_path / "j", **changed)


def test_without_contexts_there_is_one_graph() -> None:
    def query(image: Floats, trimap: Floats) -> dict[str, Floats]:
        return {"alpha": image[:, :1]}

    picture, trimap = scene(7, 50, 40)
    host = PatchesHost(size=(SIDE, SIDE), patch=SIDE, overlap=4)
    graphs: Any = {"query": query}
    alpha, _ = pipeline(host, graphs)(picture, trimap, Clock())
    expected = np.where(trimap == 128, picture[..., 0] / 255, trimap / 255)
    np.testing.assert_allclose(alpha, expected, atol=1e-6)


def test_choices_are_offered_to_a_check() -> None:
    picture, trimap = scene(8, 60, 50)

    class Other(Clock):
        def choose(self, name: str, value: NDArray[Any]) -> NDArray[Any]:
            super().choose(name, value)
            return value[::-1][:1]

    clock = Other()
    alpha, _ = pipeline(HOST, Graphs().table())(picture, trimap, clock)
    assert len(clock.choices) == clock.counts["patches refined"]
    for name, pairs in clock.choices.items():
        assert pairs.shape == (K, 2) and name == f"contexts of patch {pairs[0, 0]}"
        assert pairs[0, 0] not in pairs[:, 1]
    assert abs(alpha - run(HOST, picture, trimap)[0]).max() > 1e-3


def test_the_steps_by_name_give_the_pipelines_alpha(steps_by_name: Any) -> None:
    """Chained by hand: a port of the host can follow them."""
    picture, trimap = scene(9, 60, 40)
    steps: dict[str, Any] = steps_by_name(STEPS, HOST)
    assert list(steps) == ["patches", "candidates", "crop", "contexts", "stitch"]
    cut = steps["patches"](trimap=trimap) | steps["candidates"](trimap=trimap)
    graphs, banks, inputs, alphas = Graphs(), [], [], []
    for patch in cut["patches"]:
        part = steps["crop"](picture=picture, trimap=trimap, patch=patch)
        image = part["picture_patch"].transpose(2, 0, 1)[None] * np.float32(1 / 255)
        classes = np.stack([part["trimap_patch"] == c for c in (0, 255, 128)])[None]
        inputs.append((image, classes.astype(np.float32)))
        banks.append(graphs.bank(*inputs[-1]))
    for i, refined in enumerate(cut["refined"]):
        left, top, side = cut["patches"][i]
        known = np.pad(trimap, 20)[20 + top : 20 + top + side, 20 + left : 20 + left + side]
        if not refined:
            alphas.append((known == 255).astype(np.float32))
            continue
        others = [i, *(j for j in cut["candidates"] if j != i)]  # the step leaves the first out
        vectors = np.stack([banks[j]["context"][0] for j in others])
        best = steps["contexts"](query_vector=banks[i]["query"][0], context_vectors=vectors)
        chosen = [others[j] for j in best["chosen"]]
        found = graphs.query(
            *inputs[i],
            key=banks[i]["key"],
            own=banks[i]["own"],
            keys=np.concatenate([banks[j]["key"] for j in chosen]),
            values=np.concatenate([banks[j]["value"] for j in chosen]),
            masks=np.concatenate([banks[j]["mask"] for j in chosen]),
            pad=best["pad"],
        )
        alphas.append(np.where(known == 128, found["alpha"][0, 0], known == 255))
    whole = steps["stitch"](patches=cut["patches"], alphas=np.stack(alphas), trimap=trimap)
    expected = run(HOST, picture, trimap)[0]  # float32 sums over arrays of other layouts
    np.testing.assert_allclose(whole["alpha"], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"kind": "split"}, "unknown cut 'split'; hdmatt has patches"),
        ({"overlap": 16}, "the overlap should be less"),
        ({"patch": None}, "lacks the field 'patch'"),
        ({"k": 0}, "k 0: at least 1"),
        ({"candidates": 2}, "candidates 2: more than k"),
        ({"candidates": None}, "candidates None: more than k"),
    ],
)
def test_parameters_that_no_export_writes_are_refused(
    change: dict[str, Any], part: str, read_host: Any
) -> None:
    assert read_host("hdmatt", HOST, {}) == HOST
    with pytest.raises(BundleError, match=part):
        read_host("hdmatt", HOST, change)


def test_missing_graphs_and_less_than_no_memory_are_refused() -> None:
    with pytest.raises(BundleError, match="needs a graph 'bank'"):
        only: Any = {"query": Graphs().query}
        pipeline(HOST, only)
    with pytest.raises(OptionError, match="memory_mb -1: a number of megabytes at least 0"):
        read_load_options(find("hdmatt"), {"memory_mb": -1.0})
