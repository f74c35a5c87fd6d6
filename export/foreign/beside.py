"""What a file takes beside the picture: recurrent states, and inputs that are held at a number."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from edgematte.errors import OnnxFileError, OptionError
from edgematte.host import Size

INTEGERS = (onnx.TensorProto.INT32, onnx.TensorProto.INT64)
NUMBERS = (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, *INTEGERS)
MOST_AXES = 5


@dataclass(frozen=True)
class LongerSide:
    """A number by which the net reduces the picture inside, so that its longer side is at most px.

    Only presets have it: where the file has no such input it is left out.
    """

    px: int

    def of(self, size: Size) -> float:
        """The number for a picture of that size."""
        return min(self.px / max(size), 1.0)


@dataclass(frozen=True)
class FileState:
    """A state: an input that is zeros at the first frame, then an output of the frame before."""

    source: str  # the file's name of the input
    answer: str  # and of the output
    start: tuple[int, ...]  # shape of the zeros; 1 where the input's side is open
    sides: tuple[int, ...]  # of the input; 0 where open


@dataclass(frozen=True)
class Beside:
    """All inputs but the picture."""

    states: tuple[FileState, ...] = ()
    held: Mapping[str, NDArray[Any]] = field(default_factory=dict)


def states_of(
    path: Path, model: onnx.ModelProto, pairs: Mapping[str, str]
) -> tuple[FileState, ...]:
    """The states, from pairs of input and output.

    Raises:
        OptionError: a pair that names no input, no output, or one output twice.
        OnnxFileError: a state that is not of float32, or of no known number of axes.
    """
    inputs = inputs_of(model)
    outputs = [value.name for value in model.graph.output]
    found = []
    for source, answer in pairs.items():
        _there("state", source, list(inputs), f"the inputs of {path}")
        _there("state", answer, outputs, f"the outputs of {path}")
        if list(pairs.values()).count(answer) > 1:
            raise OptionError(f"state {answer!r}: one output cannot be two states")
        kind = inputs[source].type.tensor_type
        if kind.elem_type != onnx.TensorProto.FLOAT or not kind.HasField("shape"):
            raise OnnxFileError(
                f"{path}: its state {source!r} should be float32 with a known number of axes; "
                "export it again"
            )
        sides = tuple(max(axis.dim_value, 0) for axis in kind.shape.dim)
        if not 1 <= len(sides) <= MOST_AXES:
            raise OnnxFileError(
                f"{path}: its state {source!r} has {len(sides)} axes: 1 to {MOST_AXES} are taken"
            )
        found.append(FileState(source, answer, tuple(side or 1 for side in sides), sides))
    return tuple(found)


def check_held(
    path: Path, model: onnx.ModelProto, numbers: Mapping[str, float | LongerSide]
) -> None:
    """Refuse constants that the file has no such input for.

    Raises:
        OptionError: an input that is not there, is of more than one number, or is an integer.
    """
    inputs = inputs_of(model)
    for name, number in numbers.items():
        if isinstance(number, LongerSide) and name not in inputs:
            continue
        _there("constant", name, list(inputs), f"the inputs of {path}")
        kind = inputs[name].type.tensor_type
        if kind.elem_type not in NUMBERS or any(side != 1 for side in _sides(inputs[name])):
            raise OptionError(
                f"constant {name!r}: the input of {path} is not one number; only such are held"
            )
        if kind.elem_type in INTEGERS and (
            isinstance(number, LongerSide) or not float(number).is_integer()
        ):
            raise OptionError(f"constant {name!r}: the input of {path} is an integer")


def held_of(
    model: onnx.ModelProto, numbers: Mapping[str, float | LongerSide], size: Size
) -> dict[str, NDArray[Any]]:
    """The inputs that are held, as the arrays that the file takes; ``size`` is the picture's."""
    held: dict[str, NDArray[Any]] = {}
    for name, value in inputs_of(model).items():
        if name in numbers:
            number = numbers[name]
            number = number.of(size) if isinstance(number, LongerSide) else number
            dtype = onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
            held[name] = np.full(_sides(value), number, dtype)
    return held


def with_held(model: onnx.ModelProto, held: Mapping[str, NDArray[Any]]) -> onnx.ModelProto:
    """A copy whose held inputs are constants."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    kept = [value for value in made.graph.input if value.name not in held]
    del made.graph.input[:]
    made.graph.input.extend(kept)
    made.graph.initializer.extend(numpy_helper.from_array(v, name) for name, v in held.items())
    return made


def inputs_of(model: onnx.ModelProto) -> dict[str, onnx.ValueInfoProto]:
    """The inputs that are no constants, by name."""
    constants = {weight.name for weight in model.graph.initializer}
    return {value.name: value for value in model.graph.input if value.name not in constants}


def _sides(value: onnx.ValueInfoProto) -> list[int]:
    return [axis.dim_value or 1 for axis in value.type.tensor_type.shape.dim]


def _there(option: str, name: str, names: Sequence[str], what: str) -> None:
    if name not in names:
        raise OptionError(f"{option} {name!r}: {what} are {', '.join(names)[:200]}")
