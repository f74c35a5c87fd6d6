from typing import Any

import numpy as np
import pytest

pytest.importorskip("coremltools")
torch = pytest.importorskip("torch")
pytestmark = pytest.mark.export

UNARY = {
    "abs": torch.abs,
    "exp": torch.exp,
    "exp2": torch.exp2,
    "square": torch.square,
    "sign": torch.sign,
    "floor": torch.floor,
    "ceil": torch.ceil,
    "round": torch.round,
    "sin": torch.sin,
    "cos": torch.cos,
    "tan": torch.tan,
    "atan": torch.atan,
    "sinh": torch.sinh,
    "cosh": torch.cosh,
    "tanh": torch.tanh,
    "erf": torch.erf,
    "identity": torch.clone,
}
UNIT = {"asin": torch.asin, "acos": torch.acos, "atanh": torch.atanh, "sqrt": lambda x: x**0.5}
BINARY = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "real_div": torch.div,
    "floor_div": torch.floor_divide,
    "mod": torch.remainder,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
}
COMPARISONS = {
    "equal": torch.eq,
    "not_equal": torch.ne,
    "less": torch.lt,
    "less_equal": torch.le,
    "greater": torch.gt,
    "greater_equal": torch.ge,
}


def close(got: Any, expected: Any) -> None:
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected.numpy(), rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize(
    ("ops", "low", "high"), [(UNARY, -3, 3), (UNIT, 0.01, 0.99)], ids=["reals", "unit"]
)
def test_unary(
    bench: Any, random: np.random.Generator, ops: dict[str, Any], low: float, high: float
) -> None:
    from coremltools.converters.mil import Builder as mb

    x = random.uniform(low, high, (2, 3, 5)).astype(np.float32)
    x[0, 0, :2] = 0.5, 0.75
    got = bench.run(lambda x: tuple(getattr(mb, op)(x=x) for op in ops), x)
    for value, oracle in zip(got, ops.values(), strict=True):
        close(value, oracle(torch.from_numpy(x)))


def test_round_takes_halves_to_even(bench: Any) -> None:
    from coremltools.converters.mil import Builder as mb

    x = np.array([0.5, 1.5, 2.5, -0.5, -1.5], np.float32)
    (got,) = bench.run(lambda x: mb.round(x=x), x)
    np.testing.assert_array_equal(got, [0, 2, 2, 0, -2])


@pytest.mark.parametrize("shapes", [((2, 3, 5), (3, 1)), ((4,), (4,)), ((1, 5), (2, 4, 1))])
def test_binary_broadcasts(bench: Any, random: np.random.Generator, shapes: Any) -> None:
    from coremltools.converters.mil import Builder as mb

    x, y = (random.normal(size=shape).astype(np.float32) for shape in shapes)
    got = bench.run(lambda x, y: tuple(getattr(mb, op)(x=x, y=y) for op in BINARY), x, y)
    for value, oracle in zip(got, BINARY.values(), strict=True):
        close(value, oracle(torch.from_numpy(x), torch.from_numpy(y)))


def test_binary_on_integers(bench: Any, random: np.random.Generator) -> None:
    from coremltools.converters.mil import Builder as mb

    x = random.integers(-20, 20, (3, 4)).astype(np.int32)
    y = random.integers(1, 6, (4,)).astype(np.int32)
    ops = [op for op in BINARY if op != "real_div"]
    got = bench.run(lambda x, y: tuple(getattr(mb, op)(x=x, y=y) for op in ops), x, y)
    for op, value in zip(ops, got, strict=True):
        assert value.dtype == np.int32
        expected = BINARY[op](torch.from_numpy(x), torch.from_numpy(y))
        np.testing.assert_array_equal(value, expected.numpy())


