from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgematte import testcard
from edgematte.arrays import Bytes, Floats
from edgematte.errors import BundleError, OptionError
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.host.patches import Patch, known_alpha, patch_grid, walk
from edgematte.runtime.host.resize import resize_planes
from edgematte.runtime.host.trimap import trimap_probabilities
from edgematte.runtime.nets.lightweight.host import FusedHost, SplitHost
from edgematte.runtime.nets.lightweight.pipeline import pipeline, probability_patch
from edgematte.runtime.nets.lightweight.steps import STEPS

Call = Callable[..., dict[str, Floats]]

SPLIT = SplitHost(size=(64, 48), patch=32, overlap=8, unknown_threshold=0.35, band_px=2)
PLACED = replace(SPLIT, lattice=8)
FUSED = FusedHost(size=(64, 48), unknown_threshold=0.35, band_px=2)
SIZES = [(1, 1), (1, 97), (97, 1), (3, 700), (32, 32), (33, 32), (56, 31), (57, 80), (64, 48)]


class Recorder:
    """A graph that remembers the inputs of every call."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.calls: list[dict[str, Floats]] = []

    def __call__(self, **inputs: Floats) -> dict[str, Floats]:
        self.calls.append(inputs)
        return self.call(**inputs)


def run(
    host: SplitHost | FusedHost,
    graphs: dict[str, Call],
    picture: Bytes,
    trimap: Bytes | None = None,
) -> tuple[Floats, Bytes, Clock]:
    clock = Clock()
    alpha, found = pipeline(host, graphs)(picture, trimap, clock)
    assert alpha.shape == picture.shape[:2] and alpha.dtype == np.float32
    assert found.shape == picture.shape[:2] and set(np.unique(found)) <= {0, 128, 255}
    assert 0 <= alpha.min() and alpha.max() <= 1  # false for a NaN too
    return alpha, found, clock


def fused_from(graphs: dict[str, Call]) -> Call:
    """One graph from the split cut's two, as the fused export composes them."""

    def matte(image: Floats) -> dict[str, Floats]:
        classes = graphs["segment"](image=image)["trimap"]
        return {"alpha": graphs["refine"](image=image, trimap=classes)["alpha"], "trimap": classes}

    return matte


def answer(graphs: dict[str, Call], picture: Bytes, probabilities: Floats) -> Floats:
    """The tiny refine graph over the whole picture at once."""
    image = picture.transpose(2, 0, 1)[None].astype(np.float32) / np.float32(255)
    alpha: Floats = graphs["refine"](image=image, trimap=probabilities[None])["alpha"][0, 0]
    return alpha


def noise(width: int, height: int, seed: int = 0) -> Bytes:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("host", [SPLIT, PLACED], ids=["grid", "placed"])
@pytest.mark.parametrize("size", [*SIZES, (30, 5000)])
def test_split_answers_any_size(
    host: SplitHost, size: tuple[int, int], tiny_graphs: dict[str, Call]
) -> None:
    run(host, tiny_graphs, noise(*size))


@pytest.mark.parametrize("size", [*SIZES, (30, 5000)])
def test_fused_answers_any_size(size: tuple[int, int], tiny_graphs: dict[str, Call]) -> None:
    run(FUSED, {"matte": fused_from(tiny_graphs)}, noise(*size))


@pytest.mark.parametrize("split", [SPLIT, PLACED], ids=["grid", "placed"])
@pytest.mark.parametrize("size", SIZES)
def test_split_is_the_whole_picture_refined_at_once(
    split: SplitHost, size: tuple[int, int], tiny_graphs: dict[str, Call]
) -> None:
    """The tiny refine graph sees single pixels, so patches and stitching must not show."""
    picture, segment = noise(*size), Recorder(tiny_graphs["segment"])
    host = replace(split, band_px=100)  # one unknown pixel makes its patch unknown, all are refined
    alpha, trimap, _ = run(host, {**tiny_graphs, "segment": segment}, picture)
    assert (trimap == 128).all()
    found = segment.call(**segment.calls[0])["trimap"][0]
    whole = answer(tiny_graphs, picture, resize_planes(found, size))
    # Corners of a patch within the reduced picture are float32 in Pillow: 4e-6 of a pixel, times
    # the refine graph's steepest slope of 1/2.
    np.testing.assert_allclose(alpha, whole, atol=2e-5)


