"""Trimaps that are given, estimated by the bundle, or missing."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import ndimage

from edgematte.arrays import Bytes, Floats
from edgematte.codec import encode
from edgematte.errors import BundleError, OptionError
from edgematte.host import StageHost
from edgematte.nets import find
from edgematte.runtime.bundle import open_bundle
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.host.trimap_source import (
    EstimatedTrimap,
    Estimator,
    GivenTrimap,
    OwnTrimap,
)
from edgematte.runtime.host.trimap_stage import TrimapStage, small_pieces, without_specks
from edgematte.runtime.matter import Matter
from edgematte.runtime.nets.vitmatte.host import TilesHost
from edgematte.runtime.pipeline import Pipeline, Sourced, pipeline_for

STAGE = StageHost(size=(128, 64), unknown_threshold=0.1, band_px=3, speck_share=0.02)


def given(pipeline: Pipeline) -> Sourced:
    return Sourced("net", pipeline, GivenTrimap("net"))


def estimated(estimate: Estimator) -> Sourced:
    return Sourced("net", halves, EstimatedTrimap(estimate))


def halves(picture: Bytes, trimap: Bytes | None, clock: Clock) -> tuple[Floats, Bytes]:
    """A net that answers with the trimap's grey."""
    assert trimap is not None
    return trimap.astype(np.float32) / np.float32(255), trimap


def segment(**inputs: Floats) -> dict[str, Floats]:
    """Bright pixels are foreground, those of middling brightness unknown."""
    bright = inputs["image"].mean(axis=1)
    rows = [bright < 0.33, bright > 0.66, (bright >= 0.33) & (bright <= 0.66)]
    return {"trimap": np.stack(rows, axis=1).astype(np.float32)}


def scene() -> Bytes:
    """A bright block with a grey rim, a lone bright speck, and a dark speck in the block."""
    picture = np.zeros((64, 128, 3), np.uint8)
    picture[16:48, 28:100] = 128
    picture[20:44, 32:96] = 255
    picture[30:34, 60:64] = 0
    picture[4:8, 4:8] = 255
    return picture


def test_a_given_trimap_is_used_as_it_is() -> None:
    trimap = np.full((64, 128), 128, np.uint8)

    def never(picture: Bytes, clock: Clock) -> Bytes:
        raise AssertionError("estimated although one was given")

    alpha, found = estimated(never)(scene(), trimap, Clock())
    assert found is trimap
    assert np.all(alpha == np.float32(128 / 255))


def test_without_trimap_and_stage_both_ways_out_are_told() -> None:
    with pytest.raises(OptionError, match="net needs a trimap: give one, or export .*cascade"):
        given(halves)(scene(), None, Clock())


def test_the_stage_finds_subject_band_and_background_and_drops_specks() -> None:
    clock = Clock()
    _, trimap = estimated(TrimapStage(STAGE, segment))(scene(), None, clock)
    assert trimap.shape == (64, 128)
    assert trimap[4:8, 4:8].max() == 0, "the lone speck is gone"
    assert trimap[31, 61] == 255, "the hole is filled"
    assert trimap[18, 64] == 128, "the rim is unknown"
    assert trimap[32, 40] == 255
    assert trimap[60, 120] == 0
    assert {"host.reduce", "graph.trimap_stage", "host.trimap"} <= set(clock.seconds)


def test_the_band_grows_by_pixels_of_the_full_picture() -> None:
    narrow = TrimapStage(replace(STAGE, band_px=0), segment)(scene(), Clock())
    wide = TrimapStage(replace(STAGE, band_px=5), segment)(scene(), Clock())
    expected = ndimage.binary_dilation(narrow == 128, np.ones((11, 11)))
    np.testing.assert_array_equal(wide == 128, expected)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"band_px": None}, "trimap_stage lacks the field 'band_px'"),
        ({"unknown_threshold": None}, "trimap_stage lacks the field 'unknown_threshold'"),
        ({"band_px": -1}, "band_px -1"),
        ({"speck_share": 2.0}, "speck_share 2.0"),
        ({"kind": "split"}, "trimap_stage.kind should be 'trimap-stage'"),
    ],
)
def test_a_stage_without_its_parameters_is_refused(
    change: dict[str, Any], part: str, tiny_bundle: Path, edit_manifest: Any
) -> None:
    section = encode(STAGE) | change
    kept = {name: value for name, value in section.items() if value is not None}
    edit_manifest(tiny_bundle, lambda m: m.update(trimap_stage=kept))
    with pytest.raises(BundleError, match=part):
        open_bundle(tiny_bundle)


def test_a_stage_without_its_graph_is_refused() -> None:
    tiles = TilesHost(size=(64, 64), overlap=8, padding=(0, 0, 0))
    with pytest.raises(BundleError, match="trimap-stage cut needs a graph 'trimap_stage'"):
        pipeline_for(find("vitmatte-s"), tiles, {"matte": segment}, stage=STAGE)


masks = arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 12)))


@drawn(masks, st.integers(0, 20))
def test_small_pieces_are_those_scipy_labels_small(mask: NDArray[np.bool_], limit: int) -> None:
    labels, count = ndimage.label(mask)
    expected = np.zeros_like(mask)
    for label in range(1, count + 1):
        piece = labels == label
        if piece.sum() < limit:
            expected |= piece
    np.testing.assert_array_equal(small_pieces(mask, limit), expected)


def test_no_share_leaves_probabilities_alone() -> None:
    probabilities = np.random.default_rng(0).random((3, 8, 9), np.float32)
    assert without_specks(probabilities, 0.0) is probabilities


def test_refine_streams_the_steps_of_a_net_that_has_them() -> None:
    class Steps:
        def __call__(self, picture: Bytes, trimap: Bytes, clock: Clock) -> tuple[Floats, Bytes]:
            *_, last = self.steps(picture, trimap, clock)
            return last, trimap

        def steps(self, picture: Bytes, trimap: Bytes, clock: Clock) -> Iterator[Floats]:
            for number, value in enumerate((0.2, 0.4), 1):
                clock.counts["steps"] = number
                yield np.full(trimap.shape, value, np.float32)

    class Opened:
        class manifest:
            host = STAGE

    pipeline = given(Steps())  # type: ignore[arg-type]
    matter = Matter(Opened(), find("lightweight"), pipeline, "none")  # type: ignore[arg-type]
    trimap = np.full((64, 128), 128, np.uint8)
    mattes = list(matter.refine(scene(), trimap))
    assert [float(matte.alpha[0, 0]) for matte in mattes] == pytest.approx([0.2, 0.4])
    assert [matte.counts for matte in mattes] == [{"steps": 1}, {"steps": 2}]
    assert float(matter(scene(), trimap).alpha[0, 0]) == pytest.approx(0.4)


def test_refine_of_a_net_without_steps_gives_all_that_the_call_gives() -> None:
    def net(picture: Bytes, trimap: Bytes | None, clock: Clock) -> tuple[Floats, Bytes]:
        clock.counts["regions refined"], clock.seconds["graph.refine"] = 7, 0.25
        return np.zeros(picture.shape[:2], np.float32), np.zeros(picture.shape[:2], np.uint8)

    pipeline = Sourced("lightweight", net, OwnTrimap())
    matter = Matter(open_bundle(), find("lightweight"), pipeline, "none")
    (found,), called = matter.refine(scene(), None), matter(scene(), None)
    assert found.counts == called.counts == {"regions refined": 7}
    assert found.timings == called.timings == {"graph.refine": 0.25}