def test_pow_with_a_scalar_constant(bench: Any, random: np.random.Generator) -> None:
    from coremltools.converters.mil import Builder as mb

    x = random.uniform(0.1, 4, (3, 4)).astype(np.float32)
    got = bench.run(lambda x: (mb.pow(x=x, y=2.5), mb.pow(x=x, y=-1.0)), x)
    close(got[0], torch.from_numpy(x) ** 2.5)
    close(got[1], torch.from_numpy(x) ** -1.0)


def test_comparisons_and_select(bench: Any, random: np.random.Generator) -> None:
    from coremltools.converters.mil import Builder as mb

    x = random.integers(-2, 3, (3, 4)).astype(np.float32)
    y = random.integers(-2, 3, (4,)).astype(np.float32)
    got = bench.run(
        lambda x, y: tuple(
            mb.select(cond=getattr(mb, op)(x=x, y=y), a=x, b=-7.0) for op in COMPARISONS
        ),
        x,
        y,
    )
    for value, oracle in zip(got, COMPARISONS.values(), strict=True):
        held = oracle(torch.from_numpy(x), torch.from_numpy(y))
        close(value, torch.where(held, torch.from_numpy(x), torch.tensor(-7.0)))


@pytest.mark.parametrize("op", ["logical_and", "logical_or", "logical_xor"])
def test_logic(bench: Any, op: str) -> None:
    from coremltools.converters.mil import Builder as mb

    x = np.array([0, 0, 1, 1], np.int32)
    y = np.array([0, 1, 0, 1], np.int32)

    def body(x: Any, y: Any) -> Any:
        held = getattr(mb, op)(x=mb.cast(x=x, dtype="bool"), y=mb.cast(x=y, dtype="bool"))
        negated = mb.logical_not(x=held)
        return mb.cast(x=held, dtype="int32"), mb.cast(x=negated, dtype="int32")

    held, negated = bench.run(body, x, y)
    expected = getattr(np, op)(x, y)
    np.testing.assert_array_equal(held, expected)
    np.testing.assert_array_equal(negated, ~expected)


def test_casts_truncate_and_saturate(bench: Any) -> None:
    from coremltools.converters.mil import Builder as mb

    x = np.array([-300.7, -1.5, 0.0, 0.9, 2.5, 300.2], np.float32)

    def body(x: Any) -> Any:
        kinds = ("int32", "uint8", "int8", "bool", "fp16")
        narrow = [mb.cast(x=x, dtype=kind) for kind in kinds]
        return tuple(mb.cast(x=value, dtype="fp32") for value in narrow)

    whole, byte, signed, truth, half = bench.run(body, x)
    np.testing.assert_array_equal(whole, [-300, -1, 0, 0, 2, 300])
    np.testing.assert_array_equal(byte, [0, 0, 0, 0, 2, 255])
    np.testing.assert_array_equal(signed, [-128, -1, 0, 0, 2, 127])
    np.testing.assert_array_equal(truth, [1, 1, 0, 1, 1, 1])
    np.testing.assert_array_equal(half, x)  # casts between floats round in fp16 arithmetic only


def test_limits_and_reciprocals(bench: Any, random: np.random.Generator) -> None:
    from coremltools.converters.mil import Builder as mb

    x = random.uniform(0.2, 4, (3, 5)).astype(np.float32)
    got = bench.run(
        lambda x: (
            mb.clip(x=x, alpha=0.5, beta=2.0),
            mb.threshold(x=x, alpha=1.0),
            mb.inverse(x=x, epsilon=0.25),
            mb.log(x=x, epsilon=0.125),
            mb.log(x=x),
            mb.rsqrt(x=x, epsilon=0.5),
        ),
        x,
    )
    t = torch.from_numpy(x)
    expected = [
        t.clamp(0.5, 2.0),
        t.clamp(min=1.0),
        1 / (t + 0.25),
        torch.log(t + 0.125),
        torch.log(t),
        torch.rsqrt(t + 0.5),
    ]
    for value, oracle in zip(got, expected, strict=True):
        close(value, oracle)
