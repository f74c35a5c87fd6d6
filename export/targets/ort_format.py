"""Files for phones with ONNX Runtime: ``.ort``, required operators; and a usability check."""

import contextlib
import io
import logging
import re
from pathlib import Path

from onnxruntime.tools.convert_onnx_models_to_ort import (
    OptimizationStyle,
    convert_onnx_models_to_ort,
)
from onnxruntime.tools.mobile_helpers.usability_checker import analyze_model

from edgematte.errors import ExportError
from edgematte.manifest import Manifest

CHECKER = "onnxruntime's mobile usability checker"


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
    """What onnxruntime's own checker says of a graph's accelerators on phones, in one line.

    ``NNAPI yes (518 of 518 nodes), CoreML MLProgram no (500 of 518 nodes, 9 partitions)``
    """
    stream = io.StringIO()
    logger = logging.getLogger("edgematte.ort_usability")
    logger.handlers = [logging.StreamHandler(stream)]
    logger.setLevel(logging.INFO)
    logger.propagate = False
    with contextlib.redirect_stdout(io.StringIO()):
        analyze_model(file, skip_optimize=False, logger=logger)
    parts = []
    for said in re.split(r"^Checking (?=NNAPI|CoreML)", stream.getvalue(), flags=re.MULTILINE)[1:]:
        name = said.splitlines()[0].strip()
        counts = re.search(r"(\d+) partitions with a total of (\d+)/(\d+) nodes", said)
        fit = re.search(r"as is: (YES|NO|MAYBE)", said)
        if counts is None or fit is None:
            raise ExportError(f"onnxruntime's checker said nothing of {name} that can be read")
        pieces = "" if counts[1] == "1" else f", {counts[1]} partitions"
        parts.append(f"{name} {fit[1].lower()} ({counts[2]} of {counts[3]} nodes{pieces})")
    return ", ".join(parts)


def phone_lines(folder: Path, manifest: Manifest) -> list[str]:
    """Markdown lines on ``.ort`` files: what they are of, how large, and where they run."""
    lines = [
        "## On phones",
        "",
        "The graphs, those in the `.onnx` files too, have only the rewrites that phones' "
        "accelerators have operators for; on a PC's processor an export without `ort` is faster. "
        "An `.ort` file is for builds of ONNX Runtime with the operators of "
        "`required_operators.config` alone; it may be larger than the `.onnx`.",
        "",
    ]
    for graph in manifest.graphs:
        file = folder / graph.file
        sizes = [f"{f.name} {f.stat().st_size:,} bytes" for f in (file, file.with_suffix(".ort"))]
        lines.append(f"* {', '.join(sizes)}; {CHECKER}: {usability(file)}")
    return lines