def test_split_on_exactly_one_patch_is_the_fused_cut(tiny_graphs: dict[str, Call]) -> None:
    picture = testcard.testcard(48, 48)
    host = replace(SPLIT, size=(48, 48), patch=48)
    alpha, trimap, _ = run(host, tiny_graphs, picture)
    fused = replace(FUSED, size=(48, 48))
    whole, same, _ = run(fused, {"matte": fused_from(tiny_graphs)}, picture)
    assert (trimap == 128).any() and (trimap != 128).any()
    np.testing.assert_array_equal(trimap, same)
    np.testing.assert_array_equal(alpha, whole)  # nothing is resized or blended: no tolerance


def halves(width: int, height: int) -> Bytes:
    """A given trimap: background left, foreground right, three unknown columns between."""
    trimap = np.zeros((height, width), np.uint8)
    trimap[:, width // 2 :] = 255
    trimap[:, width // 2 - 1 : width // 2 + 2] = 128
    return trimap


def test_patches_without_unknown_pixels_are_not_refined(tiny_graphs: dict[str, Call]) -> None:
    picture, trimap = noise(200, 100), halves(200, 100)
    refine = Recorder(tiny_graphs["refine"])
    alpha, found, clock = run(SPLIT, {**tiny_graphs, "refine": refine}, picture, trimap)
    holding = [
        patch
        for patch in walk(patch_grid((200, 100), 32, 8))
        if (trimap[patch.top : patch.top + 32, patch.left : patch.left + 32] == 128).any()
    ]
    assert (
        0 < len(refine.calls) == len(holding) < 0.3 * len(list(walk(patch_grid((200, 100), 32, 8))))
    )
    np.testing.assert_array_equal(found, trimap)
    # Away from the refined patches alpha is what the trimap says, exactly.
    assert (alpha[:, :72] == 0).all() and (alpha[:, 129:] == 1).all()
    assert set(clock.seconds) == {"host.crop", "graph.refine", "host.stitch"}


def test_placed_patches_lie_where_pixels_are_unknown(tiny_graphs: dict[str, Call]) -> None:
    """The strip is 100 pixels high; cores of 16 and of 24 at the two ends take 6 patches."""
    picture, trimap = noise(200, 100), halves(200, 100)
    refine = Recorder(tiny_graphs["refine"])
    alpha, _, _ = run(PLACED, {**tiny_graphs, "refine": refine}, picture, trimap)
    assert len(refine.calls) == 6
    on_grid, _, _ = run(SPLIT, tiny_graphs, picture, trimap)
    # The tiny graph looks at single pixels, so that all patches agree on unknown ones. 2e-6: sums
    # of a few weighted float32 values, divided.
    strip = trimap == 128
    np.testing.assert_allclose(alpha[strip], on_grid[strip], atol=2e-6)
    assert (alpha[:, :68] == 0).all() and (alpha[:, 133:] == 1).all()


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"lattice": 0}, "lattice 0, patch 32: .* multiple"),
        ({"lattice": 12}, "lattice 12, patch 32: .* multiple"),
        ({"lattice": 16, "overlap": 12}, "patch 32, overlap 12: both margins and 16 pixels"),
    ],
)
def test_a_lattice_that_leaves_gaps_is_refused(change: dict[str, Any], part: str) -> None:
    with pytest.raises(BundleError, match=part):
        replace(SPLIT, **change)


@pytest.mark.parametrize("value", [0, 255])
def test_a_trimap_without_unknown_pixels_is_the_answer(
    value: int, tiny_graphs: dict[str, Call]
) -> None:
    def never(**inputs: Floats) -> dict[str, Floats]:
        raise AssertionError("no graph has anything to do")

    trimap = np.full((61, 77), value, np.uint8)
    alpha, _, _ = run(SPLIT, {"segment": never, "refine": never}, noise(77, 61), trimap)
    assert (alpha == value / 255).all()


def test_classes_that_meet_in_a_known_patch_keep_their_border() -> None:
    def never(**inputs: Floats) -> dict[str, Floats]:
        raise AssertionError("no graph has anything to do")

    trimap = np.zeros((50, 70), np.uint8)
    trimap[13:41, 9:66] = 255
    alpha, _, _ = run(SPLIT, {"segment": never, "refine": never}, noise(70, 50), trimap)
    np.testing.assert_array_equal(alpha, trimap / np.float32(255))


def test_a_given_trimap_is_used_one_hot_and_nothing_is_segmented(
    tiny_graphs: dict[str, Call],
) -> None:
    picture, trimap = noise(90, 70), halves(90, 70)
    trimap[30:40] = 128
    segment, refine = Recorder(tiny_graphs["segment"]), Recorder(tiny_graphs["refine"])
    alpha, found, _ = run(SPLIT, {"segment": segment, "refine": refine}, picture, trimap)
    assert not segment.calls
    for call in refine.calls:
        assert set(np.unique(call["trimap"])) <= {0, 1}
        assert (call["trimap"].sum(axis=1) == 1).all()
    np.testing.assert_array_equal(found, trimap)
    wanted = answer(tiny_graphs, picture, trimap_probabilities(trimap))
    unknown = trimap == 128
    # Sums and quotients of float32 weights: a few times 6e-8.
    np.testing.assert_allclose(alpha[unknown], wanted[unknown], atol=1e-6)


