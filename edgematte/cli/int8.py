"""Arguments of INT8, which ``edgematte export`` and ``edgematte import`` share."""

import argparse
from typing import Any

from edgematte.manifest import Manifest


def add_int8(parser: argparse.ArgumentParser) -> None:
    """How INT8 is calibrated, and how good it must be."""
    parser.add_argument(
        "--calibration",
        metavar="DIR",
        help="int8: pictures like the app's (default: made ones); fp16: whose ranges are looked at",
    )
    parser.add_argument(
        "--calibration-limit",
        type=int,
        metavar="N",
        help="int8, fp16: most pictures taken (default: 32)",
    )
    parser.add_argument(
        "--range-method",
        metavar="METHOD",
        help="int8: how ranges of activations are chosen: minmax, percentile or entropy (default: "
        "percentile; openvino: the mean of the pictures' extremes)",
    )
    parser.add_argument(
        "--budget",
        type=float,
        metavar="X",
        help="int8: largest mean alpha error in the unknown band (default: 0.01)",
    )


def int8_given(arguments: argparse.Namespace) -> dict[str, Any]:
    """What was given, as words of the functions that export and import."""
    names = ("calibration", "calibration_limit", "range_method", "budget")
    return {name: getattr(arguments, name) for name in names}


def chosen_rungs(manifest: Manifest) -> list[str]:
    """A line on the rung that was taken; none for float precisions."""
    return [
        f"INT8: {rung.name}, mean alpha error {rung.mad:.4f} in the unknown band"
        for rung in manifest.ladder
        if rung.chosen
    ]
