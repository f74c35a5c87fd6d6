"""``edgematte export``."""

import argparse
from pathlib import Path

from edgematte.cli.arguments import add_json, parse_size, parse_sizes, print_json, written
from edgematte.cli.declared import DEST, add_declared, given, size_options, target_options
from edgematte.cli.int8 import add_int8, chosen_rungs, int8_given
from edgematte.cli.progress import Bars
from edgematte.codec import encode
from edgematte.errors import EngineError
from edgematte.extras import importing
from edgematte.targets import TARGETS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("--model", required=True, help="see `edgematte models`")
    parser.add_argument("--target", required=True, help=", ".join(TARGETS))
    parser.add_argument("--precision", help=_precisions())
    parser.add_argument(
        "--size",
        "--tile",
        metavar="SIZE",
        help="of what the graphs see: 512 or WxH (default: 512); of nets that pad whole pictures "
        "also picture, the size of --picture",
    )
    parser.add_argument(
        "--sizes",
        metavar="WxH,...",
        help="of the same nets: graphs of several sizes in one bundle; a picture gets the smallest "
        "that holds it",
    )
    parser.add_argument(
        "--padding",
        help="of --size picture and --sizes: minimal (the next multiple), or authors (both sides "
        "grow where one is no multiple, as in the published code)",
    )
    parser.add_argument(
        "--cut",
        "--graphs",
        help="how the net is cut into graphs: see docs/bundle.md (default: the net's first)",
    )
    parser.add_argument("--weights", metavar="FILE", help="checkpoint (default: the shipped one)")
    parser.add_argument(
        "--license", metavar="SPDX", help="of the weights, where their card does not say it"
    )
    parser.add_argument(
        "--attribution", metavar="TEXT", help="what users of the weights have to show"
    )
    parser.add_argument("--random-weights", action="store_true", help="to try the tool chain")
    parser.add_argument(
        "--seed", type=int, metavar="N", help="of --random-weights and of calibration pictures"
    )
    parser.add_argument(
        "--cascade",
        metavar="MODEL",
        help="nets that need a trimap: the net that estimates it where none is given, or the path "
        "of an imported bundle",
    )
    parser.add_argument(
        "--band",
        dest="band_px",
        type=int,
        metavar="PX",
        help="of the cascade: how far the unknown region grows (default: 4; of an imported net "
        "what its mask needs)",
    )
    parser.add_argument(
        "--unknown-threshold",
        type=float,
        metavar="P",
        help="of a cascade that is a net's name: probability from which a pixel is unknown "
        "(default: 0.1)",
    )
    parser.add_argument("--output", metavar="DIR", help="default: MODEL-TARGET-PRECISION.edgematte")
    parser.add_argument(
        "--repository",
        type=Path,
        metavar="DIR",
        help="onnx, openvino: also lay the bundle out there as a model repository of Triton; "
        "--layout triton does so beside the bundle, in NAME-triton",
    )
    add_int8(parser)
    parser.add_argument("--picture", metavar="FILE", help="to check with (default: a made one)")
    parser.add_argument(
        "--force",
        action="store_true",
        help="replace an existing bundle (nothing else); write one out of tolerance",
    )
    add_declared(parser, "sizes of the graphs, by net", size_options())
    add_declared(parser, "options of the target, by target", target_options())
    add_json(parser)


def _precisions() -> str:
    """The precisions of every target, its default first."""
    parts = []
    for target in TARGETS.values():
        others = [p for p in target.precisions if p != target.default]
        parts.append(f"{target.name}: {target.default} (the default), {', '.join(others)}")
    return "; ".join(parts)


def _repository(arguments: argparse.Namespace) -> Path | None:
    """Where the bundle is laid out for Triton; `--layout triton`: beside the bundle."""
    named: Path | None = arguments.repository
    if getattr(arguments, DEST + "layout", None) != "triton":
        return named
    setattr(arguments, DEST + "layout", None)  # other layouts are orders of axes, of LiteRT graphs
    if named is not None:
        return named
    precision = arguments.precision or TARGETS[arguments.target].default
    bundle = Path(arguments.output or f"{arguments.model}-{arguments.target}-{precision}")
    return bundle.with_name(f"{bundle.name.removesuffix('.edgematte')}-triton")


def run(arguments: argparse.Namespace) -> int:
    """Export, check, and print where the bundle is and how close to PyTorch."""
    from edgematte.export.triton.repository import lay_out, refuse

    size = arguments.size
    if size not in (None, "picture"):
        size = parse_size(size)
    sizes = None if arguments.sizes is None else parse_sizes(arguments.sizes)
    arguments.repository = _repository(arguments)
    if arguments.repository is not None:
        refuse(arguments.target, arguments.repository)
    sentence = "exporting needs a package that is not installed"
    with importing(sentence, 'pip install "edgematte[export]"', EngineError):
        from edgematte.export.exporter import export
    from edgematte.pictures import read_picture

    told = given(arguments, target_options())
    bundle = export(
        arguments.model,
        target=arguments.target,
        precision=arguments.precision,
        size=size,
        sizes=sizes,
        padding=arguments.padding,
        cut=arguments.cut,
        weights=arguments.weights,
        random_weights=arguments.random_weights,
        seed=arguments.seed,
        output=arguments.output,
        force=arguments.force,
        cascade=arguments.cascade,
        band_px=arguments.band_px,
        unknown_threshold=arguments.unknown_threshold,
        **int8_given(arguments),
        picture=read_picture(Path(arguments.picture)) if arguments.picture else None,
        license=arguments.license,
        attribution=arguments.attribution,
        progress=Bars(),
        **given(arguments, size_options()),
        **told,
    )
    if arguments.repository is not None:
        lay_out(bundle, arguments.repository)
    verdicts = _usability(bundle.path) if told.get("ort") else {}
    worst = [d for d in bundle.manifest.accuracy.differences if d.equality == "end-to-end"]
    if arguments.json:
        print_json(
            {
                **written(bundle),
                "ladder": encode(bundle.manifest)["ladder"],
                "usability": verdicts,
                "lint": encode(bundle.manifest).get("lint", []),
                **({"repository": str(arguments.repository)} if arguments.repository else {}),
            }
        )
        return 0
    for name, verdict in verdicts.items():
        print(f"{name}, onnxruntime's mobile usability checker: {verdict}")
    for finding in bundle.manifest.lint or ():
        print(f"on other devices: {finding}")
    for line in chosen_rungs(bundle.manifest):
        print(line)
    for d in worst:
        print(f"{d.engine}: {d.where} differs from PyTorch by {d.max_abs:.1e} at most")
    for d in bundle.manifest.accuracy.differences:
        if d.equality == "choices":
            print(f"{d.engine}: {d.where}: off by {d.max_abs:.1e} at most, {d.mean_abs:.1e} mean")
    print(bundle.path)
    if arguments.repository is not None:
        print(arguments.repository)
    return 0


def _usability(folder: Path) -> dict[str, str]:
    from edgematte.export.targets.ort_format import usability

    return {file.name: usability(file) for file in sorted(folder.glob("*.onnx"))}
