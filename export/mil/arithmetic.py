"""The two arithmetics: float32 throughout, or every float result rounded to float16."""

from typing import Literal, get_args

import numpy as np

from edgematte.errors import EngineError, OptionError
from edgematte.export.mil.graph import Array, Constant, Tensor

Arithmetic = Literal["fp32", "fp16"]

# Float attributes that are settings of an op: they are never rounded to float16.
SETTINGS = frozenset({"scale_factor_height", "scale_factor_width"})


def check_arithmetic(arithmetic: str) -> None:
    """Refuses anything but the names of the two arithmetics."""
    if arithmetic not in get_args(Arithmetic):
        raise OptionError(f"arithmetic is 'fp32' or 'fp16', not {arithmetic!r}")


def round_float(value: Array, arithmetic: Arithmetic) -> Array:
    """Float values as float32; in fp16 rounded to the nearest float16, infinite past 65504."""
    if arithmetic == "fp16":
        value = value.astype(np.float16, copy=False)
    return value.astype(np.float32, copy=False)


def constant_value(name: str, constant: Constant, arithmetic: Arithmetic) -> Array | str:
    """A stored constant as the ops use it: floats as float32, integers and text as stored."""
    value = constant.value
    if isinstance(value, str) or value.dtype.kind != "f":
        return value
    return value.astype(np.float32) if name in SETTINGS else round_float(value, arithmetic)


def result_value(value: Array, tensor: Tensor, arithmetic: Arithmetic, exact: bool) -> Array:
    """Check an op's result against its declared shape and convert it to the dtype it is kept in.

    `exact` says that the op only moves values about, so that they need not be rounded again.
    """
    value = np.asarray(value)
    declared = tensor.shape
    if len(declared) != value.ndim or any(
        side not in (-1, got) for side, got in zip(declared, value.shape, strict=True)
    ):
        raise EngineError(
            f"{tensor.name} is declared with shape {declared} and evaluated to {value.shape}"
        )
    if tensor.dtype.kind == "f":
        return round_float(value, "fp32" if exact else arithmetic)
    return value.astype(tensor.dtype, copy=False)
