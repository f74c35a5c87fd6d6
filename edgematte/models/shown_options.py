"""Which constructor options of a net follow from the shapes in a checkpoint, and which do not.

A rule reads shapes by names of this project's layout. If a tensor is missing, its rule gives no
option; loading then reports the missing tensor.
"""

import re
from collections.abc import Callable, Mapping
from math import isqrt
from typing import NamedTuple

Shapes = Mapping[str, tuple[int, ...]]
Options = dict[str, int | None]


class Rules(NamedTuple):
    """The rules of one class of nets."""

    shown: Callable[[Shapes], Options]
    hidden: tuple[str, ...]  # options that change no shape


def shown_options(class_name: str, shapes: Shapes) -> dict[str, int]:
    """Options of a net of this class, as far as the shapes of its tensors show them."""
    options = RULES[class_name].shown(shapes)
    return {name: value for name, value in options.items() if value is not None}


def _side(shapes: Shapes, name: str, axis: int = 0) -> int | None:
    shape = shapes.get(name, ())
    return shape[axis] if axis < len(shape) and shape[axis] > 0 else None


def _share(whole: int | None, part: int | None) -> int | None:
    return whole // part if whole and part and whole % part == 0 else None


def _count(shapes: Shapes, start: str) -> int | None:
    """How many numbered blocks follow ``start``; each of them begins with a norm."""
    pattern = re.compile(re.escape(start) + r"\d+\.norm1\.weight")
    return sum(pattern.fullmatch(name) is not None for name in shapes) or None


def _any(shapes: Shapes, start: str) -> int:
    return int(any(name.startswith(start) for name in shapes))


def _lightweight(shapes: Shapes) -> Options:
    return {
        "cfm": _any(shapes, "sn.cfm."),
        "ena": _any(shapes, "mrn.ena_en4."),
        "sn_width": _side(shapes, "sn.stem.0.weight"),
    }


def _regional(shapes: Shapes) -> Options:
    swin = "coarse_net.encoder"
    width = _side(shapes, f"{swin}.embed.weight")
    rows = _side(shapes, "bias_table")
    return {
        "cra": _any(shapes, "cra."),
        "search_range": rows and (isqrt(rows - 1) + 1) // 2,
        "heads": _side(shapes, "bias_table", 1),
        "width": width,
        "head_width": _share(width, _side(shapes, f"{swin}.stages.0.0.attention.bias_table", 1)),
        "depth3": _count(shapes, f"{swin}.stages.2."),
        "depth4": _count(shapes, f"{swin}.stages.3."),
        "decoder": _side(shapes, "coarse_net.ups.2.weight"),
        "region": _side(shapes, "region_encoder.level8.0.conv.weight"),
        "token": _side(shapes, "cra.enter.weight"),
    }


def _plain_vit(shapes: Shapes, start: str) -> Options:
    """Tables of relative positions have 2 n - 1 rows: n is a window's side, or the grid's."""
    dim, depth = _side(shapes, f"{start}embed.weight"), _count(shapes, f"{start}blocks.")
    positions = _side(shapes, f"{start}position", 1)
    options: Options = {"dim": dim, "depth": depth}
    options["pretrained"] = isqrt(positions - 1) if positions and positions > 1 else None
    name = f"{start}blocks.{{}}.attention.relative_rows"
    options["heads"] = _share(dim, _side(shapes, name.format(0), 1))
    sides = [((_side(shapes, name.format(i)) or 1) + 1) // 2 for i in range(depth or 0)]
    necks = [i for i in range(depth or 0) if _any(shapes, f"{start}blocks.{i}.neck.")]
    group = necks[0] + 1 if necks else _period(sides)
    first = sides[:group]
    if sides and min(sides) > 1:
        options |= {"window": first[0], "grid": first[-1]}
    if len(set(first)) > 1:  # else all may be local or global, or windows as large as the grid
        options["local"] = first.count(first[0])
    return {**options, "conv_neck": int(bool(necks)), "group": group or None}


def _period(sides: list[int]) -> int:
    """The period after which the sides of windows repeat; the number of blocks if they do not."""
    ends = [i for i in range(1, len(sides)) if sides[i] == sides[0] != sides[i - 1]]
    return ends[0] if ends else len(sides)


def _vitmatte(shapes: Shapes) -> Options:
    return {
        **_plain_vit(shapes, "backbone."),
        "detail": _side(shapes, "decoder.stream.0.0.weight"),
        "fusion": _side(shapes, "decoder.fusion.0.0.weight"),
        "hidden": _side(shapes, "decoder.head.0.weight"),
    }


def _hdmatt(shapes: Shapes) -> Options:
    width = _side(shapes, "encoder.conv1.weight")
    gathered = _share(_side(shapes, "decoder.deep.0.0.weight", 1), width)  # in widths
    with_contexts = {2: 1, 6: 2}.get(gathered or 0)
    return {"width": width, "cpc": with_contexts if _any(shapes, "context.") else 0}


def _base(shapes: Shapes) -> Options:
    return {"base": _side(shapes, "decoder.head.0.weight", 1)}


def _diffmatte_vit(shapes: Shapes) -> Options:
    vit = _plain_vit(shapes, "encoder.")
    fixed = ("group", "local", "conv_neck")
    return {**{k: v for k, v in vit.items() if k not in fixed}, **_base(shapes)}


def _diffmatte_res34(shapes: Shapes) -> Options:
    return {"width": _side(shapes, "encoder.stem.6.weight"), **_base(shapes)}


def _diffmatte_swin(shapes: Shapes) -> Options:
    width = _side(shapes, "encoder.embed.weight")
    heads = _side(shapes, "encoder.stages.0.0.attention.bias_table", 1)
    depth3 = _count(shapes, "encoder.stages.2.")
    return {"width": width, "head_width": _share(width, heads), "depth3": depth3, **_base(shapes)}


def _diffmatte_lightweight(shapes: Shapes) -> Options:
    return {"ena": _any(shapes, "encoder.ena_en4."), **_base(shapes)}


RULES = {
    "Lightweight": Rules(_lightweight, ("k",)),
    "Regional": Rules(_regional, ("k", "aliasing", "last_shift")),
    "ViTMatte": Rules(_vitmatte, ()),
    "HDMatt": Rules(_hdmatt, ("k",)),
    "DiffMatteViT": Rules(_diffmatte_vit, ()),
    "DiffMatteRes34": Rules(_diffmatte_res34, ()),
    "DiffMatteSwin": Rules(_diffmatte_swin, ()),
    "DiffMatteLightweight": Rules(_diffmatte_lightweight, ("k",)),
}
"""Class -> its rules. ViTMatte's ``local`` is also hidden if windows are as large as the grid."""
