from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgematte.errors import PictureError
from edgematte.metrics import dtssd, sad_t

Frames = npt.NDArray[np.float32]


def test_by_hand() -> None:
    still = [np.zeros((2, 2))] * 3
    # Frame 1 brightens one of the four pixels by 0.5, frame 2 puts it back and another up by 1.
    frames = [
        np.zeros((2, 2)),
        np.array([[0.5, 0], [0, 0]]),
        np.array([[0, 0], [0, 1.0]]),
    ]
    first, second = np.sqrt(0.25 / 4), np.sqrt((0.25 + 1) / 4)
    assert dtssd(frames, still) == pytest.approx(100 * (first + second) / 2)
    assert sad_t(frames, still) == pytest.approx((0.5 + 1.5) / 2 / 1000)


def test_a_constant_error_does_not_move() -> None:
    rng = np.random.default_rng(0)
    reference = [rng.random((5, 6)) / 2 for _ in range(4)]
    frames = [frame + 0.25 for frame in reference]
    assert dtssd(frames, reference) == pytest.approx(0, abs=1e-12)
    assert sad_t(frames, reference) == pytest.approx(0, abs=1e-12)


@given(st.data())
def test_any_clip_matches_the_definition(data: st.DataObject) -> None:
    shape = data.draw(
        st.tuples(st.integers(2, 5), st.integers(1, 5), st.integers(1, 5)), label="T, H, W"
    )
    values = st.floats(0, 1, width=32)
    a = data.draw(hnp.arrays(np.float32, shape, elements=values)).astype(np.float64)
    r = data.draw(hnp.arrays(np.float32, shape, elements=values)).astype(np.float64)
    squares = [(((a[t] - a[t - 1]) - (r[t] - r[t - 1])) ** 2).mean() for t in range(1, len(a))]
    absolutes = [np.abs((a[t] - a[t - 1]) - (r[t] - r[t - 1])).sum() for t in range(1, len(a))]
    assert dtssd(a, r) == pytest.approx(100 * np.mean(np.sqrt(squares)), abs=1e-9)
    assert sad_t(a, r) == pytest.approx(np.mean(absolutes) / 1000, abs=1e-12)


def test_the_region_is_the_earlier_frame_s() -> None:
    frames = [np.zeros((1, 2)), np.array([[0.5, 1.0]])]
    still = [np.zeros((1, 2))] * 2
    left, right = np.array([[True, False]]), np.array([[False, True]])
    assert dtssd(frames, still, [left, right]) == pytest.approx(50)
    assert sad_t(frames, still, [right, left]) == pytest.approx(1 / 1000)


def test_an_empty_region_counts_as_zero() -> None:
    frames = [np.zeros((1, 2)), np.ones((1, 2)), np.zeros((1, 2))]
    still = [np.zeros((1, 2))] * 3
    none, both = np.zeros((1, 2), dtype=bool), np.ones((1, 2), dtype=bool)
    assert dtssd(frames, still, [none, both, both]) == pytest.approx(50)


@pytest.mark.parametrize("metric", [dtssd, sad_t])
class TestRefusals:
    def test_fewer_than_two_frames(self, metric: Callable[..., float]) -> None:
        for count in (0, 1):
            with pytest.raises(PictureError, match="at least two frames"):
                metric([np.zeros((2, 2))] * count, [np.zeros((2, 2))] * count)

    def test_unequal_counts(self, metric: Callable[..., float]) -> None:
        two, three = ([np.zeros((2, 2))] * n for n in (2, 3))
        region = np.ones((2, 2), dtype=bool)
        for clip in ((two, three), (three, two), (three, three, [region] * 2)):
            with pytest.raises(PictureError, match="ends before frame 2"):
                metric(*clip)

    def test_a_frame_of_another_size(self, metric: Callable[..., float]) -> None:
        clip = [np.zeros((2, 2)), np.zeros((2, 3))]
        with pytest.raises(PictureError, match=r"\(2, 2\) then \(2, 3\) at frame 1"):
            metric(clip, clip)

    def test_what_is_no_matte(self, metric: Callable[..., float]) -> None:
        clip = [np.zeros((2, 2)), np.zeros((2, 2), dtype=np.uint8)]
        with pytest.raises(PictureError, match="divided by 255"):
            metric(clip, clip)


def test_generators_are_read_in_step() -> None:
    read: list[str] = []

    def clip(name: str) -> object:
        for _ in range(3):
            read.append(name)
            yield np.zeros((2, 2))

    assert dtssd(clip("a"), clip("r")) == 0.0  # type: ignore[arg-type]
    assert read == ["a", "r"] * 3
