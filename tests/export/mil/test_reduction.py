from typing import Any

import numpy as np
import pytest

pytest.importorskip("coremltools")
torch = pytest.importorskip("torch")
pytestmark = pytest.mark.export

OPS = {
    "reduce_mean": torch.mean,
    "reduce_sum": torch.sum,
    "reduce_max": torch.amax,
    "reduce_min": torch.amin,
    "reduce_l1_norm": lambda x, dim, keepdim: x.abs().sum(dim, keepdim),
    "reduce_l2_norm": lambda x, dim, keepdim: x.square().sum(dim, keepdim).sqrt(),
    "reduce_sum_square": lambda x, dim, keepdim: x.square().sum(dim, keepdim),
    "reduce_log_sum": lambda x, dim, keepdim: x.sum(dim, keepdim).log(),
    "reduce_log_sum_exp": torch.logsumexp,
}


@pytest.mark.parametrize("axes", [[0], [1, 3], [-1], [2, 0, 1], None])
@pytest.mark.parametrize("keep", [True, False])
def test_against_torch(
    bench: Any, random: np.random.Generator, axes: list[int] | None, keep: bool
) -> None:
    from coremltools.converters.mil import Builder as mb

    x = random.uniform(0.1, 2, (2, 3, 4, 5)).astype(np.float32)
    got = bench.run(
        lambda x: tuple(getattr(mb, op)(x=x, axes=axes, keep_dims=keep) for op in OPS), x
    )
    dims = [0, 1, 2, 3] if axes is None else axes
    for value, oracle in zip(got, OPS.values(), strict=True):
        expected = oracle(torch.from_numpy(x), dim=dims, keepdim=keep).numpy()
        assert value.shape == expected.shape and value.dtype == np.float32
        np.testing.assert_allclose(value, expected, rtol=1e-5)


def test_prod_and_log_sum_exp_of_large_values(bench: Any) -> None:
    from coremltools.converters.mil import Builder as mb

    x = np.array([[200.0, 300.0, 100.0], [-500.0, -501.0, -499.0]], np.float32)
    got = bench.run(
        lambda x: (
            mb.reduce_prod(x=x, axes=[1], keep_dims=False),
            mb.reduce_log_sum_exp(x=x, axes=[1], keep_dims=False),
        ),
        x,
    )
    np.testing.assert_allclose(got[0], torch.from_numpy(x).prod(1).numpy(), rtol=1e-6)
    np.testing.assert_allclose(got[1], torch.logsumexp(torch.from_numpy(x), 1).numpy(), rtol=1e-6)


def test_integers_stay_integers(bench: Any, random: np.random.Generator) -> None:
    from coremltools.converters.mil import Builder as mb

    x = random.integers(-9, 9, (3, 4)).astype(np.int32)
    got = bench.run(
        lambda x: (
            mb.reduce_sum(x=x, axes=[0], keep_dims=False),
            mb.reduce_max(x=x, axes=[1], keep_dims=True),
        ),
        x,
    )
    assert [value.dtype for value in got] == [np.int32, np.int32]
    np.testing.assert_array_equal(got[0], x.sum(0))
    np.testing.assert_array_equal(got[1], x.max(1, keepdims=True))


@pytest.mark.parametrize("axis", [0, -1])
@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("opset", ["iOS15", "iOS17"])
def test_indices(
    bench: Any, random: np.random.Generator, axis: int, keep: bool, opset: str
) -> None:
    from coremltools.converters.mil import Builder as mb

    x = random.normal(size=(4, 5)).astype(np.float32)
    got = bench.run(
        lambda x: (
            mb.reduce_argmax(x=x, axis=axis, keep_dims=keep),
            mb.reduce_argmin(x=x, axis=axis, keep_dims=keep),
        ),
        x,
        opset=opset,
    )
    assert got[0].dtype == np.int32
    np.testing.assert_array_equal(got[0], np.argmax(x, axis, keepdims=keep))
    np.testing.assert_array_equal(got[1], np.argmin(x, axis, keepdims=keep))
