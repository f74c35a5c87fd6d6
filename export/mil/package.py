"""Reading a saved .mlpackage as a graph; the only module of the evaluator with coremltools."""

import inspect
import itertools
from collections.abc import Iterable, Iterator
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np

from edgematte.errors import BundleError, EngineError, UnsupportedOpError, line_of
from edgematte.export.mil.graph import Argument, Constant, Graph, Operation, Source, Tensor
from edgematte.export.mil.registry import OPERATIONS
from edgematte.extras import importing

MAIN = "main"


def read_package(path: str | PathLike[str]) -> Graph:
    """The main function of the .mlpackage at `path`; see MilProgram.load for the errors."""
    pip_line = 'pip install "edgematte[coreml]"'
    with importing("reading a Core ML package needs coremltools", pip_line, EngineError):
        from edgematte.export.core_ml_tools import MLModel, load_milproto
    package = Path(fspath(path))
    if not package.is_dir():
        raise BundleError(f"there is no Core ML package (a folder) at {package}")
    try:
        model = MLModel(str(package), skip_model_load=True)
        spec = model.get_spec()
    except Exception as error:
        raise _damaged(package, error) from error
    if spec.WhichOneof("Type") != "mlProgram" or MAIN not in spec.mlProgram.functions:
        raise BundleError(
            f"{package} holds a {spec.WhichOneof('Type')}; an mlProgram with a function named"
            f" {MAIN} is expected"
        )
    try:
        _refuse_unknown_ops(spec.mlProgram.functions[MAIN])
        program = load_milproto(
            spec,
            specification_version=spec.specificationVersion,
            file_weights_dir=model.weights_dir,
        )
        return _Reader().graph(program.functions[MAIN], dict(model.user_defined_metadata))
    except UnsupportedOpError:
        raise
    except Exception as error:
        raise _damaged(package, error) from error


def _damaged(package: Path, error: Exception) -> BundleError:
    reason = line_of(error)
    return BundleError(f"{package} cannot be read as a Core ML package: {reason}")


def _refuse_unknown_ops(function: Any) -> None:
    block = function.block_specializations[function.opset]
    for operation in block.operations:
        kind = operation.type[:60]
        if operation.blocks:
            raise UnsupportedOpError(
                f"the Core ML evaluator does not run nested blocks, as in the op {kind}"
            )
        if operation.type != "const" and operation.type not in OPERATIONS:
            raise UnsupportedOpError(f"the Core ML evaluator does not know the op {kind}")


class _Reader:
    """Numbers the variables of a PyMIL function and turns its ops into operations."""

    def __init__(self) -> None:
        self._slots: dict[int, int] = {}
        self._count = itertools.count()

    def graph(self, function: Any, metadata: dict[str, str]) -> Graph:
        inputs = tuple(self._declare(variable, name) for name, variable in function.inputs.items())
        operations = [
            self._operation(op, op.op_type, op.inputs, op.outputs)
            for op in function.operations
            if op.op_type != "const"
        ]
        for variable in function.outputs:
            if _is_constant(variable):
                operations.append(self._operation(None, "identity", {"x": variable}, [variable]))
        outputs = tuple(
            _tensor(self._slots[id(variable)], variable, variable.name)
            for variable in function.outputs
        )
        return Graph(inputs, outputs, tuple(_release(operations, inputs, outputs)), metadata)

    def _operation(self, op: Any, kind: str, inputs: Any, outputs: Any) -> Operation:
        evaluate = OPERATIONS[kind]
        arguments = {
            name: self._argument(value) for name, value in inputs.items() if value is not None
        }
        for name in arguments:
            if name not in inspect.signature(evaluate).parameters:
                raise UnsupportedOpError(
                    f"the Core ML evaluator knows the op {kind} but not its attribute {name}"
                )
        declared = tuple(self._declare(variable, variable.name) for variable in outputs)
        name = declared[0].name if op is None else op.name
        return Operation(kind, name, evaluate, arguments, declared, ())

    def _declare(self, variable: Any, name: str) -> Tensor:
        slot = self._slots[id(variable)] = next(self._count)
        return _tensor(slot, variable, name)

    def _argument(self, value: Any) -> Argument:
        if isinstance(value, (list, tuple)):
            return tuple(self._source(item) for item in value)
        return self._source(value)

    def _source(self, variable: Any) -> Source:
        if id(variable) in self._slots:
            return self._slots[id(variable)]
        value = variable.val
        return Constant(value if isinstance(value, str) else np.asarray(value))


def _is_constant(variable: Any) -> bool:
    return variable.op is not None and variable.op.op_type == "const"


def _tensor(slot: int, variable: Any, name: str) -> Tensor:
    from coremltools.converters.mil.mil import types

    shape = tuple(-1 if types.symbolic.is_symbolic(side) else int(side) for side in variable.shape)
    return Tensor(slot, name, shape, np.dtype(types.nptype_from_builtin(variable.dtype)))


def _release(
    operations: list[Operation], inputs: Iterable[Tensor], outputs: Iterable[Tensor]
) -> Iterator[Operation]:
    """The operations with `releases` filled in: the slots that no later operation reads."""
    kept = {tensor.slot for tensor in outputs}
    released: list[Operation] = []
    for operation in reversed(operations):
        touched = {tensor.slot for tensor in operation.outputs}
        for argument in operation.arguments.values():
            sources = argument if isinstance(argument, tuple) else (argument,)
            touched.update(source for source in sources if isinstance(source, int))
        last = tuple(sorted(touched - kept))
        kept |= touched
        released.append(
            Operation(
                operation.kind,
                operation.name,
                operation.evaluate,
                operation.arguments,
                operation.outputs,
                last,
            )
        )
    return reversed(released)
