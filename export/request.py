"""What an export is asked for: options checked before anything heavy starts."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from edgematte.errors import OptionError
from edgematte.export.frames import Frames
from edgematte.export.targets import FLOATS, TARGETS, Options
from edgematte.ranges import check_options
from edgematte.registry import FAMILIES, Family

SUFFIX = ".edgematte"

OPTIONS_OF = {
    "onnx": ("opset", "ort"),
    "openvino": ("opset",),
    "coreml": ("min_ios", "io", "alpha_bits"),
}
"""The options that mean something to a target; they are kept in the manifest."""


@dataclass(frozen=True)
class Request:
    """What an export is asked for, options resolved and valid."""

    family: Family
    target: str
    options: Options
    frames: Frames
    cut: str
    sizes: dict[str, int]  # of the cut's graphs: patch, regions
    output: Path


def family_of(model: nn.Module) -> Family:
    """The family of a module of one of the SDK's classes.

    Raises:
        OptionError: a module of any other class.
    """
    kind = f"{type(model).__module__}:{type(model).__qualname__}"
    able = [f for f in FAMILIES.values() if f.torch_class == kind]
    if able:  # of several sizes of one class the one with its options, else the first
        return next((f for f in able if f.config == getattr(model, "config", None)), able[0])
    raise OptionError(f"{kind} is no model of edgematte; there are: {', '.join(FAMILIES)}")


def options_for(target: str, precision: str | None, asked: Mapping[str, Any]) -> Options:
    """A target's options with its defaults: its own precision, and the iOS that precision needs.

    Args:
        target: a key of ``TARGETS``.
        precision: None for the target's own.
        asked: options by name; None, or False, for those that were not given.

    Raises:
        OptionError: an unknown target or precision, an option that means nothing to them, or a
            value that it cannot have.
    """
    if target not in TARGETS:
        raise OptionError(f"unknown target {target!r}; there are: {', '.join(TARGETS)}")
    precision = precision or TARGETS[target][1]
    if precision not in TARGETS[target][2]:
        able = ", ".join(TARGETS[target][2])
        raise OptionError(f"{target} has no precision {precision!r}; there are: {able}")
    given = {n: v for n, v in asked.items() if v is not None and v is not False}
    for name in given:
        if name not in (*OPTIONS_OF[target], "dynamic_batch"):  # refused by _check_batch
            raise OptionError(f"{shell(name)} has no meaning for {target}; leave it out")
    oldest = 17 if precision == "int8" and target == "coreml" else 16
    options = Options(precision, **{"min_ios": oldest, **given})
    if "alpha_bits" in given and options.io != "image":
        raise OptionError("--alpha-bits is of the alpha picture: give --io image with it")
    if options.alpha_bits == 16 and options.min_ios < 16:
        raise OptionError("--alpha-bits 16 needs --min-ios 16 or later, or leave it out")
    return options


def check_quantizing(target: str, precision: str, asked: Mapping[str, Any]) -> None:
    """Refuse options of INT8 where they mean nothing, and values that they cannot have.

    Args:
        target: a key of ``TARGETS``.
        precision: one of the target's.
        asked: options by name; None for those that were not given.

    Raises:
        OptionError: naming the first of them.
    """
    given = {name: value for name, value in asked.items() if value is not None}
    for name in given:
        if precision in FLOATS:
            raise OptionError(
                f"{shell(name)} is for quantized precisions, not for {precision}; leave it out"
            )
    check_options(**{name: value for name, value in given.items() if name != "calibration"})
    if "range_method" in given and precision != "int8":
        raise OptionError(
            f"--range-method is of activations, which {precision} leaves in float; leave it out"
        )
    if target == "openvino" and given.get("range_method") == "entropy":
        raise OptionError("openvino's quantizer has no entropy ranges; minmax or percentile")


def check_weights(
    model: object,
    weights: object,
    config: object,
    seed: int | None,
    *,
    random_weights: bool,
    drawn: bool,
) -> None:
    """Refuse what contradicts where the weights come from.

    Args:
        model: a name, or a module, which brings its weights.
        weights: a checkpoint, or None.
        config: options of a model with random weights, or None.
        seed: what was asked for, or None.
        random_weights: whether they were asked for.
        drawn: whether anything is drawn by the seed.

    Raises:
        OptionError: two sources of weights, or an option of another source.
    """
    if isinstance(model, nn.Module) and (weights is not None or random_weights):
        raise OptionError("a module brings its weights: give its name instead, or no weights")
    if weights is not None and random_weights:
        raise OptionError("--weights and --random-weights exclude each other")
    if config is not None and not random_weights:
        raise OptionError(
            "config is of random weights; a checkpoint has its own beside it, a module in itself"
        )
    check_options(seed=seed)
    if seed is not None and not drawn:
        raise OptionError(
            "--seed is of --random-weights and of calibration pictures: nothing is drawn here"
        )


def shell(name: str) -> str:
    """How the command line spells an option."""
    return f"--{name.removesuffix('_px').replace('_', '-')}"


def resolve(
    chosen: Family,
    target: str,
    options: Options,
    frames: Frames,
    cut: str | None,
    sizes: dict[str, int | None],
    output: Path | None,
) -> Request:
    """Check what was asked for and fill in what was not.

    Raises:
        OptionError: in one sentence, with what there is instead.
    """
    module = importlib.import_module(chosen.cut_module)
    cut = cut or module.CUTS[0]
    if cut not in module.CUTS:
        raise OptionError(f"{chosen.name} has no cut {cut!r}; there are: {', '.join(module.CUTS)}")
    given = {name: value for name, value in sizes.items() if value is not None}
    unused = getattr(module, "UNUSED", {}).get(cut, ())
    for name in (*given, *(("size",) if frames.given else ())):
        if name in unused or (name != "size" and name not in module.SIZES):
            has = [f"--{n}" for n in ("size", *module.SIZES) if n not in unused]
            raise OptionError(
                f"--{name} has no meaning for {chosen.name}'s cut {cut}, which has "
                f"{', '.join(has) or 'no sizes'}; leave it out"
            )
    resolved: dict[str, int] = module.SIZES | given
    check_options(**given)
    if hasattr(module, "check_sizes"):
        module.check_sizes(frames.sizes[-1], given)
    if options.dynamic_batch:
        _check_batch(chosen, target, options, cut, getattr(module, "BATCHED", ()))
    sides = (side for size in frames.sizes for side in size)
    for side in (*sides, *(n for name, n in resolved.items() if name == "patch")):
        check_multiple(side, chosen.multiple)
    default = Path(f"{chosen.name}-{target}-{options.precision}{SUFFIX}")
    return Request(chosen, target, options, frames, cut, resolved, output or default)


def _check_batch(
    chosen: Family, target: str, options: Options, cut: str, batched: tuple[str, ...]
) -> None:
    """Refuse a dynamic batch where nothing would use it.

    Raises:
        OptionError: another target, cut or precision, or graphs for phones.
    """
    if target != "onnx":
        raise OptionError(
            f"--dynamic-batch is for onnx: {target} runs graphs of fixed shapes; leave it out"
        )
    if cut not in batched:
        raise OptionError(
            f"--dynamic-batch has no meaning for {chosen.name}'s cut {cut}, whose host runs one "
            "call after the other; of the nets on tiles, vitmatte has it"
        )
    if options.precision not in FLOATS:
        raise OptionError(f"--dynamic-batch is for {' and '.join(FLOATS)}: not calibrated for INT8")
    if options.ort:
        raise OptionError("--dynamic-batch is for servers and --ort for phones: take one of them")


def check_multiple(side: int, multiple: int) -> None:
    """Refuse a side that the network cannot halve as often as it must.

    Raises:
        OptionError: naming the two nearest sides that fit.
    """
    if side < multiple or side % multiple:
        low = max(side // multiple, 1) * multiple
        raise OptionError(
            f"size {side} is not a multiple of {multiple}; "
            f"the nearest are {low} and {low + multiple}"
        )