def test_the_fused_cut_refuses_a_trimap_and_names_the_way_out(tiny_graphs: dict[str, Call]) -> None:
    with pytest.raises(OptionError, match="takes no trimap.*export the split cut"):
        run(FUSED, {"matte": fused_from(tiny_graphs)}, noise(20, 20), halves(20, 20))


def test_graphs_get_rgb_in_the_unit_range(tiny_graphs: dict[str, Call]) -> None:
    picture = np.empty((48, 64, 3), np.uint8)
    picture[...] = (255, 128, 0)
    segment, refine = Recorder(tiny_graphs["segment"]), Recorder(tiny_graphs["refine"])
    run(replace(SPLIT, unknown_threshold=0), {"segment": segment, "refine": refine}, picture)
    image = segment.calls[0]["image"]
    assert image.shape == (1, 3, 48, 64) and image.dtype == np.float32
    for given_image in (image, refine.calls[0]["image"]):
        np.testing.assert_allclose(given_image[0, :, 5, 5], [1, 128 / 255, 0], atol=1e-7)


def test_alpha_follows_the_picture_and_not_the_axes(tiny_graphs: dict[str, Call]) -> None:
    """Mattes of a picture and of its transpose are transposes: no mix-up of width and height."""
    square = replace(SPLIT, size=(48, 48))
    picture = testcard.testcard(100, 60)
    alpha, trimap, _ = run(square, tiny_graphs, picture)
    turned, turned_trimap, _ = run(square, tiny_graphs, picture.transpose(1, 0, 2).copy())
    # Pillow reduces along rows first and rounds to bytes between: a level of 255 at most.
    assert (turned_trimap.T == trimap).mean() > 0.98
    assert np.abs(turned.T - alpha)[turned_trimap.T == trimap].max() < 0.05


def test_stages_are_timed(tiny_graphs: dict[str, Call]) -> None:
    _, _, clock = run(SPLIT, tiny_graphs, testcard.testcard(80, 60))
    stages = {"reduce", "trimap", "crop", "stitch"}
    assert set(clock.seconds) == {f"host.{s}" for s in stages} | {"graph.segment", "graph.refine"}
    assert all(seconds >= 0 for seconds in clock.seconds.values())
    _, _, clock = run(FUSED, {"matte": fused_from(tiny_graphs)}, testcard.testcard(80, 60))
    assert set(clock.seconds) == {"host.reduce", "graph.matte", "host.enlarge", "host.trimap"}


SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(1, 20), st.integers(1, 20), st.integers(1, 90), st.integers(1, 90))
def test_probability_patches_are_parts_of_the_enlarged_probabilities(
    seed: int, h: int, w: int, height: int, width: int
) -> None:
    planes = np.random.default_rng(seed).random((3, h, w), np.float32)
    trimap = np.full((height, width), 128, np.uint8)
    whole = resize_planes(planes, (width, height))
    for patch in walk(patch_grid((width, height), 32, 8)):
        found = probability_patch(planes, trimap, patch, (width, height))
        part = whole[:, patch.top :, patch.left :][:, :32, :32]
        rows, columns = part.shape[1:]
        assert found.shape == (3, 32, 32)
        # The box's corners are float32 in Pillow.
        np.testing.assert_allclose(found[:, :rows, :columns], part, atol=2e-5)
        more = (0, 32 - rows), (0, 32 - columns)
        padded = np.pad(whole, [(0, 0), *more], mode="reflect")[:, patch.top :, patch.left :]
        np.testing.assert_allclose(found, padded[:, :32, :32], atol=2e-5)


def test_probability_patches_of_a_30000_pixel_row() -> None:
    planes = np.random.default_rng(0).random((3, 8, 512), np.float32)
    size = (30_000, 20)
    whole = resize_planes(planes, size)
    trimap = np.full((20, 30_000), 128, np.uint8)
    last = patch_grid(size, 512, 64)[0][-1]
    found = probability_patch(planes, trimap, last, size)
    part = whole[:, :, last.left :]
    # At column 500 of 512 float32 corners are off by 3e-5 of a pixel.
    np.testing.assert_allclose(found[:, :20, : part.shape[2]], part, atol=1e-4)


