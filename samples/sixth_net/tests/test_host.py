"""The torch-free side: what a bundle of the net does with a picture."""

import os
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("portrait_unet", reason="pip install -e samples/sixth_net")

from portrait_unet.host import FusedHost, LoadOptions
from portrait_unet.pipeline import enlarge, pipeline, reduce, sharpened, trimap_of

from edgematte.arrays import Bytes, Floats
from edgematte.errors import BundleError, OptionError
from edgematte.runtime.host.clock import Clock

HOST = FusedHost(size=(64, 64), edge_px=8)


def brightness(**inputs: Floats) -> dict[str, Floats]:
    """A graph whose alpha is the red channel."""
    return {"alpha": inputs["image"][:, :1]}


def picture(seed: int = 0) -> Bytes:
    return np.random.default_rng(seed).integers(0, 256, (90, 70, 3), np.uint8)


def test_the_border_repeats_the_pictures_own_and_is_cut_off_again() -> None:
    small = reduce(picture(), HOST)
    assert small.shape == (64, 64, 3)
    np.testing.assert_array_equal(small[:8, 8:56], np.broadcast_to(small[8:9, 8:56], (8, 48, 3)))
    np.testing.assert_array_equal(small[8:56, 56:], np.broadcast_to(small[8:56, 55:56], (48, 8, 3)))
    alpha = np.zeros((1, 64, 64), np.float32)
    alpha[:, :8] = alpha[:, 56:] = alpha[:, :, :8] = alpha[:, :, 56:] = 1
    assert enlarge(alpha, HOST, (70, 90)).shape == (90, 70)
    assert not enlarge(alpha, HOST, (70, 90)).any()


def test_alpha_is_what_the_graph_finds_at_the_pictures_size() -> None:
    """48x48 in the middle: no resizing, so the answer is the picture's red channel itself."""
    small = picture()[:48, :48]
    alpha, trimap = pipeline(HOST, {"matte": brightness})(small, None, Clock())
    np.testing.assert_allclose(alpha, small[..., 0] / 255, atol=1e-6)  # float32 rounding
    assert set(np.unique(trimap)) == {0, 128, 255}
    np.testing.assert_array_equal(trimap, trimap_of(alpha))


def test_sharpen_changes_the_distance_from_one_half() -> None:
    alpha = np.array([0, 0.25, 0.5, 0.6, 1], np.float32)
    np.testing.assert_allclose(sharpened(alpha, 2), [0, 0, 0.5, 0.7, 1], atol=1e-6)
    np.testing.assert_allclose(sharpened(alpha, 0.5), [0.25, 0.375, 0.5, 0.55, 0.75], atol=1e-6)
    np.testing.assert_array_equal(sharpened(alpha, 1), alpha)
    small = picture()[:48, :48]
    run = pipeline(HOST, {"matte": brightness}, LoadOptions(sharpen=2.0))
    expected = np.clip(2 * (small[..., 0] / 255) - 0.5, 0, 1)
    np.testing.assert_allclose(run(small, None, Clock())[0], expected, atol=1e-6)


def test_the_trimap_is_unknown_where_alpha_is_neither_nearly_0_nor_nearly_1() -> None:
    alpha = np.array([[0, 0.01, 0.1, 0.9, 0.99, 1]], np.float32)
    assert trimap_of(alpha).tolist() == [[0, 0, 128, 128, 255, 255]]


@pytest.mark.parametrize("edge_px", [-1, 32, 100])
def test_a_border_that_leaves_no_picture_is_refused(edge_px: int) -> None:
    with pytest.raises(BundleError, match=f"edge_px {edge_px}: from 0 to less than half"):
        FusedHost(size=(64, 64), edge_px=edge_px)


def test_a_trimap_is_refused_and_so_is_a_bundle_without_the_graph() -> None:
    with pytest.raises(OptionError, match="give it no trimap"):
        pipeline(HOST, {"matte": brightness})(picture(), np.zeros((90, 70), np.uint8), Clock())
    with pytest.raises(BundleError, match="needs a graph 'matte'"):
        pipeline(HOST, {})


def test_the_host_side_imports_no_torch() -> None:
    program = (
        "import sys, portrait_unet.net, portrait_unet.steps, portrait_unet.pipeline\n"
        "assert 'torch' not in sys.modules"
    )
    found = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", program], env=found, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
