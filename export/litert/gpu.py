"""Which operators of a ``.tflite`` file LiteRT's GPU delegate leaves to the processor.

The rules are those of TensorFlow's ``lite/tools/versioning/gpu_compatibility.cc``, as far as the
shapes and kinds of a captured net can break them, and of its ``lite/delegates/gpu/common``, whose
tensors have four axes. Where an operator is left out the delegate splits the graph there, and
tensors travel between GPU and processor.
"""

from collections import Counter
from typing import Any

from edgematte.export.litert import file as tflite
from edgematte.export.litert.file import Model, Type

MOST_AXES = 4
"""Tensors of the delegate are batch, height, width and channels."""

TAKEN = frozenset(
    """
    ABS ADD ADD_N ATAN2 AVERAGE_POOL_2D BATCH_MATMUL CAST CEIL CONCATENATION CONV_2D COS CUMSUM
    DENSIFY DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE DIV ELU EQUAL EXP FLOOR FLOOR_DIV FLOOR_MOD
    FULLY_CONNECTED GELU GREATER GREATER_EQUAL HARD_SWISH LEAKY_RELU LESS LESS_EQUAL LOG LOGICAL_AND
    LOGISTIC MAXIMUM MAX_POOL_2D MEAN MINIMUM MIRROR_PAD MUL NEG NOT_EQUAL ONE_HOT PACK PAD PADV2
    POW PRELU QUANTIZE REDUCE_MAX REDUCE_MIN REDUCE_PROD RELU RELU6 RELU_N1_TO_1 RESHAPE
    RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR RSQRT SELECT SELECT_V2 SIGN SIN SLICE SOFTMAX
    SPACE_TO_DEPTH SPLIT SPLIT_V SQRT SQUARE SQUARED_DIFFERENCE STABLEHLO_CLAMP STRIDED_SLICE SUB
    SUM TANH TILE TRANSPOSE TRANSPOSE_CONV
    """.split()
)
"""Operators that the delegate runs. GATHER, which it takes with constant or one-dimensional int32
indices into floats alone, is left out on purpose: a graph without it is safe on every version."""


def refused(model: Model) -> Counter[str]:
    """Reasons, and how many operators each keeps from the GPU."""
    graph, reasons = model.subgraphs[0], Counter[str]()
    for op in graph.operators:
        reason = _reason(model, graph, op)
        if reason:
            reasons[reason] += 1
    return reasons


def _reason(model: Model, graph: Any, op: Any) -> str:
    kind = tflite.op_name(model, op)
    if kind not in TAKEN:
        return kind
    tensors = [graph.tensors[i] for i in (*op.inputs, *op.outputs) if i >= 0]
    axes = max((len(t.shape) for t in tensors if t.shape is not None), default=0)
    if axes > MOST_AXES:
        return f"{kind} of {axes} axes"
    first = tensors[0]
    if kind in ("SLICE", "STRIDED_SLICE") and len(first.shape) not in (3, 4):
        return f"{kind} of {len(first.shape)} axes"
    if kind == "CAST" and {first.type, tensors[-1].type} - {Type.FLOAT32, Type.INT32, Type.BOOL}:
        return "CAST of other types than float32 and int32"
    if kind == "MUL" and _outer(*(tuple(t.shape) for t in tensors[:2])):
        return "MUL in which each input is smaller in one axis"
    return ""


def _outer(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    pairs = list(zip(one, other, strict=False))
    alike = len(one) == len(other)
    return alike and any(a < b for a, b in pairs) and any(b < a for a, b in pairs)
