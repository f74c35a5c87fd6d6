"""What an export is asked for: options checked before anything heavy starts."""

import importlib
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from edgematte.errors import OptionError
from edgematte.export.frames import Frames
from edgematte.export.targets import FLOATS, TARGETS, Options
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


def options_for(
    target: str,
    precision: str | None,
    opset: int,
    min_ios: int | None,
    io: str,
    alpha_bits: int,
    ort: bool,
    dynamic_batch: bool = False,
) -> Options:
    """A target's options with its defaults: its own precision, and the iOS the precision needs."""
    chosen = precision or (TARGETS[target][1] if target in TARGETS else "")
    oldest = 17 if chosen == "int8" and target == "coreml" else 16
    return Options(chosen, opset, min_ios or oldest, io, alpha_bits, ort, dynamic_batch)


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
    if target not in TARGETS:
        raise OptionError(f"unknown target {target!r}; there are: {', '.join(TARGETS)}")
    if options.precision not in TARGETS[target][2]:
        able = ", ".join(TARGETS[target][2])
        raise OptionError(f"{target} has no precision {options.precision!r}; there are: {able}")
    module = importlib.import_module(chosen.cut_module)
    cut = cut or module.CUTS[0]
    if cut not in module.CUTS:
        raise OptionError(f"{chosen.name} has no cut {cut!r}; there are: {', '.join(module.CUTS)}")
    for name, value in sizes.items():
        if value is not None and name not in module.SIZES:
            raise OptionError(f"--{name} has no meaning for {chosen.name}")
    given = {name: value for name, value in sizes.items() if value is not None}
    resolved: dict[str, int] = module.SIZES | given
    if min(n for name, n in resolved.items() if name != "context") < 1:
        raise OptionError(f"{resolved}: at least 1")
    if resolved.get("context", 0) < 0:
        raise OptionError(f"--context {resolved['context']}: at least 0, for reducing the picture")
    if options.opset < 18:
        raise OptionError(f"--opset {options.opset} is too old: 18 or later")
    for name in ("io", "alpha_bits", "min_ios", "ort"):
        if name not in OPTIONS_OF[target] and getattr(options, name) != getattr(Options(""), name):
            raise OptionError(f"--{name.replace('_', '-')} has no meaning for {target}")
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
