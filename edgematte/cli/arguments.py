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
    parser.add_argument(
        "--engine-cache", metavar="DIR", help="tensorrt: keep compiled engines for the next start"
    )


def add_batch(parser: argparse.ArgumentParser, what: str) -> None:
    """``--batch``; ``what`` it counts."""
    parser.add_argument(
        "--batch",
        type=int,
        default=1,
        metavar="N",
        help=f"bundles exported with --dynamic-batch: {what} (default: 1)",
    )


def add_budget(parser: argparse.ArgumentParser) -> None:
    """``--max-regions``, ``--budget-ms``."""
    parser.add_argument(
        "--max-regions", type=int, metavar="N", help="regional: refine the N most uncertain regions"
    )
    parser.add_argument(
        "--budget-ms", type=float, metavar="MS", help="regional: as many as there is time for"
    )


def add_patches(parser: argparse.ArgumentParser) -> None:
    """``--memory``, ``--resume``, ``--explain``, ``--explain-at``."""
    parser.add_argument(
        "--memory",
        type=float,
        metavar="MB",
        help="hdmatt: features of patches kept in memory; the rest goes to a temporary file",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="hdmatt: record finished patches beside the output; the same command after a kill "
        "goes on from there",
    )
    parser.add_argument(
        "--explain",
        metavar="FILE",
        help="hdmatt: also draw which patches the patch of a pixel looked at, and where",
    )
    parser.add_argument(
        "--explain-at", metavar="X,Y", help="an unknown pixel (default: one amid many)"
    )


def add_steps(parser: argparse.ArgumentParser) -> None:
    """``--steps``, ``--seed``, ``--stop-below``."""
    parser.add_argument(
        "--steps", type=int, metavar="N", help="diffmatte: 1 to 50 (default: the bundle's)"
    )
    parser.add_argument("--seed", type=int, help="diffmatte: of the noise")
    parser.add_argument(
        "--stop-below",
        type=float,
        metavar="D",
        help="diffmatte: stop when a step changes alpha by less, on average over unknown pixels",
    )


def add_known(parser: argparse.ArgumentParser) -> None:
    """``--keep-known``, ``--no-keep-known``."""
    parser.add_argument(
        "--keep-known",
        action=argparse.BooleanOptionalAction,
        help="vitmatte, diffmatte: known pixels are the trimap's 0 and 1, or else the net's own "
        "(default: vitmatte's are the trimap's, diffmatte's in the background)",
    )


def parse_pixel(text: str) -> tuple[int, int]:
    """``120,45`` -> (120, 45).

    Raises:
        OptionError: anything else.
    """
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 2 or not all(part.isdecimal() for part in parts):
        raise OptionError(f"pixel {text!r} should be X,Y, such as 120,45")
    return int(parts[0]), int(parts[1])


def load_matter(arguments: argparse.Namespace) -> "Matter":
    """The bundle a command was given, on the engine it was given."""
    from edgematte.runtime.matter import load

    return load(
        arguments.bundle,
        engine=arguments.engine,
        device=arguments.device,
        threads=arguments.threads,
        engine_cache=arguments.engine_cache,
        max_regions=arguments.max_regions,
        budget_ms=arguments.budget_ms,
        memory_mb=getattr(arguments, "memory", None),
        steps=arguments.steps,
        seed=arguments.seed,
        stop_below=arguments.stop_below,
        batch=arguments.batch,
        keep_known=getattr(arguments, "keep_known", None),
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


def parse_sizes(text: str) -> list[tuple[int, int]]:
    """``512,640x480`` -> [(512, 512), (640, 480)].

    Raises:
        OptionError: anything else.
    """
    return [parse_size(part.strip()) for part in text.split(",")]
