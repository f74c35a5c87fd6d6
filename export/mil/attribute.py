"""Attribute values as the ops read them."""

from typing import Any

import numpy as np

from edgematte.errors import UnsupportedOpError
from edgematte.export.mil.graph import Array


def ints(value: Any) -> tuple[int, ...]:
    """The integers of an attribute tensor of any shape, in order."""
    return tuple(int(item) for item in np.ravel(value))


def unsupported(op: str, attribute: str, value: object) -> UnsupportedOpError:
    """The error for an implemented op with an attribute value that is not implemented."""
    return UnsupportedOpError(
        f"the Core ML evaluator knows the op {op} but not with {attribute} = {value!r}"
    )


def per_channel(value: Array, rank: int, axis: int = 1) -> Array:
    """A vector reshaped to broadcast along `axis` of a tensor of `rank`; a scalar unchanged."""
    if value.ndim == 0:
        return value
    sides = [1] * rank
    sides[axis] = value.size
    return value.reshape(sides)
