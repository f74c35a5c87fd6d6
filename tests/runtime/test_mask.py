"""The trimap of a mask, held against brute force and SciPy's dilation."""

import itertools
import time
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

import edgematte
from edgematte.arrays import Bytes
from edgematte.errors import OptionError, PictureError
from edgematte.runtime.host import mask as room
from edgematte.runtime.host.mask import default_band, proportional, trimap_from_mask
from edgematte.runtime.host.trimap import STRIP


def disc(height: int = 48, width: int = 64) -> NDArray[np.bool_]:
    down, across = np.mgrid[:height, :width]
    found: NDArray[np.bool_] = ((down - height / 2) / (height / 3)) ** 2 + (
        (across - width / 2) / (width / 3)
    ) ** 2 < 1
    return found


def dilated(flags: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    side = 2 * radius + 1
    found: NDArray[np.bool_] = binary_dilation(flags, np.ones((side, side)))
    return found


def doubtful(shares: NDArray[Any]) -> float:
    """Above which a share is a doubt: 3.5 of 255 over three quarters of those up to 0.05."""
    near = sorted(float(share) for share in shares.ravel() if share <= 0.05)
    if not near:
        return 0.05
    at = 0.75 * (len(near) - 1)
    below, above = near[int(at)], near[min(int(at) + 1, len(near) - 1)]
    return min(0.05, below + (above - below) * (at - int(at)) + 3.5 / 255)


def by_dilation(shares: NDArray[Any], radius: int) -> Bytes:
    """What the docstring says, of a mask of the picture's size."""
    low, high = doubtful(shares), 1 - doubtful(1 - shares)
    subject, ground = dilated(shares > low, radius), dilated(shares < high, radius)
    return np.where(subject & ground, 128, np.where(subject, 255, 0)).astype(np.uint8)


def by_rectangles(shares: NDArray[Any], size: tuple[int, int], radius: int) -> Bytes:
    """The same of any size: each pixel looks at every pixel of the mask, in whole numbers."""
    (rows, columns), (width, height) = shares.shape, size
    low, high = doubtful(shares), 1 - doubtful(1 - shares)
    trimap = np.empty((height, width), np.uint8)
    for y, x in itertools.product(range(height), range(width)):
        seen = [
            shares[j, i]
            for j, i in itertools.product(range(rows), range(columns))
            # [j H, (j + 1) H) meets [(y - r) h, (y + 1 + r) h), both in 1/h of a pixel
            if j * height < (y + 1 + radius) * rows and (j + 1) * height > (y - radius) * rows
            if i * width < (x + 1 + radius) * columns and (i + 1) * width > (x - radius) * columns
        ]
        subject = any(share > low for share in seen)
        ground = any(share < high for share in seen)
        trimap[y, x] = 128 if subject and ground else 255 if subject else 0
    return trimap


@pytest.mark.parametrize("radius", [0, 1, 2, 7, 30])
@pytest.mark.parametrize("scale", [1, 2, 5])
def test_it_is_the_dilation_of_both_sides_of_the_edge(radius: int, scale: int) -> None:
    mask = disc()
    enlarged = np.kron(mask, np.ones((scale, scale)))
    found = edgematte.trimap_from_mask(mask, (64 * scale, 48 * scale), radius)
    np.testing.assert_array_equal(found, by_dilation(enlarged, radius))
    assert found.dtype == np.uint8 and set(np.unique(found)) <= {0, 128, 255}


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    rows=st.integers(2, 9),
    columns=st.integers(2, 9),
    height=st.integers(1, 17),
    width=st.integers(1, 17),
    radius=st.integers(0, 5),
)
def test_any_sizes_meet_brute_force(
    seed: int, rows: int, columns: int, height: int, width: int, radius: int
) -> None:
    shares = np.random.default_rng(seed).choice([0, 0, 1, 1, 0.5, 0.03, 0.98], (rows, columns))
    shares[0, 0], shares[-1, -1] = 0, 1
    found = trimap_from_mask(shares, (width, height), radius, fit=True)
    np.testing.assert_array_equal(found, by_rectangles(shares, (width, height), radius))


