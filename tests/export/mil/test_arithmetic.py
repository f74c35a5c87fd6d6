from typing import Any

import numpy as np
import pytest

from edgematte.errors import OptionError

pytest.importorskip("coremltools")
torch = pytest.importorskip("torch")
pytestmark = pytest.mark.export
half = np.float16


def test_every_result_is_rounded(bench: Any, random: np.random.Generator) -> None:
    from coremltools.converters.mil import Builder as mb

    x = random.normal(size=(3, 50)).astype(np.float32)
    y = random.normal(size=(3, 50)).astype(np.float32)

    def body(x: Any, y: Any) -> Any:
        product = mb.mul(x=x, y=y)
        shifted = mb.add(x=product, y=0.1)
        return product, shifted, mb.real_div(x=shifted, y=y), mb.sqrt(x=mb.abs(x=shifted))

    exact = bench.run(body, x, y)
    rounded = bench.run(body, x, y, arithmetic="fp16")
    a, b = x.astype(half), y.astype(half)
    product = a * b
    shifted = product + half(0.1)
    expected = [product, shifted, shifted / b, np.sqrt(np.abs(shifted))]
    for got, oracle, single in zip(rounded, expected, exact, strict=True):
        assert got.dtype == np.float32
        np.testing.assert_array_equal(got, oracle.astype(np.float32))
        assert np.any(got != single)
        np.testing.assert_allclose(got, single, rtol=0.02, atol=0.02)


def test_sums_inside_an_op_are_float32(bench: Any, random: np.random.Generator) -> None:
    from coremltools.converters.mil import Builder as mb

    x = random.normal(size=(1, 40, 6, 6)).astype(np.float32)
    weight = random.normal(size=(4, 40, 3, 3)).astype(np.float32)

    def body(x: Any) -> Any:
        return mb.conv(x=x, weight=weight, pad_type="valid"), mb.reduce_sum(x=x, keep_dims=False)

    convolved, total = bench.run(body, x, arithmetic="fp16")
    small = [torch.from_numpy(value.astype(half)).double() for value in (x, weight)]
    np.testing.assert_allclose(
        convolved,
        torch.nn.functional.conv2d(*small).numpy().astype(half).astype(np.float32),
        rtol=2**-10,  # one float16 step, where the float32 sum lies next to a tie
    )
    assert np.array_equal(convolved, convolved.astype(half))
    assert total == small[0].sum().numpy().astype(half)


def test_overflow_is_infinite(bench: Any) -> None:
    from coremltools.converters.mil import Builder as mb

    x = np.array([300.0, -300.0, 200.0], np.float32)

    def body(x: Any) -> Any:
        return mb.mul(x=x, y=mb.abs(x=x)), mb.mul(x=mb.add(x=x, y=70000.0), y=0.5)

    square, constant = bench.run(body, x, arithmetic="fp16")
    np.testing.assert_array_equal(square, [np.inf, -np.inf, 40000])
    np.testing.assert_array_equal(constant, [np.inf] * 3)
    np.testing.assert_array_equal(bench.run(body, x)[0], [90000, -90000, 40000])


def test_fp32_arithmetic_of_an_fp16_program_rounds_only_its_weights(bench: Any) -> None:
    import coremltools as ct

    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3), torch.nn.GELU(), torch.nn.Conv2d(8, 4, 3), torch.nn.Sigmoid()
    )
    x = torch.randn(1, 3, 12, 12)
    program = bench.load(bench.convert(module, [x], compute_precision=ct.precision.FLOAT16))
    (name,) = program.inputs
    single, rounded = (
        next(iter(program.run({name: x.numpy()}, arithmetic).values()))
        for arithmetic in ("fp32", "fp16")
    )
    halved = module.half().float()  # the weights alone
    expected = halved(x).detach().numpy()
    np.testing.assert_allclose(single, expected, rtol=1e-5, atol=1e-6)
    assert 1e-5 < np.abs(rounded - expected).max() < 5e-3
    assert np.array_equal(rounded, rounded.astype(half))


def test_other_names_are_refused(bench: Any) -> None:
    from coremltools.converters.mil import Builder as mb

    x = np.zeros((2, 2), np.float32)
    with pytest.raises(OptionError, match="'fp32' or 'fp16', not 'bf16'"):
        bench.run(lambda x: mb.relu(x=x), x, arithmetic="bf16")
