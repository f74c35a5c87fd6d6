import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgematte.arrays import Floats
from edgematte.errors import PictureError
from edgematte.runtime.host import trimap as trimaps
from edgematte.runtime.host.resize import resize_planes
from edgematte.runtime.host.trimap import dilate, estimate_trimap, read_trimap, trimap_probabilities

SEEDS = st.integers(0, 2**32 - 1)


def probabilities(seed: int, h: int, w: int) -> Floats:
    raw = np.random.default_rng(seed).random((3, h, w), np.float32)
    return np.asarray(raw / raw.sum(axis=0), np.float32)


def one_pixel(background: float, foreground: float, unknown: float, **options: float) -> int:
    planes = np.array([background, foreground, unknown], np.float32).reshape(3, 1, 1)
    threshold = options.get("threshold", 0.35)
    return int(estimate_trimap(planes, (1, 1), unknown_threshold=threshold, band_px=0)[0, 0])


@pytest.mark.parametrize(
    ("planes", "expected"),
    [
        ((0.9, 0.1, 0.0), 0),
        ((0.1, 0.9, 0.0), 255),
        ((0.5, 0.5, 0.0), 0),  # a tie is background
        ((0.6, 0.05, 0.35), 128),  # the threshold itself is unknown
        ((0.6, 0.06, 0.34), 0),
        ((0.3325, 0.3325, 0.335), 128),  # below the threshold, and yet the likeliest
        ((0.0, 0.0, 1.0), 128),
    ],
)
def test_a_pixel_is_what_its_probabilities_say(
    planes: tuple[float, float, float], expected: int
) -> None:
    assert one_pixel(*planes) == expected


def test_the_threshold_is_the_one_given() -> None:
    assert one_pixel(0.8, 0.0, 0.2, threshold=0.15) == 128
    assert one_pixel(0.8, 0.0, 0.2, threshold=0.25) == 0


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(1, 20), st.integers(1, 20), st.integers(1, 60), st.integers(1, 60))
def test_in_strips_it_is_the_whole(seed: int, h: int, w: int, height: int, width: int) -> None:
    planes = probabilities(seed, h, w)
    whole = resize_planes(planes, (width, height))
    background, foreground, unknown = whole.astype(np.float64)
    margin = unknown - np.minimum(0.35, np.maximum(background, foreground))
    expected = np.where(foreground > background, 255, 0)
    expected[margin >= 0] = 128
    # A strip's corners are float32 in Pillow: within 1e-4 of a decision either answer is right.
    clear = (np.abs(margin) > 1e-4) & (np.abs(foreground - background) > 1e-4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trimaps, "BLOCK", 7)
        found = estimate_trimap(planes, (width, height), unknown_threshold=0.35, band_px=0)
    assert found.dtype == np.uint8 and found.shape == (height, width)
    np.testing.assert_array_equal(found[clear], expected[clear])


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(2, 5), st.integers(40, 300), st.integers(40, 300))
def test_parts_of_one_class_are_what_enlarging_them_gives(
    seed: int, blobs: int, height: int, width: int
) -> None:
    # A few large blobs of sure classes on a map, so that most blocks hold one class alone.
    coarse = np.random.default_rng(seed).integers(0, 3, (blobs, blobs))
    classes = np.kron(coarse, np.ones((12, 12), int))
    planes = np.where(np.arange(3)[:, None, None] == classes, 0.96, 0.02).astype(np.float32)
    background, foreground, unknown = resize_planes(planes, (width, height)).astype(np.float64)
    margin = unknown - np.minimum(0.1, np.maximum(background, foreground))
    expected = np.where(foreground > background, 255, 0)
    expected[margin >= 0] = 128
    clear = (margin > 1e-4) | ((margin < -1e-4) & (np.abs(foreground - background) > 1e-4))
    found = estimate_trimap(planes, (width, height), unknown_threshold=0.1, band_px=0)
    np.testing.assert_array_equal(found[clear], expected[clear])
    assert clear.mean() > 0.9


