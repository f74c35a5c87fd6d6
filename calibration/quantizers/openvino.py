"""OpenVINO: W8A8 by nncf; weights only, as int8 constants with a scale per output channel."""

import contextlib
import io
import logging
from collections.abc import Iterable, Mapping
from typing import Any

import nncf
import numpy as np
import openvino
from nncf.quantization.advanced_parameters import (
    AdvancedQuantizationParameters,
    QuantizationParameters,
)
from nncf.quantization.range_estimator import (
    AggregatorType,
    RangeEstimatorParameters,
    StatisticsCollectorParameters,
    StatisticsType,
)
from numpy.typing import NDArray
from openvino import opset13 as ops

from edgematte.calibration.ranges import PERCENTILE
from edgematte.calibration.scheme import Scheme
from edgematte.errors import OptionError

OUTLIERS = 1 - PERCENTILE / 100
WEIGHTED = ("Convolution", "GroupConvolution", "MatMul")
QUANTIZED = (*WEIGHTED, "Add", "AvgPool", "Interpolate", "Concat", "Multiply", "ReduceMean")


class OpenVinoQuantizable:
    """A float model and the feeds that nncf runs it on."""

    def __init__(
        self, model: openvino.Model, feeds: Iterable[Mapping[str, NDArray[Any]]] | None
    ) -> None:
        """``feeds`` are inputs of the graph; None where only weights are quantized."""
        self.model = model
        self.feeds = None if feeds is None else [dict(feed) for feed in feeds]
        kinds = WEIGHTED if feeds is None else QUANTIZED
        self.nodes = [
            node.get_friendly_name()
            for node in model.get_ordered_ops()
            if node.get_type_name() in kinds and (feeds is not None or _weight(node) is not None)
        ]

    def quantize(self, scheme: Scheme | None) -> openvino.Model:
        """A quantized copy; None: an unchanged copy.

        Raises:
            OptionError: OpenVINO has no arithmetic for the scheme.
        """
        model = self.model.clone()
        if scheme is None:
            return model
        if scheme.weights != "int8" or scheme.activations not in ("uint8", None):
            raise OptionError(
                "openvino quantizes to 8-bit weights and activations, or weights alone; "
                f"not {scheme.weights} with {scheme.activations} activations"
            )
        if scheme.activations is None:
            _weights_only(model, scheme.skip)
            return model
        assert self.feeds is not None
        if not set(self.nodes) - scheme.skip:
            return model
        advanced = AdvancedQuantizationParameters(
            # No engine runs depthwise convolutions in int8 with scales per channel, nncf's default.
            activations_quantization_params=QuantizationParameters(per_channel=False),
            activations_range_estimator_params=_estimator(scheme.method),
        )
        nncf.set_log_level(logging.ERROR)
        quiet = io.StringIO()
        with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
            made: openvino.Model = nncf.quantize(
                model,
                nncf.Dataset(self.feeds),
                subset_size=len(self.feeds),
                fast_bias_correction=True,
                ignored_scope=nncf.IgnoredScope(
                    names=sorted(scheme.skip & set(self.nodes)), validate=False
                ),
                advanced_parameters=advanced,
            )
        return made


def _estimator(method: str | None) -> RangeEstimatorParameters | None:
    """How nncf chooses the range of an activation; None: its default, the mean of extremes.

    Raises:
        OptionError: nncf has no such method.
    """
    if method is None:
        return None
    if method == "entropy":
        raise OptionError("openvino's quantizer has no entropy ranges; minmax or percentile")
    sides = []
    for extreme in (StatisticsType.MIN, StatisticsType.MAX):
        kind, over = extreme, AggregatorType[extreme.name]
        if method == "percentile":
            kind, over = StatisticsType.QUANTILE, AggregatorType.MEAN
        sides.append(StatisticsCollectorParameters(kind, over, quantile_outlier_prob=OUTLIERS))
    return RangeEstimatorParameters(*sides)


def _weight(node: openvino.Node) -> openvino.Output | None:
    """The constant weight of a node, if it has one of at least two values."""
    source = node.input_value(1)
    constant = source.get_node().get_type_name() == "Constant"
    return source if constant and int(np.prod(source.get_shape())) > 1 else None


def _output_axes(node: openvino.Node, rank: int) -> tuple[int, ...]:
    """The axes of a node's weight that run over its outputs.

    With scales along another axis the CPU plugin's bf16 kernels divide by zero, which ends the
    process.
    """
    kind = node.get_type_name()
    if kind == "MatMul":
        return (rank - 2 if node.get_attributes()["transpose_b"] else rank - 1,)
    return (0, 1) if kind == "GroupConvolution" else (0,)


def _weights_only(model: openvino.Model, skip: frozenset[str]) -> None:
    for node in model.get_ordered_ops():
        if node.get_type_name() not in WEIGHTED or node.get_friendly_name() in skip:
            continue
        source = _weight(node)
        if source is None:
            continue
        values = source.get_node().data.astype(np.float32)
        kept = _output_axes(node, values.ndim)
        others = tuple(i for i in range(values.ndim) if i not in kept)
        largest = np.abs(values).max(axis=others, keepdims=True)
        scale = np.where(largest > 0, largest / 127, 1).astype(np.float32)
        steps = np.clip(np.rint(values / scale), -127, 127).astype(np.int8)
        raised = ops.convert(ops.constant(steps), np.float32)
        node.input(1).replace_source_output(ops.multiply(raised, ops.constant(scale)).output(0))
    model.validate_nodes_and_infer_types()
