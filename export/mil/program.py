"""A saved Core ML package that runs anywhere NumPy does."""

from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any

import numpy as np

from edgematte.errors import EdgematteError, EngineError, line_of
from edgematte.export.mil.arithmetic import (
    Arithmetic,
    check_arithmetic,
    constant_value,
    result_value,
    round_float,
)
from edgematte.export.mil.graph import Argument, Array, Constant, Graph, Operation, Tensor
from edgematte.export.mil.package import read_package
from edgematte.export.mil.registry import MOVES

Observe = Callable[[str, Array], None]
Signature = dict[str, tuple[tuple[int, ...], np.dtype[Any]]]


class MilProgram:
    """The program of an .mlpackage, evaluated op by op; one object may run in several threads."""

    def __init__(self, graph: Graph) -> None:
        """Takes a graph that `read_package` made."""
        self._graph = graph

    @classmethod
    def load(cls, path: str | PathLike[str]) -> "MilProgram":
        """Reads the .mlpackage folder at `path`.

        Raises BundleError where it is missing or damaged, UnsupportedOpError where the program
        holds an op (or an attribute of one) that is not implemented, EngineError where coremltools
        is not installed.
        """
        return cls(read_package(path))

    @property
    def inputs(self) -> Signature:
        """Name to (shape, declared dtype); images are float (1, channels, H, W) in 0..255."""
        return {tensor.name: (tensor.shape, tensor.dtype) for tensor in self._graph.inputs}

    @property
    def outputs(self) -> Signature:
        """Name to (shape, declared dtype), in the order of the package."""
        return {tensor.name: (tensor.shape, tensor.dtype) for tensor in self._graph.outputs}

    @property
    def operations(self) -> tuple[Operation, ...]:
        """The operations in the order in which they run."""
        return self._graph.operations

    @property
    def metadata(self) -> dict[str, str]:
        """The package's user-defined metadata."""
        return dict(self._graph.metadata)

    def run(
        self,
        inputs: Mapping[str, Any],
        arithmetic: Arithmetic = "fp32",
        observe: Observe | None = None,
    ) -> dict[str, Array]:
        """Evaluates the program on one set of inputs and returns its outputs by name.

        fp32: float values are float32 whatever the program declares; weights keep the precision
        they are stored in. fp16: inputs, constants and every float result are rounded to float16
        (infinite on overflow); sums inside an op are float32. Float outputs are float32.
        `observe(name, value)` sees the float inputs and every float result as it is made; it must
        not change the value. Raises EngineError for inputs that do not fit.
        """
        check_arithmetic(arithmetic)
        values: dict[int, Array] = {}
        with np.errstate(all="ignore"):
            for tensor, value in self._accept(inputs):
                if tensor.dtype.kind == "f":
                    value = round_float(value, arithmetic)
                    if observe is not None:
                        observe(tensor.name, value)
                values[tensor.slot] = value
            for operation in self._graph.operations:
                results = _evaluate(operation, values, arithmetic)
                if observe is not None and not operation.kind.startswith("constexpr_"):
                    for tensor, value in zip(operation.outputs, results, strict=True):
                        if tensor.dtype.kind == "f":
                            observe(tensor.name, value)
                for tensor, value in zip(operation.outputs, results, strict=True):
                    values[tensor.slot] = value
                for slot in operation.releases:
                    del values[slot]
        return {
            tensor.name: np.array(values[tensor.slot], order="C") for tensor in self._graph.outputs
        }

    def _accept(self, inputs: Mapping[str, Any]) -> list[tuple[Tensor, Array]]:
        expected = [tensor.name for tensor in self._graph.inputs]
        if set(inputs) != set(expected):
            raise EngineError(f"the program takes the inputs {expected} and got {list(inputs)}")
        accepted = []
        for tensor in self._graph.inputs:
            value = np.asarray(inputs[tensor.name])
            if len(value.shape) != len(tensor.shape) or any(
                side not in (-1, got) for side, got in zip(tensor.shape, value.shape, strict=True)
            ):
                raise EngineError(
                    f"input {tensor.name} has shape {tensor.shape} and got {value.shape}"
                )
            if value.dtype.kind not in ("biuf" if tensor.dtype.kind == "f" else "biu"):
                raise EngineError(
                    f"input {tensor.name} takes {tensor.dtype} and got {value.dtype} values"
                )
            kept = np.dtype(np.float32) if tensor.dtype.kind == "f" else tensor.dtype
            accepted.append((tensor, value.astype(kept, copy=False)))
        return accepted


def _evaluate(
    operation: Operation, values: Mapping[int, Array], arithmetic: Arithmetic
) -> list[Array]:
    def fetch(name: str, source: Argument) -> Any:
        if isinstance(source, tuple):
            return [fetch(name, item) for item in source]
        if isinstance(source, Constant):
            return constant_value(name, source, arithmetic)
        return values[source]

    exact = operation.kind in MOVES
    try:
        arguments = {name: fetch(name, source) for name, source in operation.arguments.items()}
        returned = operation.evaluate(**arguments)
        results = returned if isinstance(returned, list) else [returned]
        return [
            result_value(value, tensor, arithmetic, exact)
            for value, tensor in zip(results, operation.outputs, strict=True)
        ]
    except EdgematteError:
        raise
    except Exception as error:  # a damaged program has arguments of any kind and size
        raise EngineError(
            f"the op {operation.kind} {operation.name!r} could not be evaluated: {line_of(error)}"
        ) from error
