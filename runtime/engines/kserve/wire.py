"""How tensors travel: the datatype that a served model takes or gives, and what becomes of values.

A graph's float32 takes four bytes a value. A served model may take halves or bytes in its place
and convert them itself; its metadata says so, and arrays are sent as it says.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgematte.errors import EngineError
from edgematte.manifest import Tensor

OWN = {"float32": "FP32", "float16": "FP16", "uint8": "UINT8", "int32": "INT32"}
"""The protocol's name of each dtype that graphs have."""
DTYPES = {name: np.dtype(dtype) for dtype, name in OWN.items()}
FLOATS = ("FP32", "FP16", "UINT8")
"""How floats may travel; as bytes only from 0 to 1, as value * 255 rounded."""


@dataclass(frozen=True)
class Served:
    """What a server says of one input or output: its datatype and shape; -1 is any length."""

    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Wire:
    """One tensor of a graph, and the datatype that it travels in."""

    tensor: Tensor
    datatype: str

    @property
    def bytes_each(self) -> int:
        """Bytes of one entry of the first axis."""
        return int(np.prod(self.tensor.shape[1:])) * DTYPES[self.datatype].itemsize

    def packed(self, value: NDArray[Any]) -> NDArray[Any]:
        """What the graph takes -> what is sent.

        Raises:
            EngineError: a value that is too large for half precision.
        """
        if self.datatype == "UINT8" and self.tensor.dtype != "uint8":
            value = np.rint(np.clip(value, 0, 1) * np.float32(255))
        try:
            with np.errstate(over="raise"):
                return np.ascontiguousarray(value, DTYPES[self.datatype])
        except FloatingPointError:
            raise EngineError(
                f"{self.tensor.name} has a value above 65504, and the served model takes FP16: "
                "serve one that takes FP32"
            ) from None

    def unpacked(self, value: NDArray[Any]) -> NDArray[Any]:
        """What was received -> what the graph gives.

        Raises:
            EngineError: another datatype than the server said it would be.
        """
        if value.dtype != DTYPES[self.datatype]:
            raise EngineError(
                f"the server gave {self.tensor.name} as {value.dtype}; it should be {self.datatype}"
            )
        if self.datatype == "UINT8" and self.tensor.dtype != "uint8":
            value = value.astype(np.float32) / np.float32(255)
        return value.astype(self.tensor.dtype, copy=False)


def wires(tensors: Sequence[Tensor], served: Mapping[str, Served], model: str) -> dict[str, Wire]:
    """The tensors of a graph by name, as a served model takes or gives them.

    A server that says nothing of its model's tensors is given them in the graph's own dtypes.

    Raises:
        EngineError: the model has other tensors, or takes them as something that they are not.
    """
    if not served:
        return {t.name: Wire(t, OWN[t.dtype]) for t in tensors}
    names = {t.name for t in tensors}
    if names != set(served):
        raise EngineError(
            f"the server's model {model} has {', '.join(sorted(served))} where this bundle's graph "
            f"has {', '.join(sorted(names))}: serve the graph of this bundle, or say by which "
            "names the server has it, such as grpc://HOST:PORT/portrait-{graph}"
        )
    return {t.name: Wire(t, _datatype(t, served[t.name].datatype, model)) for t in tensors}


def _datatype(tensor: Tensor, datatype: str, model: str) -> str:
    own = OWN[tensor.dtype]
    able = FLOATS if tensor.dtype.startswith("float") else (own,)
    if datatype not in able:
        raise EngineError(
            f"the server's model {model} has {tensor.name} as {datatype}; this bundle's graph can "
            f"be served with {' or '.join(able)}"
        )
    if datatype == "UINT8" and datatype != own and tensor.range != (0, 1):
        low, high = tensor.range
        raise EngineError(
            f"the server's model {model} has {tensor.name} as UINT8, which only values from 0 to 1 "
            f"can be, and these are from {low:g} to {high:g}: serve it with FP32 or FP16"
        )
    return datatype


def most_of(
    tensors: Sequence[Tensor], served: Mapping[str, Served], model: str, dynamic: bool
) -> int | None:
    """How many entries of the first axis a served model takes at a time; None for any number.

    Raises:
        EngineError: its shapes are not the graph's.
    """
    most = None
    for tensor in tensors:
        if tensor.name not in served:
            continue
        shape = served[tensor.name].shape
        fits = len(shape) == len(tensor.shape) and all(
            there in (-1, here) for there, here in zip(shape, tensor.shape, strict=True)
        )
        if not fits:
            raise EngineError(
                f"the server's model {model} has {tensor.name} of shape {list(shape)}; this "
                f"bundle's graph has {list(tensor.shape)}: serve the graph of this bundle"
            )
        if dynamic and shape[0] == 1:
            most = 1
    return most