@pytest.mark.parametrize("radius", [3, STRIP + 9])
def test_strips_leave_no_trace(radius: int) -> None:
    mask = np.random.default_rng(1).random((2 * STRIP + 30, 40)) > 0.999
    found = trimap_from_mask(mask, (40, len(mask)), radius)
    wanted = by_dilation(mask, min(radius, 40))  # SciPy's time grows with the square of it
    if radius > 40:  # across the whole width: rows are all alike
        near = np.array([mask[max(0, y - radius) : y + radius + 1].any() for y in range(len(mask))])
        wanted = np.repeat(np.where(near, 128, 0)[:, None], 40, 1).astype(np.uint8)
    np.testing.assert_array_equal(found, wanted)


def test_every_way_of_storing_a_mask_gives_one_trimap() -> None:
    mask = disc()
    wanted = trimap_from_mask(mask, (128, 96))
    for stored in (
        mask.astype(np.uint8),  # 0 and 1, as segmenters give them
        mask.astype(np.uint8) * np.uint8(255),
        mask.astype(np.uint16),
        mask.astype(np.uint16) * np.uint16(255),  # 8 bits in 16
        mask.astype(np.uint16) * np.uint16(65535),
        mask.astype(np.float16),
        mask.astype(np.float32),
        mask.astype(np.float64),
        np.asfortranarray(mask),
    ):
        np.testing.assert_array_equal(trimap_from_mask(stored, (128, 96)), wanted)
        np.testing.assert_array_equal(
            trimap_from_mask(stored, (128, 96), invert=True), 255 - wanted + (wanted == 128)
        )


def test_soft_values_are_unknown_and_widen_the_band_there() -> None:
    mask = np.zeros((40, 60), np.float32)
    mask[:, 30:] = 1
    hard = trimap_from_mask(mask, (60, 40), 3)
    mask[20:, 26:34] = 0.5
    soft = trimap_from_mask(mask, (60, 40), 3)
    assert (hard == 128).sum(1).tolist() == [6] * 40
    assert (soft == 128).sum(1).tolist() == [6] * 17 + [8 + 2 * 3] * 23


def test_noise_beside_0_and_1_is_no_softness() -> None:
    random = np.random.default_rng(2)
    mask = disc().astype(np.uint8) * np.uint8(255)
    noisy = np.where(
        mask, 255 - random.integers(0, 13, mask.shape), random.integers(0, 13, mask.shape)
    )
    np.testing.assert_array_equal(
        trimap_from_mask(noisy.astype(np.uint8), (64, 48), 4), trimap_from_mask(mask, (64, 48), 4)
    )


@pytest.mark.parametrize("quiet", [0, 5, 9])
def test_what_stands_out_of_a_quiet_mask_is_a_doubt(quiet: int) -> None:
    """A faint stroke on the background, a faint hole in the subject: each 4 of 255, and 3."""
    for apart, unknown in ((3, False), (4, True)):
        mask = np.full((60, 90), quiet, np.uint8)
        mask[:, 45:] = 255 - quiet
        mask[10:40, 10:12] += np.uint8(apart)
        mask[10:40, 80:82] -= np.uint8(apart)
        trimap = trimap_from_mask(mask, (90, 60), 2)
        assert (trimap[20, 10] == 128) == unknown and (trimap[20, 80] == 128) == unknown
        assert trimap[20, 2] == 0 and trimap[20, 70] == 255


