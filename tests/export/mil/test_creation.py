from typing import Any

import numpy as np
import pytest

pytest.importorskip("coremltools")
torch = pytest.importorskip("torch")
pytestmark = pytest.mark.export
F = torch.nn.functional


def test_pad(bench: Any, random: np.random.Generator) -> None:
    from coremltools.converters.mil import Builder as mb

    x = random.normal(size=(2, 3, 5, 6)).astype(np.float32)
    got = bench.run(
        lambda x: (
            mb.pad(x=x, pad=[0, 0, 1, 0, 2, 3, 0, 4], mode="constant", constant_val=1.5),
            mb.pad(x=x, pad=[2, 3, 0, 4]),
            mb.pad(x=x, pad=[2, 3, 0, 4], mode="reflect"),
            mb.pad(x=x, pad=[2, 3, 0, 4], mode="replicate"),
        ),
        x,
    )
    t = torch.from_numpy(x)
    expected = [
        F.pad(t, [0, 4, 2, 3, 1, 0], value=1.5),
        F.pad(t, [0, 4, 2, 3]),
        F.pad(t, [0, 4, 2, 3], mode="reflect"),
        F.pad(t, [0, 4, 2, 3], mode="replicate"),
    ]
    for value, oracle in zip(got, expected, strict=True):
        np.testing.assert_array_equal(value, oracle.numpy(), strict=True)


def test_filling(bench: Any, random: np.random.Generator) -> None:
    from coremltools.converters.mil import Builder as mb

    x = random.normal(size=(3, 4)).astype(np.float32)
    got = bench.run(
        lambda x: (
            mb.fill(shape=mb.shape(x=x), value=2.5),
            mb.fill(shape=[2, 2], value=np.int32(7)),
            mb.fill_like(ref_tensor=x, value=-1.0),
            mb.range_1d(start=np.int32(2), end=np.int32(11), step=np.int32(3)),
            mb.range_1d(start=0.0, end=1.0, step=0.25),
        ),
        x,
    )
    expected = [
        np.full((3, 4), 2.5, np.float32),
        np.full((2, 2), 7, np.int32),
        np.full((3, 4), -1, np.float32),
        np.array([2, 5, 8], np.int32),
        np.array([0, 0.25, 0.5, 0.75], np.float32),
    ]
    for value, oracle in zip(got, expected, strict=True):
        np.testing.assert_array_equal(value, oracle, strict=True)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_one_hot(bench: Any, axis: int) -> None:
    from coremltools.converters.mil import Builder as mb

    x = np.array([[0, 2, 1], [4, 1, 0]], np.int32)
    (got,) = bench.run(
        lambda x: mb.one_hot(
            indices=x, one_hot_vector_size=5, axis=axis, on_value=2.0, off_value=-1.0
        ),
        x,
    )
    hot = F.one_hot(torch.from_numpy(x).long(), 5).numpy()
    expected = np.moveaxis(np.where(hot, 2.0, -1.0), -1, axis)
    np.testing.assert_array_equal(got, expected.astype(np.float32), strict=True)


@pytest.mark.parametrize(("lower", "upper"), [(-1, -1), (0, 0), (1, 2), (-1, 0), (0, -1), (2, -1)])
def test_band_part(bench: Any, random: np.random.Generator, lower: int, upper: int) -> None:
    from coremltools.converters.mil import Builder as mb

    x = random.normal(size=(2, 4, 6)).astype(np.float32)
    (got,) = bench.run(lambda x: mb.band_part(x=x, lower=lower, upper=upper), x)
    m, n = np.mgrid[:4, :6]
    keep = ((lower < 0) | (m - n <= lower)) & ((upper < 0) | (n - m <= upper))
    np.testing.assert_array_equal(got, np.where(keep, x, 0), strict=True)


def test_cumsum(bench: Any, random: np.random.Generator) -> None:
    from coremltools.converters.mil import Builder as mb

    x = random.integers(-5, 5, (3, 6)).astype(np.float32)
    got = bench.run(
        lambda x: (
            mb.cumsum(x=x, axis=1),
            mb.cumsum(x=x, axis=0, exclusive=True),
            mb.cumsum(x=x, axis=-1, reverse=True),
            mb.cumsum(x=x, axis=-1, reverse=True, exclusive=True),
        ),
        x,
    )
    suffix = np.cumsum(x[:, ::-1], 1)[:, ::-1]
    expected = [np.cumsum(x, 1), np.cumsum(x, 0) - x, suffix, suffix - x]
    for value, oracle in zip(got, expected, strict=True):
        np.testing.assert_array_equal(value, oracle, strict=True)
