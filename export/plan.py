"""The options of an export, checked and completed before anything heavy starts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgematte.errors import OptionError
from edgematte.export.cut import Cut
from edgematte.export.frames import Frames, frames_for
from edgematte.export.imported_stage import ImportedStage
from edgematte.net import Variant, load_part
from edgematte.nets import variants
from edgematte.options import declared, read
from edgematte.ranges import check_options
from edgematte.targets import FLOATS, Target, TargetOptions, find_precision, find_target

SUFFIX = ".edgematte"


@dataclass(frozen=True)
class Plan:
    """An export with all its options resolved and valid."""

    variant: Variant
    target: Target
    options: TargetOptions
    frames: Frames
    kind: str  # the kind of cut
    sizes: Any  # an instance of the net's `sizes` options, or None
    cascade: Variant | ImportedStage | None  # whose trimap stage goes into the bundle
    band_px: int | None  # how far that stage grows the unknown region
    unknown_threshold: float | None  # of that stage
    output: Path

    @property
    def cut(self) -> Cut:
        """The torch side of the net."""
        cut: Cut = load_part(self.variant.net.cut)
        return cut

    @property
    def quantized(self) -> bool:
        """Whether weights or activations become integers."""
        return self.options.precision not in FLOATS


def plan(
    variant: Variant,
    target: str,
    precision: str | None,
    *,
    size: int | tuple[int, int] | str | None = None,
    sizes: Sequence[tuple[int, int]] | None = None,
    padding: str | None = None,
    cut: str | None = None,
    cascade: Variant | ImportedStage | None = None,
    band_px: int | None = None,
    unknown_threshold: float | None = None,
    output: Path | None = None,
    picture: NDArray[np.uint8] | None = None,
    given: dict[str, Any] | None = None,
) -> Plan:
    """Check the options that were given and fill in the others.

    Args:
        variant: the variant of the net.
        target: the name of the target.
        precision: the name of the precision; by default the target's.
        size: side, (width, height), or ``"picture"``.
        sizes: several (width, height) instead.
        padding: ``minimal`` or ``authors``.
        cut: the kind of cut; by default the net's first.
        cascade: the net whose trimap stage goes into the bundle, or an imported one.
        band_px: how far that stage grows the unknown region.
        unknown_threshold: the probability from which that stage calls a pixel unknown.
        output: folder of the bundle.
        picture: uint8 (H, W, 3), to check with.
        given: options of the target and of the net's graphs, by name.

    Raises:
        OptionError: an option has a value that it cannot have; the message says which it can.
    """
    chosen, net = find_target(target), variant.net
    if net.imported:
        raise OptionError(
            f"{variant.name} is what imported bundles are of, and has no network to export: import "
            "the ONNX file again"
        )
    precision = find_precision(chosen, precision)
    kind = cut or next(iter(net.hosts))
    if kind not in net.hosts:
        raise OptionError(f"{variant.name} has no cut {kind!r}; there are: {', '.join(net.hosts)}")
    made: Cut = load_part(net.cut)
    frames = frames_for(variant, size, sizes, padding, picture, precision)
    if not made.sized and (size is not None or sizes is not None):
        raise OptionError(f"size has no meaning for {variant.name}, whose graphs see patches")
    options, own = _split(variant, chosen, kind, precision, given or {})
    _check_cascade(variant, cascade, band_px, unknown_threshold)
    if isinstance(cascade, ImportedStage):
        cascade.refuse(chosen, options)
    if getattr(options, "dynamic_batch", False):
        _check_batch(variant, options, kind, made.batched)
    sides = [side for one in frames.sizes for side in one]
    for side in (*sides, *([own.patch] if hasattr(own, "patch") else [])):
        check_multiple(side, variant.multiple)
    for one in frames.sizes:
        made.refuse(kind, one, own)
    default = Path(f"{variant.name}-{target}-{precision}{SUFFIX}")
    return Plan(
        variant, chosen, options, frames, kind, own, cascade, band_px, unknown_threshold,
        output or default,
    )  # fmt: skip


def _split(
    variant: Variant, target: Target, kind: str, precision: str, given: dict[str, Any]
) -> tuple[TargetOptions, Any]:
    """Split given options into those of the target and those of the net's graphs.

    Raises:
        OptionError: neither has an option that was given.
    """
    given = {name: value for name, value in given.items() if value is not None}
    of_target = [row.name for row in declared(target.options)]
    sizes = load_part(variant.net.sizes) if variant.net.sizes else None
    rows = declared(sizes) if sizes is not None else ()
    of_net = {row.name: row for row in rows}
    for name in given:
        if name in of_target:
            continue
        if name not in of_net:
            raise OptionError(
                f"{name} has no meaning for {variant.name} to {target.name}; there are: "
                + (", ".join((*of_target, *of_net)) or "no options")
            )
        if of_net[name].cuts and kind not in of_net[name].cuts:
            raise OptionError(
                f"{name} has no meaning for the cut {kind} of {variant.name}: it is of "
                f"{' and '.join(of_net[name].cuts)}"
            )
    first = {name: value for name, value in given.items() if name in of_target}
    own = {name: value for name, value in given.items() if name not in of_target}
    options = read(target.options, first, f"target {target.name}", precision=precision)
    return options, None if sizes is None else read(sizes, own, variant.name)


def _check_cascade(
    variant: Variant,
    cascade: Variant | ImportedStage | None,
    band_px: int | None,
    unknown_threshold: float | None,
) -> None:
    if cascade is None:
        for name, value in (("band_px", band_px), ("unknown_threshold", unknown_threshold)):
            if value is not None:
                raise OptionError(f"{name} is of the trimap stage: give a cascade too")
        return
    if not variant.net.needs_trimap:
        raise OptionError(f"{variant.name} finds its trimap itself: it takes no cascade")
    if not isinstance(cascade, ImportedStage) and not cascade.estimates:
        able = ", ".join(name for name, one in variants().items() if one.estimates)
        raise OptionError(
            f"cascade: {cascade.name} cannot estimate trimaps for another net; there is: {able}, "
            "and the path of an imported bundle"
        )
    if isinstance(cascade, ImportedStage) and unknown_threshold is not None:
        raise OptionError("unknown_threshold has no meaning for an imported net as cascade")
    check_options(band_px=band_px, unknown_threshold=unknown_threshold)


def _check_batch(
    variant: Variant, options: TargetOptions, kind: str, batched: tuple[str, ...]
) -> None:
    """Refuse a dynamic batch where nothing would use it.

    Raises:
        OptionError: the cut or the precision has none, or the graphs are for phones.
    """
    if kind not in batched:
        raise OptionError(
            f"a dynamic batch has no meaning for {variant.name}'s cut {kind}, whose host runs one "
            "call after the other; nets on independent tiles have it"
        )
    if options.precision not in FLOATS:
        raise OptionError(f"a dynamic batch is for {' and '.join(FLOATS)}: not calibrated for INT8")
    if getattr(options, "ort", False):
        raise OptionError("a dynamic batch is for servers and ort for phones: take one of them")


def check_multiple(side: int, multiple: int) -> None:
    """Refuse a side that is no multiple of what the network halves.

    Raises:
        OptionError: it is none; the message names the two nearest sides that fit.
    """
    if side < multiple or side % multiple:
        low = max(side // multiple, 1) * multiple
        raise OptionError(
            f"size {side} is not a multiple of {multiple}; "
            f"the nearest are {low} and {low + multiple}"
        )
