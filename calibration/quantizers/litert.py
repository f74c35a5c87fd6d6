"""LiteRT: int8 weights, and W8A8 or W8A16 by ai-edge-quantizer, with streamed ranges.

The quantizer's own calibrator keeps extremes only. Here the float graph runs once for each feed
with all its activations kept, and their ranges are collected as for other targets; the quantizer
takes them as its calibration.
"""

import contextlib
import re
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from ai_edge_quantizer.qtyping import TFLOperationName
from ai_edge_quantizer.quantizer import Quantizer
from numpy.typing import NDArray

from edgematte.calibration.ranges import Ranges
from edgematte.calibration.scheme import Scheme
from edgematte.errors import OptionError
from edgematte.export.litert import file as tflite
from edgematte.export.litert.tools import quiet

WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED", "BATCH_MATMUL")
MOVING = ("RESHAPE", "TRANSPOSE", "SLICE", "PAD", "CONCATENATION", "RESIZE_NEAREST_NEIGHBOR")
QUANTIZED = (*WEIGHTED, *MOVING, "ADD", "AVERAGE_POOL_2D", "MAX_POOL_2D", "RESIZE_BILINEAR", "MEAN")
"""Operators with 8-bit activations; softmax, sigmoid and what follows them stay in float."""
BITS = {"uint8": 8, "int16": 16}
KEYS = {"TRANSPOSE_CONV": "CONV_2D_TRANSPOSE"}  # names of operators that the quantizer changes


class LiteRtQuantizable:
    """A float file with the ranges of its activations."""

    def __init__(self, model: bytes, feeds: Iterable[Mapping[str, NDArray[Any]]] | None) -> None:
        """``feeds`` are inputs of the graph; None where only weights are quantized."""
        self.model = model
        tree: Any = tflite.parse(model)
        graph = tree.subgraphs[0]
        self._ranks = {
            t.name.decode(): 0 if t.shape is None else len(t.shape)
            for t in graph.tensors
            if tflite.constant(tree, t) is None
        }
        self._kinds: dict[str, str] = {}  # node -> operator, in the order of the graph
        for op in graph.operators:
            kind = tflite.op_name(tree, op)
            weighted = any(tflite.constant(tree, graph.tensors[i]) for i in op.inputs[1:2])
            if kind in QUANTIZED if feeds is not None else kind in WEIGHTED and weighted:
                name = "".join(f"{graph.tensors[i].name.decode()};" for i in op.outputs)
                self._kinds[name] = kind
        self.nodes = list(self._kinds)
        self.ranges = Ranges() if feeds is None else _observed(model, feeds, set(self._ranks))

    def quantize(self, scheme: Scheme | None) -> bytes:
        """A quantized copy; None: an unchanged copy.

        Raises:
            OptionError: LiteRT has no arithmetic for the scheme.
        """
        if scheme is None:
            return self.model
        if scheme.weights != "int8":
            raise OptionError(f"litert has no {scheme.weights} weights; take int8-weights")
        by_kind: dict[str, list[str]] = {}
        for name, kind in self._kinds.items():
            if name not in scheme.skip:
                by_kind.setdefault(kind, []).append(re.escape(name))
        if not by_kind:
            return self.model
        quantizer = Quantizer(self.model)
        for kind, names in by_kind.items():
            regex, key = f"^(?:{'|'.join(names)})$", TFLOperationName(KEYS.get(kind, kind))
            if scheme.activations is None:
                quantizer.add_weight_only_config(regex, key, 8)
            else:
                quantizer.add_static_config(regex, key, BITS[scheme.activations], 8)
        with quiet():
            result = quantizer.quantize(
                None if scheme.activations is None else self._calibration(scheme.method),
                enable_progress_report=False,
            )
        tree: Any = tflite.parse(bytes(result.quantized_model))
        tflite.keep_borders(tree)
        return tflite.pack(tree)

    def _calibration(self, method: str | None) -> dict[str, dict[str, Any]]:
        """The chosen range of every activation, as the quantizer takes them."""
        chosen = {}
        for name in self.ranges.names():
            low, high = self.ranges.chosen(name, method)
            one = (1,) * self._ranks[name]  # as of an extreme over all axes, which are kept
            chosen[name] = {"min": np.full(one, low), "max": np.full(one, high)}
        return chosen


def _observed(model: bytes, feeds: Iterable[Mapping[str, NDArray[Any]]], names: set[str]) -> Ranges:
    """Run a float file on feeds and collect the ranges of its activations, by ``names``."""
    ranges = Ranges()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that all activations are kept, which is what it is for
        interpreter = Interpreter(
            model_content=model,
            num_threads=2,
            experimental_preserve_all_tensors=True,
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        interpreter.allocate_tensors()
        places = {one["name"]: one["index"] for one in interpreter.get_input_details()}
        watched = [
            one
            for one in interpreter.get_tensor_details()
            if one["dtype"] == np.float32 and one["name"] in names
        ]
        for feed in feeds:
            for name, value in feed.items():
                interpreter.set_tensor(places[name], value)
            interpreter.invoke()
            for one in watched:
                with contextlib.suppress(ValueError):  # a tensor that a fused operator left out
                    ranges.observe(one["name"], interpreter.get_tensor(one["index"]))
    return ranges
