"""``edgematte check``."""

import argparse
import dataclasses
from pathlib import Path

from edgematte.cli.arguments import add_json, engine_here, print_json
from edgematte.cli.streams import plain
from edgematte.errors import EngineError
from edgematte.extras import importing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("bundle", nargs="?", help="default: the one that ships with edgematte")
    parser.add_argument(
        "--engine",
        help="onnxruntime, openvino, coreml, mil, litert, browser or kserve, or auto: the one that "
        "`matte --engine auto` takes here (default: the target's)",
    )
    parser.add_argument(
        "--device",
        help="of the engine, such as cuda, gpu, for browser webgpu, for kserve grpc://HOST:PORT "
        "(default: cpu)",
    )
    parser.add_argument("--runner", metavar="CMD", help="run the graphs elsewhere: docs/runner.md")
    parser.add_argument(
        "--runner-serve",
        action="store_true",
        help="start the runner once, and give it the folders of jobs as lines on standard input",
    )
    parser.add_argument(
        "--weights",
        metavar="FILE",
        help="run PyTorch now with this checkpoint, or with 'shipped', instead of the records",
    )
    parser.add_argument(
        "--key",
        type=Path,
        metavar="FILE",
        help="first verify the bundle's signature by this public key",
    )
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print every comparison; returns 0 inside the tolerances, 1 outside."""
    from edgematte.check.engines import check_engines
    from edgematte.check.run import check_bundle
    from edgematte.check.table import table
    from edgematte.runtime.bundle import open_bundle

    bundle = open_bundle(arguments.bundle)
    if arguments.key is not None:
        from edgematte.trust.signature import verify_signature

        verify_signature(bundle, arguments.key)
    alone = arguments.runner is None
    engine, device = engine_here(bundle, arguments.engine, arguments.device, alone=alone)
    engines = check_engines(
        bundle.manifest, engine, arguments.runner, device, runner_serve=arguments.runner_serve
    )
    goldens, faithful = None, None
    if arguments.weights:
        pip_line = 'pip install "edgematte[export]"'
        with importing("--weights needs PyTorch", pip_line, EngineError):
            from edgematte.export.live import record_live
        shipped = arguments.weights == "shipped"
        goldens, faithful = record_live(bundle, None if shipped else Path(arguments.weights))
    accuracy = check_bundle(bundle, engines, goldens)
    if faithful:
        accuracy = dataclasses.replace(accuracy, differences=(faithful, *accuracy.differences))
    if arguments.json:
        print_json({"within_tolerance": accuracy.ok, **dataclasses.asdict(accuracy)})
    else:
        print(plain("\n".join(table(accuracy))))
        print("within tolerance" if accuracy.ok else "OUTSIDE the tolerance")
    return 0 if accuracy.ok else 1
