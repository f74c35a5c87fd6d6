"""Element-wise ops; two operands broadcast as in NumPy."""

from collections.abc import Callable

import numpy as np

from edgematte.export.mil.attribute import unsupported
from edgematte.export.mil.graph import Array, Value

INTEGERS = {
    name: np.dtype(name) for name in ("int8", "uint8", "int16", "uint16", "int32", "uint32")
}


def unary(function: np.ufunc) -> Callable[[Array], Value]:
    """The op `x -> function(x)`."""

    def evaluate(x: Array) -> Value:
        return function(x)

    return evaluate


def binary(function: np.ufunc) -> Callable[[Array, Array], Value]:
    """The op `x, y -> function(x, y)`."""

    def evaluate(x: Array, y: Array) -> Value:
        return function(x, y)

    return evaluate


def identity(x: Array) -> Array:
    """x unchanged."""
    return x


def cast(x: Array, dtype: str) -> Value:
    """Floats become integers by truncation, saturating; floats stay float32 and are not rounded."""
    if dtype in ("fp16", "fp32"):
        return x.astype(np.float32)
    if dtype == "bool":
        return x != 0
    if dtype not in INTEGERS:
        raise unsupported("cast", "dtype", dtype)
    if x.dtype.kind == "f":
        limits = np.iinfo(INTEGERS[dtype])
        x = np.clip(np.trunc(x.astype(np.float64)), limits.min, limits.max)
    return x.astype(INTEGERS[dtype])


def select(cond: Array, a: Array, b: Array) -> Array:
    """`a` where `cond` holds, else `b`."""
    return np.where(cond, a, b)


def clip(x: Array, alpha: Array, beta: Array) -> Value:
    """Limits to [alpha, beta]."""
    return np.minimum(np.maximum(x, alpha), beta)


def threshold(x: Array, alpha: Array) -> Value:
    """Limits to at least alpha."""
    return np.maximum(x, alpha)


def inverse(x: Array, epsilon: Array) -> Value:
    """1 / (x + epsilon)."""
    return np.reciprocal(x + epsilon)


def log(x: Array, epsilon: Array) -> Value:
    """Natural logarithm of x + epsilon."""
    return np.log(x + epsilon)


def rsqrt(x: Array, epsilon: Array) -> Value:
    """1 / sqrt(x + epsilon)."""
    return np.reciprocal(np.sqrt(x + epsilon))