@pytest.mark.parametrize("mask", [(256, 192), (320, 240), (1024, 768)])
@pytest.mark.parametrize("picture", [(256, 192), (1024, 768), (6000, 4500)])
def test_the_default_band_grows_with_both_sizes(
    mask: tuple[int, int], picture: tuple[int, int]
) -> None:
    band = default_band(mask, picture)
    assert band >= max(1, picture[0] / mask[0])  # one pixel of the mask
    coarser = default_band((mask[0] // 8, mask[1] // 8), picture)
    assert coarser > band and coarser - band >= 7 * picture[0] / mask[0] - 1  # rounded up
    doubled = default_band(mask, (2 * picture[0], 2 * picture[1]))
    assert 2 * band - 1 <= doubled <= 2 * band  # each is rounded up


def test_the_default_band_is_used() -> None:
    size = 640, 480
    band = default_band((64, 48), size)
    assert (trimap_from_mask(disc(), size) == trimap_from_mask(disc(), size, band)).all()
    assert (trimap_from_mask(disc(), size) != trimap_from_mask(disc(), size, band - 1)).any()


@pytest.mark.parametrize(
    ("mask", "picture", "fits"),
    [
        ((256, 256), (256, 256), True),
        ((320, 213), (6000, 4000), True),  # 213.3
        ((320, 214), (6000, 4000), True),
        ((320, 216), (6000, 4000), False),
        ((256, 256), (6000, 4000), False),
        ((4000, 6000), (6000, 4000), False),
        ((6000, 4000), (320, 213), True),
        ((1, 1), (30, 20), True),
    ],
)
def test_proportions_are_held_to_what_rounding_explains(
    mask: tuple[int, int], picture: tuple[int, int], fits: bool
) -> None:
    assert proportional(mask, picture) == fits


def test_another_proportion_is_refused_unless_it_may_be_stretched() -> None:
    with pytest.raises(PictureError, match="mask is 64x48, its picture 100x100: their proportions"):
        trimap_from_mask(disc(), (100, 100))
    assert trimap_from_mask(disc(), (100, 100), fit=True).shape == (100, 100)


def many_greys(side: int = 64) -> Bytes:
    down, across = np.mgrid[:side, :side]
    greys: Bytes = ((down * 3 + across * 2) % 200 + 28).astype(np.uint8)
    return greys


REFUSED = {
    "empty": (np.zeros((48, 64), np.uint8), "subject is empty: no value reaches half of 1 "),
    "labels": (
        disc().astype(np.uint8) * np.uint8(15),
        r"empty: .* of 255 \(its values are 0 to 15",
    ),
    "full": (np.ones((48, 64), bool), "subject fills the picture: no value is below half of 1 "),
    "a picture": (
        np.kron(many_greys(), np.ones((1, 1), np.uint8)),
        "looks like a picture: [0-9]+%",
    ),
    "colours": (np.zeros((48, 64, 3), np.uint8), r"should be \(H, W\) .*, not uint8 \[48, 64, 3\]"),
    "nothing": (np.zeros((0, 64), np.uint8), r"not uint8 \[0, 64\]"),
    "integers": (disc().astype(np.int64), r"not int64 \[48, 64\]"),
    "bytes as floats": (disc() * 255.0, r"floats of 0 to 255: they should be in \[0, 1\]"),
    "below 0": (disc() - 0.5, r"floats of -0.5 to 0.5"),
    "NaN": (np.where(disc(), np.nan, 0), r"floats of nan to nan"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_mask_of_a_subject_is_refused_in_one_sentence(name: str) -> None:
    mask, message = REFUSED[name]
    with pytest.raises(PictureError, match=message) as caught:
        trimap_from_mask(mask, mask.shape[1::-1])
    assert "\n" not in str(caught.value)


def test_an_inverted_mask_is_refused_for_what_it_says_inverted() -> None:
    with pytest.raises(PictureError, match=r"fills the picture.*0 to 0, inverted"):
        trimap_from_mask(np.zeros((48, 64), np.uint8), (64, 48), invert=True)


def test_soft_masks_and_label_masks_are_no_pictures() -> None:
    down, across = np.mgrid[:100, :100]
    ramp = np.clip((np.hypot(down - 50, across - 50) - 20) / 20, 0, 1)  # soft in 38 % of it
    assert (trimap_from_mask(1 - ramp, (100, 100), 0) == 128).mean() > 0.3
    three = np.full((40, 40), 128, np.uint8)  # a trimap has few greys, however much is unknown
    three[:3], three[-3:] = 0, 255
    assert (trimap_from_mask(three, (40, 40), 0) == 128).sum() == 34 * 40


@pytest.mark.parametrize("band", [-1, 1.5, True, float("nan")])
def test_a_band_is_a_whole_number_of_pixels(band: Any) -> None:
    with pytest.raises(OptionError, match="band_px"):
        trimap_from_mask(disc(), (64, 48), band)


@pytest.mark.parametrize("scale", [16, 1])
def test_24_megapixels_take_bounded_memory_and_well_under_a_second(scale: int) -> None:
    mask = np.kron(disc(250, 375), np.ones((16 // scale, 16 // scale), bool))
    size = 6000, 4000
    tracemalloc.start()
    trimap = trimap_from_mask(mask, size)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # Beside the result a few strips, of which those of 4-byte counts are the largest: two of them
    # as tall as a strip with the band on both sides.
    tall = STRIP + 2 * default_band(mask.shape[::-1], size)
    assert peak < trimap.nbytes + 5 * 4 * size[0] * tall
    started = time.process_time()
    trimap_from_mask(mask, size)
    assert time.process_time() - started < 3  # 0.5 s on one core; machines that test are slow


def test_the_module_is_of_numpy_alone() -> None:
    assert not {"torch", "PIL", "scipy"} & set(vars(room))
