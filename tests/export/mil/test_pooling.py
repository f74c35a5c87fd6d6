from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

pytest.importorskip("coremltools")
torch = pytest.importorskip("torch")
pytestmark = pytest.mark.export
F = torch.nn.functional


@st.composite
def pools(draw: Any) -> dict[str, Any]:
    rank = draw(st.sampled_from([1, 2, 2, 2]))
    kernel = [draw(st.integers(1, 4)) for _ in range(rank)]
    return {
        "sides": [draw(st.integers(5, 9)) for _ in range(rank)],
        "kernel": kernel,
        "strides": [draw(st.integers(1, side)) for side in kernel],
        "pad": [draw(st.integers(0, side // 2)) for side in kernel],
        "ceil": draw(st.booleans()),
    }


@settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(case=pools())
@example(case={"sides": [5, 6], "kernel": [2, 3], "strides": [2, 2], "pad": [1, 1], "ceil": True})
def test_against_torch(bench: Any, case: dict[str, Any]) -> None:
    from coremltools.converters.mil import Builder as mb

    rank = len(case["sides"])
    x = np.random.default_rng(0).normal(size=(2, 3, *case["sides"])).astype(np.float32) - 4
    options = {
        "kernel_sizes": case["kernel"],
        "strides": case["strides"],
        "pad_type": "custom",
        "pad": [amount for amount in case["pad"] for _ in range(2)],
        "ceil_mode": case["ceil"],
    }
    largest, mean, inner_mean = bench.run(
        lambda x: (
            mb.max_pool(x=x, **options),
            mb.avg_pool(x=x, exclude_padding_from_average=False, **options),
            mb.avg_pool(x=x, exclude_padding_from_average=True, **options),
        ),
        x,
    )
    t = torch.from_numpy(x)
    arguments = (case["kernel"], case["strides"], case["pad"])
    max_oracle = F.max_pool1d if rank == 1 else F.max_pool2d
    mean_oracle = F.avg_pool1d if rank == 1 else F.avg_pool2d
    np.testing.assert_array_equal(
        largest, max_oracle(t, *arguments, ceil_mode=case["ceil"]).numpy()
    )
    for got, include in ((mean, True), (inner_mean, False)):
        expected = mean_oracle(
            t, *arguments, ceil_mode=case["ceil"], count_include_pad=include
        ).numpy()
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("pad_type", ["same", "same_lower", "valid"])
@pytest.mark.parametrize("sides", [(7, 8), (6, 5)])
def test_pad_types(
    bench: Any, random: np.random.Generator, pad_type: str, sides: tuple[int, int]
) -> None:
    from coremltools.converters.mil import Builder as mb

    kernel, stride = (3, 2), 2
    x = random.normal(size=(1, 2, *sides)).astype(np.float32) - 3
    options = {"kernel_sizes": list(kernel), "strides": [stride] * 2, "pad_type": pad_type}
    largest, mean = bench.run(
        lambda x: (
            mb.max_pool(x=x, **options),
            mb.avg_pool(x=x, exclude_padding_from_average=True, **options),
        ),
        x,
    )
    results = [
        (side - k) // stride + 1 if pad_type == "valid" else -(-side // stride)
        for side, k in zip(sides, kernel, strict=True)
    ]
    starts = []
    for side, k, count in zip(sides, kernel, results, strict=True):
        total = 0 if pad_type == "valid" else max(0, (count - 1) * stride + k - side)
        starts.append(total - total // 2 if pad_type == "same_lower" else total // 2)
    for row, column in np.ndindex(*results):
        top, left = row * stride - starts[0], column * stride - starts[1]
        window = x[:, :, max(0, top) : top + kernel[0], max(0, left) : left + kernel[1]]
        np.testing.assert_array_equal(largest[..., row, column], window.max((2, 3)))
        np.testing.assert_allclose(mean[..., row, column], window.mean((2, 3)), rtol=1e-5)
    assert list(largest.shape[2:]) == results


def test_global_pool(bench: Any, random: np.random.Generator) -> None:
    from coremltools.converters.mil import Builder as mb

    x = random.normal(size=(1, 4, 40, 30)).astype(np.float32)
    (got,) = bench.run(
        lambda x: mb.avg_pool(x=x, kernel_sizes=[40, 30], strides=[1, 1], pad_type="valid"), x
    )
    np.testing.assert_allclose(got, x.mean((2, 3), keepdims=True), rtol=1e-5, atol=1e-7)
