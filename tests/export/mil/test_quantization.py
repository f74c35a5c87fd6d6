from typing import Any

import numpy as np
import pytest

pytest.importorskip("coremltools")
torch = pytest.importorskip("torch")
pytestmark = pytest.mark.export


@pytest.mark.parametrize("kind", ["int8", "uint8"])
@pytest.mark.parametrize("shifted", [False, True])
def test_per_tensor(bench: Any, random: np.random.Generator, kind: str, shifted: bool) -> None:
    from coremltools.converters.mil import Builder as mb

    x = (4 * random.normal(size=(2, 3, 5))).astype(np.float32)
    x[0, 0] = 0.125, 0.375, -0.125, 1e6, -1e6  # halves of the scale, and saturation
    zero = np.dtype(kind).type(6 if shifted else 0)
    options: dict[str, Any] = {"scale": np.float32(0.25)}
    if shifted:
        options["zero_point"] = zero

    def body(x: Any) -> Any:
        steps = mb.quantize(input=x, output_dtype=kind, **options)
        return mb.cast(x=steps, dtype="int32"), mb.dequantize(input=steps, **options)

    steps, back = bench.run(body, x)
    limits = np.iinfo(kind)
    expected = torch.fake_quantize_per_tensor_affine(
        torch.from_numpy(x), 0.25, int(zero), limits.min, limits.max
    )
    np.testing.assert_array_equal(back, expected.numpy())
    np.testing.assert_array_equal(steps, np.rint(back / 0.25) + int(zero))


@pytest.mark.parametrize("axis", [1, -1])
def test_per_channel(bench: Any, random: np.random.Generator, axis: int) -> None:
    from coremltools.converters.mil import Builder as mb

    x = (4 * random.normal(size=(2, 3, 5))).astype(np.float32)
    scale = random.uniform(0.05, 0.3, size=(x.shape[axis],)).astype(np.float32)
    zero = random.integers(-9, 9, x.shape[axis]).astype(np.int8)

    def body(x: Any) -> Any:
        steps = mb.quantize(input=x, output_dtype="int8", scale=scale, zero_point=zero, axis=axis)
        return mb.dequantize(input=steps, scale=scale, zero_point=zero, axis=axis)

    (back,) = bench.run(body, x)
    expected = torch.fake_quantize_per_channel_affine(
        torch.from_numpy(x),
        torch.from_numpy(scale),
        torch.from_numpy(zero.astype(np.int32)),
        axis % 3,
        -128,
        127,
    )
    np.testing.assert_allclose(back, expected.numpy(), rtol=1e-6, atol=1e-6)
