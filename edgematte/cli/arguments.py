"""Arguments that several commands share."""

import argparse
import json
from typing import TYPE_CHECKING, Any

from edgematte.errors import OptionError

if TYPE_CHECKING:
    from edgematte.runtime.matter import Matter


def add_json(parser: argparse.ArgumentParser) -> None:
    """``--json``: the result as one JSON value on standard output."""
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def add_engine(parser: argparse.ArgumentParser) -> None:
    """``--engine``, ``--device``, ``--threads``."""
    parser.add_argument("--engine", help="onnxruntime, openvino or coreml (default: the bundle's)")
    parser.add_argument(
        "--device", help="cpu, cuda, tensorrt, coreml, gpu, npu, ane (default: cpu)"
    )
    parser.add_argument("--threads", type=int, help="worker threads (default: the engine's choice)")


def load_matter(arguments: argparse.Namespace) -> "Matter":
    """The bundle a command was given, on the engine it was given."""
    from edgematte.runtime.matter import load

    return load(
        arguments.bundle,
        engine=arguments.engine,
        device=arguments.device,
        threads=arguments.threads,
    )


def print_json(value: Any) -> None:
    """One JSON value on standard output."""
    print(json.dumps(value, indent=2))


def parse_size(text: str) -> tuple[int, int]:
    """``512`` or ``512x384`` (width x height) -> (width, height).

    Raises:
        OptionError: anything else.
    """
    parts = text.lower().split("x")
    if len(parts) not in (1, 2) or not all(p.isdecimal() for p in parts):
        raise OptionError(
            f"size {text!r} should be a number or WIDTHxHEIGHT, such as 512 or 384x512"
        )
    return int(parts[0]), int(parts[-1])
