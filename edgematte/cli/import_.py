"""``edgematte import``."""

import argparse
from pathlib import Path

from edgematte.cli.arguments import add_json, parse_size, print_json, written
from edgematte.cli.int8 import add_int8, chosen_rungs, int8_given
from edgematte.cli.progress import Bars
from edgematte.cli.streams import say
from edgematte.codec import encode
from edgematte.errors import EngineError, OptionError
from edgematte.extras import importing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("model", metavar="MODEL.onnx", help="a net of one picture -> a map of it")
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="the bundle")
    parser.add_argument(
        "--kind",
        metavar="KIND",
        help="matte: its soft edges are what it saw; mask: a segmenter, whose edges are uncertain "
        "(default: the preset's)",
    )
    parser.add_argument(
        "--preset",
        metavar="NAME",
        help="how a well-known net is used: modnet, u2net, isnet, birefnet, rmbg, rmbg-2, rvm, "
        "selfie; options that are given win",
    )
    parser.add_argument("--target", default="onnx", help="onnx (the default) or openvino")
    parser.add_argument("--precision", help="fp32 (the default), fp16, int8, int8-weights or w8a16")
    parser.add_argument("--size", metavar="SIZE", help="of an input with open sides: 512 or WxH")
    parser.add_argument("--mean", metavar="N,N,N", help="subtracted, by channel (default: 0)")
    parser.add_argument("--std", metavar="N,N,N", help="divides then, by channel (default: 1)")
    parser.add_argument("--scale", metavar="N", help="multiplies the bytes first (default: 1/255)")
    parser.add_argument("--channel-order", metavar="ORDER", help="RGB or BGR (default: RGB)")
    parser.add_argument("--output-name", metavar="NAME", help="the output that is the matte")
    parser.add_argument(
        "--class-index", type=int, metavar="N", help="its channel that is the subject, from 0"
    )
    parser.add_argument("--sigmoid", action="store_true", help="the output is of logits")
    parser.add_argument(
        "--softmax", action="store_true", help="the output is of logits of several classes"
    )
    parser.add_argument(
        "--min-max", action="store_true", help="stretch the output of each picture to [0, 1]"
    )
    parser.add_argument("--invert", action="store_true", help="the output is of the background")
    parser.add_argument(
        "--state",
        action="append",
        metavar="IN=OUT",
        help="of a recurrent net: an input, and the output that it is at the next frame of a clip "
        "(zeros at the first); once for each",
    )
    parser.add_argument(
        "--constant",
        action="append",
        metavar="IN=N",
        help="an input that is held at a number; once for each",
    )
    parser.add_argument("--license", metavar="SPDX", help="of the file, where its card lacks it")
    parser.add_argument(
        "--attribution", metavar="TEXT", help="what users of the file have to show, likewise"
    )
    add_int8(parser)
    parser.add_argument("--seed", type=int, metavar="N", help="of calibration pictures")
    parser.add_argument("--picture", metavar="FILE", help="to check with (default: a made one)")
    parser.add_argument(
        "--force",
        action="store_true",
        help="replace an existing bundle (nothing else); write one out of tolerance",
    )
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Import, check, print what looks wrong, where the bundle is and how close to the file."""
    size = None if arguments.size is None else parse_size(arguments.size)
    mean, std = parse_numbers("mean", arguments.mean), parse_numbers("std", arguments.std)
    scales = parse_numbers("scale", arguments.scale)
    if scales is not None and len(scales) != 1:
        raise OptionError(f"scale {arguments.scale!r}: one number, for all channels")
    activation = _activation(arguments)
    constants = parse_pairs("constant", arguments.constant)
    sentence = "importing needs a package that is not installed"
    with importing(sentence, 'pip install "edgematte[export]"', EngineError):
        from edgematte.export.foreign.importer import import_onnx
    from edgematte.pictures import read_picture

    bundle, warnings = import_onnx(
        arguments.model,
        output=arguments.output,
        kind=arguments.kind,
        preset=arguments.preset,
        target=arguments.target,
        precision=arguments.precision,
        size=size,
        mean=mean,
        std=std,
        scale=None if scales is None else scales[0],
        channel_order=arguments.channel_order,
        output_name=arguments.output_name,
        class_index=arguments.class_index,
        activation=activation,
        invert=arguments.invert or None,
        states=parse_pairs("state", arguments.state),
        constants=None if constants is None else _numbers(constants),
        seed=arguments.seed,
        **int8_given(arguments),
        picture=read_picture(Path(arguments.picture)) if arguments.picture else None,
        license=arguments.license,
        attribution=arguments.attribution,
        force=arguments.force,
        progress=Bars(),
    )
    for warning in warnings:
        say(f"edgematte: {warning}")
    worst = [d for d in bundle.manifest.accuracy.differences if d.equality == "end-to-end"]
    if arguments.json:
        print_json(
            {
                **written(bundle),
                "ladder": encode(bundle.manifest)["ladder"],
                "lint": encode(bundle.manifest).get("lint", []),
                "warnings": warnings,
            }
        )
        return 0
    for finding in bundle.manifest.lint or ():
        print(f"on other devices: {finding}")
    for line in chosen_rungs(bundle.manifest):
        print(line)
    for d in worst:
        print(f"{d.engine}: {d.where} differs from the ONNX file by {d.max_abs:.1e} at most")
    print(bundle.path)
    return 0


def parse_numbers(name: str, text: str | None) -> list[float] | None:
    """``0.485,0.456,0.406`` or ``1/255`` -> numbers; None stays None.

    Raises:
        OptionError: anything else.
    """
    if text is None:
        return None
    try:
        return [_number(part) for part in text.split(",")]
    except (ValueError, ZeroDivisionError):
        raise OptionError(
            f"{name} {text!r} should be a number, or three with commas, such as 0.5 or 1/255"
        ) from None


def parse_pairs(name: str, texts: list[str] | None) -> dict[str, str] | None:
    """``r1i=r1o`` -> {"r1i": "r1o"}; None stays None.

    Raises:
        OptionError: anything else, or one input twice.
    """
    if texts is None:
        return None
    pairs: dict[str, str] = {}
    for text in texts:
        first, equals, second = text.partition("=")
        if not (first and equals and second):
            shown = "r1i=r1o" if name == "state" else "downsample_ratio=0.25"
            raise OptionError(f"{name} {text!r} should be two parts and an equals sign: {shown}")
        if first in pairs:
            raise OptionError(f"{name} {text!r}: {first} is given twice")
        pairs[first] = second
    return pairs


def _numbers(pairs: dict[str, str]) -> dict[str, float]:
    numbers = {}
    for name, text in pairs.items():
        parsed = parse_numbers(f"constant {name}", text) or []
        if len(parsed) != 1:
            raise OptionError(f"constant {name} {text!r}: one number")
        numbers[name] = parsed[0]
    return numbers


def _number(text: str) -> float:
    above, line, below = text.partition("/")
    return float(above) / float(below) if line else float(above)


def _activation(arguments: argparse.Namespace) -> str | None:
    named = {"sigmoid": "sigmoid", "softmax": "softmax", "min_max": "min-max"}
    given = [word for name, word in named.items() if getattr(arguments, name)]
    if len(given) > 1:
        raise OptionError(f"{' and '.join(f'--{word}' for word in given)}: give one of them")
    return given[0] if given else None