def test_known_alpha_of_one_class_is_one_number() -> None:
    assert known_alpha(np.zeros((4, 4), np.uint8), 8) == 0.0
    assert known_alpha(np.full((4, 4), 255, np.uint8), 8) == 1.0
    both = known_alpha(np.array([[0, 255]], np.uint8), 4)
    assert not isinstance(both, float) and both.shape == (4, 4)
    np.testing.assert_array_equal(both[0, :2], [0, 1])


def test_host_steps_are_what_the_split_pipeline_does(
    tiny_graphs: dict[str, Call], steps_by_name: Any
) -> None:
    """The steps by name, chained by hand, give the pipeline's alpha: a port can follow them."""
    picture = testcard.testcard(90, 70)
    alpha, trimap, _ = run(SPLIT, tiny_graphs, picture)
    steps: dict[str, Any] = steps_by_name(STEPS, SPLIT)
    assert set(steps) == {"reduce", "trimap", "patches", "crop", "stitch"}
    size = np.array([90, 70], np.int32)
    reduced = steps["reduce"](picture=picture)["reduced"]
    image = reduced.transpose(2, 0, 1)[None].astype(np.float32) / np.float32(255)
    probabilities = tiny_graphs["segment"](image=image)["trimap"][0]
    found = steps["trimap"](probabilities=probabilities, size=size)["trimap"]
    np.testing.assert_array_equal(found, trimap)
    plan = steps["patches"](trimap=found)
    alphas = []
    for box, refined in zip(plan["patches"], plan["refined"], strict=True):
        part = steps["crop"](picture=picture, trimap=found, probabilities=probabilities, patch=box)
        if refined:
            image = part["picture_patch"].transpose(2, 0, 1)[None].astype(np.float32)
            classes = part["probability_patch"][None]
            whole = tiny_graphs["refine"](image=image / np.float32(255), trimap=classes)
            alphas.append(whole["alpha"][0, 0])
        else:
            left, top, side = box
            window = found[top : top + side, left : left + side] == 255
            alphas.append(np.pad(window, [(0, side - n) for n in window.shape]).astype(np.float32))
    assert plan["refined"].any()
    stitched = steps["stitch"](patches=plan["patches"], alphas=np.stack(alphas), size=size)["alpha"]
    np.testing.assert_allclose(stitched, alpha, atol=1e-6)  # bytes / 255 against bytes * (1 / 255)


def test_host_steps_of_the_fused_cut(steps_by_name: Any) -> None:
    steps: dict[str, Any] = steps_by_name(STEPS, FUSED)
    assert set(steps) == {"reduce", "trimap", "enlarge"}
    reduced = np.random.default_rng(0).random((1, 48, 64), np.float32)
    found = steps["enlarge"](reduced_alpha=reduced, size=np.array([100, 30], np.int32))["alpha"]
    np.testing.assert_array_equal(found, resize_planes(reduced, (100, 30))[0])


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"kind": "slices"}, "unknown cut 'slices'; lightweight has fused, split"),
        ({"overlap": 32}, "overlap 32"),
        ({"patch": None}, "lacks the field 'patch'"),
        ({"overlap": None}, "lacks the field 'overlap'"),
        ({"band_px": None}, "lacks the field 'band_px'"),
        ({"band_px": -1}, "band_px -1"),
        ({"unknown_threshold": 1.5}, "unknown_threshold 1.5"),
        ({"size": (0, 4)}, r"size \[0, 4\]"),
    ],
)
def test_parameters_without_a_meaning_are_refused(
    change: dict[str, Any], part: str, read_host: Any
) -> None:
    for host in (SPLIT, FUSED):
        assert read_host("lightweight", host, {}) == host
    with pytest.raises(BundleError, match=part):
        read_host("lightweight", SPLIT, change)


def test_a_missing_graph_is_named(tiny_graphs: dict[str, Call]) -> None:
    with pytest.raises(BundleError, match="fused cut needs a graph 'matte'"):
        pipeline(FUSED, tiny_graphs)
    for name in tiny_graphs:
        others = {n: graph for n, graph in tiny_graphs.items() if n != name}
        with pytest.raises(BundleError, match=f"split cut needs a graph '{name}'"):
            pipeline(SPLIT, others)


def test_a_patch_is_where_the_grid_says(steps_by_name: Any) -> None:
    plan: dict[str, Any] = steps_by_name(STEPS, SPLIT)
    boxes = plan["patches"](trimap=np.zeros((48, 64), np.uint8))["patches"]
    wanted = [Patch(*(int(n) for n in box)) for box in boxes]
    assert wanted == list(walk(patch_grid((64, 48), 32, 8)))
