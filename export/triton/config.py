"""``config.pbtxt``, what Triton is told of a model, in the text format of its ModelConfig."""

import json
from collections.abc import Iterable, Sequence

from edgematte.manifest import Graph, Tensor

TYPES = {"float32": "FP32", "float16": "FP16", "uint8": "UINT8", "int32": "INT32"}
BACKENDS = {"onnx": "onnxruntime", "openvino": "openvino"}
"""Triton's backend of each target that it can run."""


def graph_config(name: str, graph: Graph, target: str, batch: int) -> str:
    """The configuration of a graph: static shapes, or batches that Triton puts together.

    Args:
        name: of the model.
        graph: its declaration.
        target: a key of ``BACKENDS``.
        batch: the largest batch, of graphs whose batch is dynamic.
    """
    dynamic = bool(graph.dynamic_batch)
    lines = [f"name: {_text(name)}", f"backend: {_text(BACKENDS[target])}"]
    lines.append(f"max_batch_size: {batch if dynamic else 0}")
    for kind, tensors in (("input", graph.inputs), ("output", graph.outputs)):
        lines += _tensors(kind, (_graph_tensor(t, dynamic) for t in tensors))
    if dynamic:
        lines.append("dynamic_batching { }")
    return "\n".join(lines) + "\n"


def host_config(name: str, needs_trimap: bool, batch: int) -> str:
    """The configuration of the host steps: a picture in, alpha and the trimap that was used out."""
    lines = [f"name: {_text(name)}", 'backend: "python"', "max_batch_size: 0"]
    trimap = ("trimap", "UINT8", (-1, -1), "" if needs_trimap else " optional: true")
    lines += _tensors("input", [("image", "UINT8", (-1, -1, -1), ""), trimap])
    made = [("alpha", "FP32", (-1, -1), ""), ("used_trimap", "UINT8", (-1, -1), "")]
    lines += _tensors("output", made)
    lines.append("instance_group [ { kind: KIND_CPU count: 1 } ]")
    lines.append(f'parameters {{ key: "batch" value {{ string_value: "{batch}" }} }}')
    return "\n".join(lines) + "\n"


def _graph_tensor(tensor: Tensor, dynamic: bool) -> tuple[str, str, Sequence[int], str]:
    shape = tensor.shape[1:] if dynamic else tensor.shape
    return tensor.name, TYPES[tensor.dtype], shape, ""


def _tensors(kind: str, rows: Iterable[tuple[str, str, Sequence[int], str]]) -> list[str]:
    inner = [
        f"  {{ name: {_text(name)} data_type: TYPE_{dtype} dims: {list(shape)}{more} }}"
        for name, dtype, shape, more in rows
    ]
    return [f"{kind} [", ",\n".join(inner), "]"]


def _text(value: str) -> str:
    return json.dumps(value)
