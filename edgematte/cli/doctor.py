"""``edgematte doctor``."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgematte.cli.arguments import add_json, engine_here, print_json
from edgematte.cli.streams import plain
from edgematte.errors import EngineError, OptionError
from edgematte.extras import importing

if TYPE_CHECKING:
    from edgematte.check.doctor import Stage
    from edgematte.check.engines import CheckEngine
    from edgematte.check.onnx_nodes import Node
    from edgematte.runtime.bundle import Bundle
    from edgematte.runtime.proof.goldens import Goldens


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("bundle", nargs="?", help="default: the one that ships with edgematte")
    parser.add_argument("--engine", help="as `edgematte check` takes it (default: the target's)")
    parser.add_argument("--device", help="of the engine: cpu, cuda, gpu, npu, ... (default: cpu)")
    parser.add_argument(
        "--image",
        type=Path,
        metavar="FILE",
        help="look at this picture instead of the recorded one; without --weights the reference is "
        "the same file run plainly: see docs/trust.md",
    )
    parser.add_argument(
        "--trimap", type=Path, metavar="FILE", help="of --image, for nets that need one"
    )
    parser.add_argument(
        "--weights",
        metavar="FILE",
        help="take PyTorch with this checkpoint, or with 'shipped', as the reference",
    )
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Name the first stage that departs, and the first node in it; returns 1 if there is one."""
    from edgematte.check.doctor import GRAPH, examine, first_departing
    from edgematte.check.engines import check_engines
    from edgematte.runtime.bundle import open_bundle

    bundle = open_bundle(arguments.bundle)
    manifest = bundle.manifest
    goldens, reference = _goldens(bundle, arguments)
    engine, device = engine_here(bundle, arguments.engine, arguments.device)
    engines = check_engines(manifest, engine, device=device)
    findings: list[dict[str, Any]] = []
    lines = [f"reference: {reference}"]
    for one in engines:
        stages = examine(bundle, one, goldens)
        guilty = first_departing(stages)
        node, said = (None, "") if guilty is None else _inside(bundle, guilty, one, goldens)
        told = [s for s in stages if s.kind == GRAPH or one is engines[0]]
        aside = "" if one.decides else ", which decides nothing"
        lines += [one.label + aside, *(f"  {_line(stage)}" for stage in told)]
        if guilty is not None:
            lines.append(f"the first that departs: {guilty.kind} {guilty.name}")
            lines.append(f"  in it: {node}" if node else f"  {said}")
        findings.append(
            {
                "engine": one.label,
                "decides": one.decides,
                "stages": [_record(stage) for stage in stages],
                "departs": None if guilty is None else {"kind": guilty.kind, "name": guilty.name},
                "node": None if node is None else {"op": node.op, "name": node.name},
                "remark": said,
            }
        )
    ill = [f for f in findings if f["departs"] and f["decides"]]
    if arguments.json:
        print_json({"well": not ill, "reference": reference, "engines": findings})
    else:
        print(plain("\n".join(lines)))
        some = any(f["departs"] for f in findings)
        well = "every stage is well" + " in the arithmetic that decides" * some
        print(well if not ill else "a stage DEPARTS")
    return 1 if ill else 0


def _goldens(bundle: "Bundle", arguments: argparse.Namespace) -> "tuple[Goldens, str]":
    """The values that stages are compared with, and where they are from."""
    from edgematte.nets import find
    from edgematte.pictures import read_grey, read_picture
    from edgematte.runtime.proof.goldens import read

    manifest = bundle.manifest
    if arguments.trimap is not None and arguments.image is None:
        raise OptionError("--trimap is of --image: give --image FILE with it")
    picture = None if arguments.image is None else read_picture(arguments.image)
    trimap = None if arguments.trimap is None else read_grey(arguments.trimap)
    needs = find(manifest.model).net.needs_trimap and manifest.trimap_stage is None
    if trimap is not None and not needs:
        raise OptionError(f"--trimap has no meaning for {manifest.model}, which finds its own here")
    if picture is not None and needs and trimap is None:
        raise OptionError(f"{manifest.model} needs a trimap: give --trimap FILE with --image")
    if arguments.weights is not None:
        pip_line = 'pip install "edgematte[export]"'
        with importing("--weights needs PyTorch", pip_line, EngineError):
            from edgematte.export.live import record_live
        weights = None if arguments.weights == "shipped" else Path(arguments.weights)
        goldens, _ = record_live(bundle, weights, picture, trimap)
        return goldens, "PyTorch, run now"
    if picture is None:
        graphs = {graph.name: graph for graph in manifest.graphs}
        return read(bundle.path, graphs), "what was recorded at export"
    from edgematte.check.own_picture import record_picture, reference_of

    plain = reference_of(manifest)
    return record_picture(bundle, picture, trimap, plain), plain.label


def _inside(
    bundle: "Bundle", guilty: "Stage", engine: "CheckEngine", goldens: "Goldens"
) -> "tuple[Node | None, str]":
    """The first node that departs in a guilty graph, or a sentence that says why there is none."""
    from edgematte.check.doctor import HOST
    from edgematte.check.onnx_nodes import first_node
    from edgematte.nets import find
    from edgematte.runtime.engines.colours import colours_of
    from edgematte.runtime.engines.graph import to_file
    from edgematte.runtime.proof.tolerances import tolerance_for

    manifest = bundle.manifest
    if guilty.kind == HOST:
        return None, "a host step is NumPy alone: this installation's, or the record, was changed"
    graph = manifest.graph(guilty.name)
    section, file = manifest.host_of(graph), bundle.file(graph)
    colours = None if section is None else colours_of(section)
    inputs = goldens.graphs[graph.name].inputs
    given = {t.name: to_file(inputs[t.name], t, colours) for t in graph.inputs}
    limit = tolerance_for(manifest.precision, find(manifest.model).net.unpools)
    if engine.remote:
        return None, (
            "nodes are not looked into where a server has the graph: run the doctor on "
            "onnxruntime here, and load this bundle's file there"
        )
    try:
        if file.suffix == ".mlpackage":
            from edgematte.export.mil.nodes import first_operation

            node = first_operation(file, given, limit)
            other = "in fp32 and fp16 arithmetic every operation agrees"
        elif file.suffix == ".onnx":
            node = first_node(file, graph, given, engine.open, limit)
            other = "node by node the engine agrees with plain ONNX Runtime on this file"
        else:
            return None, (
                f"nodes of {file.suffix} files are not looked into: export to onnx to see them"
            )
    except EngineError as error:
        return None, f"its nodes cannot be looked into: {error}"
    return node, "" if node else (
        f"{other}: the file itself departs from what was recorded at export, or only nodes that "
        "are fused do; export again, or run `edgematte check --weights`"
    )


def _line(stage: "Stage") -> str:
    mark = "ok" if stage.well else "!!"
    if stage.worst is None:
        return f"{mark}  {stage.kind} {stage.name}: {stage.failure}"
    row = stage.worst
    return f"{mark}  {stage.kind} {stage.name}: largest {row.max_abs:.1e}, mean {row.mean_abs:.1e}"


def _record(stage: "Stage") -> dict[str, Any]:
    row = stage.worst
    return {
        "kind": stage.kind,
        "name": stage.name,
        "well": stage.well,
        "max": None if row is None else row.max_abs,
        "mean": None if row is None else row.mean_abs,
        "failure": stage.failure,
    }
