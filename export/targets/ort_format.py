"""Files for phones with ONNX Runtime: ``.ort``, required operators; and a usability check."""

import contextlib
import io
import logging
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.tools.convert_onnx_models_to_ort import (
    OptimizationStyle,
    convert_onnx_models_to_ort,
)
from onnxruntime.tools.mobile_helpers.usability_checker import analyze_model

from edgematte.errors import ExportError


def write_ort(file: Path) -> None:
    """Write ``NAME.ort`` and ``NAME.required_operators.config`` beside ``NAME.onnx``."""
    remarks = logging.getLogger("ort_format_model.utils")
    level = remarks.level
    remarks.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            convert_onnx_models_to_ort(
                file, optimization_styles=[OptimizationStyle.Fixed], target_platform="arm"
            )
    except (Exception, SystemExit) as error:
        raise ExportError(f"onnxruntime cannot make {file.stem}.ort: {error}") from error
    finally:
        remarks.setLevel(level)
    config = file.with_suffix(".required_operators.config")
    # Its comment names a folder of this machine.
    lines = [x for x in config.read_text().splitlines() if not x.startswith("#")]
    config.write_text("\n".join(lines) + "\n")


def usability(file: Path) -> str:
    """What onnxruntime's own checker says of running the graph on phones.

    The checker mistakes an optional input that is left out (Resize has one) for a value of dynamic
    shape, and would count every Resize against the graph. So it is given a copy of the graph in
    which that input is an empty tensor.
    """
    model = onnx.load(file)
    nothing = onnx.numpy_helper.from_array(np.zeros(0, np.float32), "no_region")
    model.graph.initializer.append(nothing)
    for node in model.graph.node:
        if node.op_type == "Resize" and not node.input[1]:
            node.input[1] = nothing.name
    stream = io.StringIO()
    logger = logging.getLogger("edgematte.ort_usability")
    logger.handlers = [logging.StreamHandler(stream)]
    logger.setLevel(logging.INFO)
    logger.propagate = False
    with tempfile.TemporaryDirectory() as scratch, contextlib.redirect_stdout(io.StringIO()):
        copy = Path(scratch) / file.name
        onnx.save(model, copy)
        analyze_model(copy, skip_optimize=False, logger=logger)
    return "\n".join(x for x in stream.getvalue().strip().splitlines() if scratch not in x)
