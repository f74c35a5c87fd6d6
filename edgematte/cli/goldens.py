"""``edgematte goldens``."""

import argparse
import dataclasses
from pathlib import Path

from edgematte.cli.arguments import add_json, print_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("bundle", nargs="?", help="default: the one that ships with edgematte")
    parser.add_argument(
        "--to", required=True, metavar="DIR", help="a folder that is not there yet, or empty"
    )
    parser.add_argument(
        "--engine",
        help="onnxruntime, openvino or coreml, for the made pictures (default: the bundle's)",
    )
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write the records, and say where they are."""
    from edgematte.check.raw_goldens import Run, write_goldens
    from edgematte.errors import EngineError
    from edgematte.runtime.bundle import open_bundle
    from edgematte.runtime.engines import engine_for
    from edgematte.runtime.load import matter_from

    bundle = open_bundle(arguments.bundle)
    engine = engine_for(bundle.manifest.target, arguments.engine)
    matter: Run | EngineError
    try:
        matter = matter_from(bundle, engine)
    except EngineError as error:
        if arguments.engine is not None:
            raise
        matter = error
    written = write_goldens(bundle, Path(arguments.to), matter, engine)
    if arguments.json:
        print_json({**dataclasses.asdict(written), "folder": str(written.folder)})
        return 0
    print(
        f"{written.folder}: {written.files} files, {written.bytes / 1e6:.1f} MB; the cases: "
        f"{', '.join(written.cases)}"
    )
    if written.not_run:
        print(f"the made pictures have no alpha: {written.not_run}")
    return 0
