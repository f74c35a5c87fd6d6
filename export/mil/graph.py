"""A MIL program as plain data: tensors in numbered slots and the operations between them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Value = Any  # an Array, or the NumPy scalar that arithmetic on scalars gives
Evaluate = Callable[..., Value | list[Value]]


@dataclass(frozen=True)
class Constant:
    """A value stored in the package, in its stored dtype."""

    value: Array | str


@dataclass(frozen=True)
class Tensor:
    """The program's declaration of a value; a side of `shape` that is not fixed is -1."""

    slot: int
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


Source = Constant | int
Argument = Source | tuple[Source, ...]


@dataclass(frozen=True)
class Operation:
    """One op: its arguments are constants or slots; `releases` lists slots not read after it."""

    kind: str
    name: str
    evaluate: Evaluate
    arguments: Mapping[str, Argument]
    outputs: tuple[Tensor, ...]
    releases: tuple[int, ...]


@dataclass(frozen=True)
class Graph:
    """The main function of a package, operations in the order in which they run."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    operations: tuple[Operation, ...]
    metadata: Mapping[str, str]
