"""Which sizes the graphs of an export have: one size, the picture's own, or several."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from edgematte.errors import OptionError
from edgematte.export.capture import TorchGraph
from edgematte.export.cut import Cut
from edgematte.host import Host, Size, SizedHost, padded
from edgematte.net import Variant
from edgematte.nets import usable_variants
from edgematte.ranges import check_options
from edgematte.runtime.host.sizes import name_at
from edgematte.targets import FLOATS

PICTURE = "picture"
SIZE = 512


@dataclass(frozen=True)
class Frames:
    """Sizes (width, height) of the graphs, smallest first, and how pictures are padded to them."""

    sizes: tuple[Size, ...]
    pad_both: int | None = None

    def host(self, cut: Cut, kind: str, sizes: Any, model: nn.Module) -> Host:
        """The host section of the largest size, which lists all sizes; each size is checked."""
        hosts = [cut.host(kind, size, sizes, model) for size in self.sizes]
        largest = hosts[-1]
        if len(hosts) == 1:
            return largest
        assert isinstance(largest, SizedHost)
        return replace(largest, sizes=self.sizes, pad_both=self.pad_both)


def frames_for(
    chosen: Variant,
    size: int | Size | str | None,
    sizes: Sequence[Size] | None,
    padding: str | None,
    picture: NDArray[np.uint8] | None,
    precision: str,
) -> Frames:
    """Check the sizes that were asked for and resolve them.

    Args:
        chosen: the model's variant.
        size: side, (width, height), ``"picture"``, or None for the default, 512.
        sizes: several (width, height) instead.
        padding: ``minimal``, the default, or ``authors``: see :func:`edgematte.host.padded`.
        picture: uint8 (H, W, 3), whose size is meant by a ``size`` of ``"picture"``.
        precision: the precision of the export.

    Raises:
        OptionError: the net, the sizes or the precision do not go together.
    """
    check_options(padding=padding)
    if size is not None and sizes is not None:
        raise OptionError("size and sizes exclude each other: leave one out")
    if size == PICTURE or sizes is not None:
        _check_pads(chosen, "sizes" if size is None else "size picture")
    elif padding is not None:
        raise OptionError(
            f"padding {padding} chooses among sizes, or with size picture the graph's size: "
            "give either, or leave it out"
        )
    authors = padding == "authors"
    if size == PICTURE:
        if picture is None:
            raise OptionError("size picture takes the size of the picture to check with: give one")
        shown = picture.shape[1], picture.shape[0]
        return Frames((padded(shown, chosen.multiple, authors=authors),))
    if sizes is None:
        if isinstance(size, str):
            raise OptionError(f"unknown size {size!r}: a number, (width, height), or 'picture'")
        one = (size, size) if isinstance(size, int) else size or (SIZE, SIZE)
        for side in one:
            check_options(size=side)
        return Frames((one,))
    for side in (side for one in sizes for side in one):
        check_options(sizes=side)
    ascending = sorted(set(sizes), key=lambda s: (s[0] * s[1], s))
    if not ascending:
        raise OptionError("sizes names no size: give some, such as 512x512,1024x768")
    if len(ascending) > 1 and precision not in FLOATS:
        raise OptionError(
            f"sizes is for {' and '.join(FLOATS)}: a graph that calibration pictures do not "
            "reach has no ranges; for INT8 export a bundle for each size"
        )
    return Frames(tuple(ascending), chosen.multiple if authors else None)


def _check_pads(chosen: Variant, option: str) -> None:
    able = [v.name for v in usable_variants().values() if v.net.pads]
    if not chosen.net.pads:
        raise OptionError(
            f"{option} has no meaning for {chosen.name}, which does not pad the whole picture to "
            f"its graphs; of the nets {', '.join(able)} do"
        )


def sized_graphs(cut: Cut, model: nn.Module, host: Host) -> list[TorchGraph]:
    """The modules to capture for all sizes; a graph that is the same in every size appears once."""
    if not isinstance(host, SizedHost) or host.sizes is None:
        return cut.graphs(model, host)
    by_size = {size: cut.graphs(model, host.at(size)) for size in host.sizes}
    merged: list[TorchGraph] = []
    for versions in zip(*by_size.values(), strict=True):
        if all(v.graph == versions[0].graph for v in versions):
            merged.append(versions[0])
            continue
        for size, version in zip(by_size, versions, strict=True):
            graph = replace(version.graph, name=name_at(version.graph.name, size))
            merged.append(replace(version, graph=graph))
    return merged
