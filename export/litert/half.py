"""The fp16 arithmetic of a phone's GPU, run on any system by LiteRT itself.

LiteRT's GPU delegate computes in half precision by default, whatever the file says. Here a file is
rewritten so that its inputs, its constants and the float result of every operator are rounded to
float16 (infinite on overflow), and then runs as any other; sums inside an operator are float32.
This is what the Core ML evaluator's fp16 arithmetic does. Integer operators stay as they are.
"""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from edgematte.check.engines import CheckEngine
from edgematte.export.litert import file as tflite
from edgematte.export.litert.file import Model, Op, Type
from edgematte.manifest import Graph, Manifest
from edgematte.runtime.engines import Engine, open_engine


def rounded(model: Model) -> Model:
    """The model with every float value rounded to float16; it is changed, and returned."""
    graph = model.subgraphs[0]
    _round_constants(model)
    new: dict[int, int] = {}
    ops: list[Any] = []
    for index in graph.inputs:
        if graph.tensors[index].type == Type.FLOAT32:
            ops += _rounding(model, int(index), new)
    for op in graph.operators:
        tflite.replace_inputs([op], new)
        ops.append(op)
        for index in op.outputs:
            if graph.tensors[index].type == Type.FLOAT32:
                ops += _rounding(model, int(index), new)
    graph.operators = ops
    names = {int(i): graph.tensors[i].name for i in graph.outputs}
    graph.outputs = [new.get(int(i), int(i)) for i in graph.outputs]
    for old, name in names.items():
        if old in new:
            graph.tensors[old].name = name + b"_full"
            graph.tensors[new[old]].name = name
    for signature in model.signatureDefs or []:
        for entry in signature.outputs:
            entry.tensorIndex = new.get(entry.tensorIndex, entry.tensorIndex)
    return model


def _rounding(model: Model, index: int, new: dict[int, int]) -> list[Any]:
    """Operators that round a tensor; ``new`` gets the index of the result."""
    graph = model.subgraphs[0]
    tensor = graph.tensors[index]
    half = tflite.add_tensor(graph, tensor, Type.FLOAT16, f"half{index}")
    new[index] = tflite.add_tensor(graph, tensor, Type.FLOAT32, f"rounded{index}")
    cast = schema.OperatorT()
    cast.opcodeIndex = tflite.add_op_code(model, Op.CAST)
    cast.inputs, cast.outputs = [index], [half]
    cast.builtinOptionsType, cast.builtinOptions = (
        schema.BuiltinOptions.CastOptions,
        schema.CastOptionsT(),
    )
    cast.builtinOptions.inDataType, cast.builtinOptions.outDataType = Type.FLOAT32, Type.FLOAT16
    return [cast, tflite.dequantize(model, half, new[index])]


def _round_constants(model: Model) -> None:
    """Round float constants, and store weights that are dequantized as the floats they become."""
    graph = model.subgraphs[0]
    kept = []
    for op in graph.operators:
        source, target = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
        content = tflite.constant(model, source)
        if tflite.op_name(model, op) != "DEQUANTIZE" or content is None:
            kept.append(op)
            continue
        target.buffer = tflite.add_buffer(model, _dequantized(source, content).tobytes())
    graph.operators = kept
    places: dict[int, int] = {}
    for tensor in graph.tensors:
        content = tflite.constant(model, tensor)
        if tensor.type == Type.FLOAT32 and content is not None:
            if tensor.buffer not in places:
                half = tflite.floats(content).astype(np.float16).astype(np.float32)
                places[tensor.buffer] = tflite.add_buffer(model, half.tobytes())
            tensor.buffer = places[tensor.buffer]


def _dequantized(tensor: Any, content: bytes) -> NDArray[np.float32]:
    if tensor.type == Type.FLOAT16:
        return np.frombuffer(content, np.float16).astype(np.float32)
    rule = tensor.quantization
    axis = [1] * len(tensor.shape)
    if len(rule.scale) > 1:
        axis[rule.quantizedDimension] = -1
    steps = np.frombuffer(content, np.int8).reshape(tensor.shape).astype(np.float32)
    scale = np.asarray(rule.scale, np.float32).reshape(axis)
    zero = np.asarray(rule.zeroPoint, np.float32).reshape(axis if len(rule.scale) > 1 else [1])
    floats: NDArray[np.float32] = (steps - zero) * scale
    return floats


class HalfEngine:
    """One ``.tflite`` graph in fp16 arithmetic."""

    def __init__(self, file: Path, graph: Graph) -> None:
        """Rewrite the file and open what came of it.

        Raises:
            BundleError: it is no LiteRT file.
            EngineError: it does not load, or is not what the manifest declares.
        """
        model = rounded(tflite.read(file))
        tflite.drop_unused_buffers(model)
        self._folder = TemporaryDirectory()
        copy = Path(self._folder.name) / file.name
        copy.write_bytes(tflite.pack(model))
        self._engine: Engine = open_engine("litert", copy, graph)

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Inputs by name -> outputs by name."""
        return self._engine.run(inputs)


def check_engines(manifest: Manifest) -> list[CheckEngine]:
    """The arithmetic of a phone's GPU, which a check runs beside that of the processor.

    Files in fp32 promise more than half precision gives: for them it is reported, and decides
    nothing.
    """
    return [
        CheckEngine("litert, fp16 arithmetic", HalfEngine, decides=manifest.precision != "fp32")
    ]
