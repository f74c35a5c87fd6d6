"""For phones with ONNX Runtime: ``.ort`` files, required operators, the usability verdict."""

import contextlib
import io
import logging
from pathlib import Path

from onnxruntime.tools.convert_onnx_models_to_ort import (
    OptimizationStyle,
    convert_onnx_models_to_ort,
)
from onnxruntime.tools.mobile_helpers.usability_checker import analyze_model

from edgematte.errors import ExportError


def write_ort(file: Path) -> None:
    """Write ``NAME.ort`` and ``NAME.required_operators.config`` beside ``NAME.onnx``."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            convert_onnx_models_to_ort(
                file, optimization_styles=[OptimizationStyle.Fixed], target_platform="arm"
            )
    except (Exception, SystemExit) as error:
        raise ExportError(
            f"onnxruntime cannot make an .ort file of {file.name}: {error}"
        ) from error


def usability(file: Path) -> str:
    """What onnxruntime's own checker says of running the graph on phones."""
    stream = io.StringIO()
    logger = logging.getLogger("edgematte.ort_usability")
    logger.handlers = [logging.StreamHandler(stream)]
    logger.setLevel(logging.INFO)
    logger.propagate = False
    with contextlib.redirect_stdout(io.StringIO()):
        analyze_model(file, skip_optimize=False, logger=logger)
    return stream.getvalue().strip()
