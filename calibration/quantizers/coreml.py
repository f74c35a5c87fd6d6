"""Core ML: int8 and 4-bit weights by coremltools; W8A8 with ranges collected on any system.

``linear_quantize_activations`` of coremltools calibrates only on macOS. All it needs is a table
{tensor: {rmin, rmax}}. Here the MIL evaluator collects that table, and coremltools' own passes
insert the quantize and dequantize ops.
"""

import contextlib
import io
import tempfile
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgematte.calibration.ranges import Ranges
from edgematte.calibration.scheme import Scheme
from edgematte.errors import OptionError
from edgematte.export.core_ml_tools import MLModel, ct
from edgematte.export.mil.program import MilProgram
from edgematte.export.writing import writing

QUANTIZED = ("conv", "linear", "avg_pool", "max_pool", "add")  # by coremltools' passes
WEIGHTED = ("conv", "linear", "matmul", "conv_transpose")
SMALLEST = 16  # weights with fewer values stay as they are
IOS_17 = 8  # the first specification version with quantize and dequantize


class CoreMlQuantizable:
    """A float model and the ranges of its activations."""

    def __init__(self, model: MLModel, feeds: Iterable[Mapping[str, NDArray[Any]]] | None) -> None:
        """``feeds`` are in the range that the program takes; None where only weights are quantized.

        Raises:
            OptionError: activations should be quantized, for a system older than iOS 17.
        """
        self.folder = tempfile.TemporaryDirectory()
        self.file = Path(self.folder.name) / "float.mlpackage"
        spec = model.get_spec()
        if feeds is not None and spec.specificationVersion < IOS_17:
            raise OptionError(
                "Core ML quantizes activations from iOS 17 on: give min_ios 17, or int8-weights"
            )
        with writing("coremltools", self.file.name):
            model.save(str(self.file))
        kinds = WEIGHTED if feeds is None else QUANTIZED
        functions = spec.mlProgram.functions.values()
        blocks = [b for f in functions for b in f.block_specializations.values()]
        self.nodes = [
            op.attributes["name"].immediateValue.tensor.strings.values[0]
            for block in blocks
            for op in block.operations
            if op.type in kinds
        ]
        self.ranges = Ranges()
        if feeds is not None:
            program = MilProgram.load(self.file)
            for feed in feeds:
                program.run(feed, observe=self.ranges.observe)

    def quantize(self, scheme: Scheme | None) -> MLModel:
        """A quantized copy; None: an unchanged copy.

        Raises:
            OptionError: Core ML has no arithmetic for the scheme.
        """
        model = MLModel(str(self.file), skip_model_load=True)
        if scheme is None or not set(self.nodes) - scheme.skip:
            return model
        if scheme.activations not in ("uint8", None):
            raise OptionError(f"Core ML has no {scheme.activations} activations")
        cto = ct.optimize.coreml
        kept = {name: None for name in scheme.skip & set(self.nodes)}
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            if scheme.activations is not None:
                model = self._activations(model, scheme, kept)
            if scheme.weights == "palette4":
                palettes = cto.OpPalettizerConfig(mode="kmeans", nbits=4, weight_threshold=SMALLEST)
                config = cto.OptimizationConfig(palettes, op_name_configs=kept)
                return cto.palettize_weights(model, config)
            linear = cto.OpLinearQuantizerConfig(mode="linear_symmetric", weight_threshold=SMALLEST)
            config = cto.OptimizationConfig(linear, op_name_configs=kept)
            return cto.linear_quantize_weights(model, config)

    def _activations(self, model: MLModel, scheme: Scheme, kept: dict[str, None]) -> MLModel:
        from coremltools.converters.mil.frontend.milproto.load import load
        from coremltools.converters.mil.mil.passes.graph_pass import PassOption
        from coremltools.converters.mil.mil.passes.pass_registry import PASS_REGISTRY
        from coremltools.models.utils import _apply_graph_pass

        stats = {}
        for name in self.ranges.names():
            low, high = self.ranges.chosen(name, scheme.method)
            stats[name] = {"rmin": low, "rmax": high}
        cto = ct.optimize.coreml
        linear = cto.OpLinearQuantizerConfig(mode="linear_symmetric")
        config = cto.OptimizationConfig(linear, op_name_configs=kept)
        passes = []
        for place in ("prefix", "suffix"):
            one = PASS_REGISTRY[f"compression::insert_{place}_quantize_dequantize_pair"]
            one.set_options([PassOption("config", config)])
            one.set_options([PassOption("activation_stats", stats)])
            passes.append(one)
        passes.append(PASS_REGISTRY["common::dequantize_quantize_pair_elimination"])
        return _apply_graph_pass(
            model, passes, spec_version=IOS_17, pymil_load_func=load, skip_model_load=True
        )
