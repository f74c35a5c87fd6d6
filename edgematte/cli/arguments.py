"""Arguments that several commands share."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgematte.cli.declared import add_declared, given, load_options
from edgematte.codec import encode
from edgematte.errors import OptionError

if TYPE_CHECKING:
    from edgematte.runtime.bundle import Bundle
    from edgematte.runtime.matter import Matter


def add_json(parser: argparse.ArgumentParser) -> None:
    """``--json``: the result as one JSON value on standard output."""
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def add_engine(
    parser: argparse.ArgumentParser, *, threads: bool = True, verify: bool = True
) -> None:
    """``--engine``, ``--device``, ``--verify``, ``--threads``, ``--engine-cache``.

    Without ``verify`` the command proves its bundles always; without ``threads`` it has its own.
    """
    parser.add_argument(
        "--engine",
        help="onnxruntime, openvino, coreml, litert, browser or kserve, or auto: the fastest that "
        "is right here (default: the bundle's)",
    )
    parser.add_argument(
        "--device",
        help="cpu, cuda, tensorrt, coreml, gpu, npu, ane, webgpu; of kserve a server, "
        "grpc://HOST:PORT (default: cpu)",
    )
    if verify:
        parser.add_argument(
            "--verify",
            action="store_true",
            help="first run the bundle's golden calls on the engine: exit 1 where it is wrong here",
        )
    if threads:
        parser.add_argument(
            "--threads",
            type=int,
            metavar="N",
            help="worker threads (default: the engine's choice)",
        )
    parser.add_argument(
        "--engine-cache", metavar="DIR", help="tensorrt: keep compiled engines for the next start"
    )


def engine_here(
    bundle: "Bundle", engine: str | None, device: str | None, *, alone: bool = True
) -> tuple[str | None, str | None]:
    """The engine and device of a check; of ``auto`` those that `matte --engine auto` takes here.

    Raises:
        OptionError: auto with a device, or not ``alone``: with another way to run graphs.
        EngineError, ToleranceError: auto, and no engine here is right.
    """
    from edgematte.runtime.engines import AUTO, EngineOptions
    from edgematte.runtime.load import Asked

    if engine != AUTO:
        return engine, device
    if device is not None or not alone:
        raise OptionError(f"engine {AUTO} chooses engine and device: leave others out")
    half = bundle.manifest.precision == "fp16"  # as `load` opens it, so that one verdict does
    taken = Asked(bundle, EngineOptions(half=half, keep=True)).choose().choice.taken
    return taken.engine, taken.device


def told_choice(matter: "Matter") -> dict[str, Any]:
    """What ``--json`` says of why an engine runs the bundle, where it was proven."""
    choice = matter.engine_choice
    return {} if choice is None else {"engine_choice": encode(choice)}


def add_batch(parser: argparse.ArgumentParser, what: str) -> None:
    """``--batch``; ``what`` says what it counts."""
    parser.add_argument(
        "--batch",
        type=int,
        default=1,
        metavar="N",
        help=f"bundles exported with --dynamic-batch: {what} (default: 1)",
    )


def add_plugins(parser: argparse.ArgumentParser) -> None:
    """``--plugin``; it is read before all other arguments, see `edgematte.cli`."""
    parser.add_argument(
        "--plugin",
        action="append",
        default=[],
        metavar="MODULE",
        help="a module that brings nets of its own and is not installed as a plug-in",
    )


def add_load_options(parser: argparse.ArgumentParser) -> None:
    """The load options that nets declare."""
    add_declared(parser, "options of the bundle's net, by net", load_options())


def add_patches(parser: argparse.ArgumentParser) -> None:
    """``--resume``, ``--explain``, ``--explain-at``."""
    group = parser.add_argument_group("of nets whose patches see other patches")
    group.add_argument(
        "--resume",
        action="store_true",
        help="record finished patches beside the output; the same command after a kill goes on "
        "from there",
    )
    group.add_argument(
        "--explain",
        metavar="FILE",
        help="also draw which patches the patch of a pixel looked at, and where",
    )
    group.add_argument(
        "--explain-at", metavar="X,Y", help="an unknown pixel (default: one amid many)"
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


def load_matter(arguments: argparse.Namespace, in_flight: int = 1) -> "Matter":
    """The bundle a command was given, on the engine and with the options it was given."""
    from edgematte.runtime.load import load

    return load(
        arguments.bundle,
        engine=arguments.engine,
        device=arguments.device,
        verify=arguments.verify,
        threads=arguments.threads,
        engine_cache=arguments.engine_cache,
        batch=arguments.batch,
        in_flight=in_flight,
        **given(arguments, load_options()),
    )


def written(bundle: "Bundle") -> dict[str, Any]:
    """What ``--json`` says of a bundle that was just written."""
    from edgematte.export.report import size_of

    accuracy = bundle.manifest.accuracy
    alphas = [d for d in accuracy.differences if d.equality == "end-to-end" and "alpha" in d.where]
    worst = sorted(alphas, key=lambda d: d.max_abs)  # of several frames the last one stays
    return {
        "bundle": str(bundle.path),
        "within_tolerance": accuracy.ok,
        "end_to_end": {d.engine: {"max": d.max_abs, "mean": d.mean_abs} for d in worst},
        "bytes": {g.name: size_of(bundle.file(g)) for g in bundle.manifest.graphs},
    }


def print_json(value: Any) -> None:
    """One JSON value on standard output."""
    print(json.dumps(value, indent=2))


def put_text(text: str, output: Path | None, what: str, as_json: bool) -> None:
    """Write a text whole or not at all and print where it is; ``-`` or None: standard output."""
    from edgematte.atomic import atomic_file

    if output is None or str(output) == "-":
        print(text, end="")
        return
    with atomic_file(output) as scratch:
        scratch.write_text(text, encoding="utf-8")
    print_written(what, output, as_json)


def print_written(what: str, path: Path, as_json: bool) -> None:
    """Where a result was written: the path alone, or ``{what: path}`` as JSON."""
    if as_json:
        print_json({what: str(path)})
    else:
        print(path)


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
