"""Lay a bundle's graphs out for MLServer: ``python lay_out.py my.edgematte models/``.

Then ``mlserver start models/`` serves them; README.md says how to use them from here.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from edgematte.errors import BundleError, EdgematteError
from edgematte.manifest import Graph, Tensor
from edgematte.runtime.bundle import Bundle, open_bundle

HERE = Path(__file__).parent
MODEL = "onnx_graph.py"
WEIGHTS = "weights.bin"  # of bundles of several sizes: beside every graph
DATATYPES = ("FP32", "FP16", "UINT8")


def main(arguments: list[str] | None = None) -> int:
    """Write one folder a graph, and the server's settings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", help="an ONNX bundle")
    parser.add_argument("folder", type=Path, help="a new folder")
    parser.add_argument("--inputs", choices=DATATYPES, default="FP32", help="how inputs travel")
    parser.add_argument("--outputs", choices=DATATYPES, default="FP32", help="how outputs travel")
    parser.add_argument(
        "--names", default="{graph}", help="of the models, such as portrait-{graph}"
    )
    parser.add_argument("--http-port", type=int, default=8080)
    parser.add_argument("--grpc-port", type=int, default=8081)
    given = parser.parse_args(arguments)
    try:
        lay_out(open_bundle(given.bundle), given)
    except EdgematteError as error:
        print(f"lay_out: {error}", file=sys.stderr)
        return 2
    print(f"mlserver start {given.folder}")
    return 0


def lay_out(bundle: Bundle, given: argparse.Namespace) -> None:
    """Write the folder.

    Raises:
        BundleError: no ONNX bundle, names without the graph's, or the folder is there already.
    """
    folder: Path = given.folder
    if bundle.manifest.target != "onnx":
        raise BundleError(
            f"{bundle.path} is a bundle for {bundle.manifest.target}; this serves ONNX graphs: "
            "export with --target onnx"
        )
    if "{graph}" not in given.names:
        raise BundleError(f"names {given.names!r}: each has {{graph}} in it, for the graph's name")
    if folder.exists():
        raise BundleError(f"{folder} is there already: give a new folder")
    for graph in bundle.manifest.graphs:
        name = given.names.replace("{graph}", graph.name)
        place = folder / name
        place.mkdir(parents=True)
        shutil.copy(bundle.file(graph), place)
        if (bundle.path / WEIGHTS).is_file():
            shutil.copy(bundle.path / WEIGHTS, place)
        settings = {"name": name, **_settings(graph, given.inputs, given.outputs)}
        (place / "model-settings.json").write_text(json.dumps(settings, indent=2) + "\n")
    shutil.copy(HERE / MODEL, folder)
    server = {
        "host": "127.0.0.1",
        "http_port": given.http_port,
        "grpc_port": given.grpc_port,
        "metrics_endpoint": None,
        "parallel_workers": 0,
        "debug": False,
    }
    (folder / "settings.json").write_text(json.dumps(server, indent=2) + "\n")


def _settings(graph: Graph, inputs: str, outputs: str) -> dict[str, Any]:
    dynamic = bool(graph.dynamic_batch)
    return {
        "implementation": "onnx_graph.OnnxGraph",
        "parameters": {
            "uri": f"./{Path(graph.file).name}",
            "extra": {"expand_weights": graph.expand_weights},
        },
        "inputs": [_tensor(t, inputs, dynamic) for t in graph.inputs],
        "outputs": [_tensor(t, outputs, dynamic) for t in graph.outputs],
    }


def _tensor(tensor: Tensor, datatype: str, dynamic: bool) -> dict[str, Any]:
    """UINT8 is for values from 0 to 1; others stay what they are."""
    able = datatype != "UINT8" or tensor.range == (0, 1)
    shape = [-1, *tensor.shape[1:]] if dynamic else list(tensor.shape)
    return {"name": tensor.name, "datatype": datatype if able else "FP32", "shape": shape}


if __name__ == "__main__":
    sys.exit(main())