def test_a_picture_of_many_strips_has_no_seams() -> None:
    rows = np.linspace(0, 1, 16, dtype=np.float32)[:, None] * np.ones((1, 8), np.float32)
    planes = np.stack([1 - rows, rows, np.zeros_like(rows)])
    found = estimate_trimap(planes, (8, 1000), unknown_threshold=0.35, band_px=0)
    # Foreground probability rises from top to bottom: one switch, in the middle, in no column two.
    assert (np.diff(found.astype(int), axis=0) >= 0).all()
    assert (found[:500] == 0).all() and (found[501:] == 255).all()


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(0, 12))
def test_the_band_widens_only_the_unknown(seed: int, band_px: int) -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    planes = probabilities(seed, 5, 6)
    plain = estimate_trimap(planes, (40, 30), unknown_threshold=0.5, band_px=0)
    found = estimate_trimap(planes, (40, 30), unknown_threshold=0.5, band_px=band_px)
    grown = ndimage.maximum_filter(plain == 128, 2 * band_px + 1, mode="constant")
    np.testing.assert_array_equal(found, np.where(grown, 128, plain))


@settings(max_examples=100, deadline=None)
@given(SEEDS, st.integers(1, 14), st.integers(1, 14), st.integers(0, 40), st.floats(0.01, 0.5))
def test_dilate_is_scipys(seed: int, h: int, w: int, radius: int, share: float) -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    mask = np.random.default_rng(seed).random((h, w)) < share
    before = mask.copy()
    found = dilate(mask, radius)
    wanted = ndimage.maximum_filter(mask, 2 * radius + 1, mode="constant", cval=False)
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(mask, before)  # the argument is not written to


@pytest.mark.parametrize("radius", range(12))
def test_one_point_grows_to_a_square(radius: int) -> None:
    mask = np.zeros((40, 50), np.bool_)
    mask[20, 25] = True
    wanted = np.zeros_like(mask)
    wanted[20 - radius : 21 + radius, 25 - radius : 26 + radius] = True
    np.testing.assert_array_equal(dilate(mask, radius), wanted)


def test_every_byte_of_a_trimap_picture_has_its_class() -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    found, odd = read_trimap(ramp, (16, 16))
    flat = found.ravel()
    assert (flat[:85] == 0).all() and (flat[85:170] == 128).all() and (flat[170:] == 255).all()
    assert odd == 256 - 5  # all but 0, 127, 128, 129, 255


@pytest.mark.parametrize("plain", [[0, 128, 255], [0, 127, 255], [0, 129, 255], [0], [255]])
def test_usual_trimaps_have_no_odd_pixels(plain: list[int]) -> None:
    picture = np.resize(np.array(plain, np.uint8), (6, 9))
    found, odd = read_trimap(picture, (9, 6))
    assert odd == 0
    assert set(np.unique(found)) == {128 if 0 < v < 255 else v for v in plain}


def test_a_trimap_of_another_size_is_refused_with_both_sizes() -> None:
    with pytest.raises(PictureError, match="64x48.*48x64"):
        read_trimap(np.zeros((48, 64), np.uint8), (48, 64))


@pytest.mark.parametrize("shape", [(6, 9, 3), (54,), (1, 6, 9)])
def test_a_trimap_that_is_not_a_grey_picture_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(PictureError):
        read_trimap(np.zeros(shape, np.uint8), (9, 6))


def test_probabilities_of_a_trimap_are_one_hot_in_the_order_of_the_classes() -> None:
    planes = trimap_probabilities(np.array([[0, 128], [255, 0]], np.uint8))
    assert planes.dtype == np.float32
    np.testing.assert_array_equal(planes[0], [[1, 0], [0, 1]])  # background
    np.testing.assert_array_equal(planes[1], [[0, 0], [1, 0]])  # foreground
    np.testing.assert_array_equal(planes[2], [[0, 1], [0, 0]])  # unknown


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.integers(1, 9), st.integers(1, 9))
def test_a_trimap_survives_the_way_through_probabilities(seed: int, h: int, w: int) -> None:
    picked = np.random.default_rng(seed).choice(np.array([0, 128, 255], np.uint8), (h, w))
    planes = trimap_probabilities(picked)
    found = estimate_trimap(planes, (w, h), unknown_threshold=0.35, band_px=0)
    np.testing.assert_array_equal(found, picked)
