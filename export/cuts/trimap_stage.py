"""The trimap stage of a cascade: the lightweight net's segmentation, in another net's bundle."""

from dataclasses import replace

from edgematte.checkpoint import load_model
from edgematte.errors import OptionError
from edgematte.export.capture import TorchGraph
from edgematte.export.cuts import lightweight
from edgematte.manifest import STAGE, Host
from edgematte.models.lightweight import Lightweight
from edgematte.ranges import check_options
from edgematte.registry import LIGHTWEIGHT, Family
from edgematte.runtime.cascade import stage_host

SIZE = (512, 512)
"""Of the reduced picture the stage sees."""


def stage_for(family: Family, name: str | None, band_px: int | None) -> Host | None:
    """Host parameters of the trimap stage that was asked for; None without one.

    Args:
        family: of the net that is to get its trimaps from the stage.
        name: of the net that estimates: lightweight, or None for no stage.
        band_px: width by which the unknown region grows, pixels of the full picture; by default
            the lightweight net's own.

    Raises:
        OptionError: an unknown stage, or one for a net that takes no trimap.
    """
    if name is None:
        if band_px is not None:
            raise OptionError("--band is of the trimap stage: give --cascade lightweight too")
        return None
    if name != LIGHTWEIGHT.name:
        raise OptionError(f"unknown cascade {name!r}; there is: {LIGHTWEIGHT.name}")
    if not family.needs_trimap:
        raise OptionError(f"{family.name} finds its trimap itself: it takes no --cascade")
    check_options(band_px=band_px)
    host = lightweight.host("split", SIZE, **lightweight.SIZES)
    return stage_host(host, band_px)


def stage_graph(stage: Host) -> TorchGraph:
    """The graph of the stage, with the weights that ship with edgematte."""
    model, _ = load_model(LIGHTWEIGHT)
    assert isinstance(model, Lightweight)
    segment = lightweight.graphs(model, replace(stage, patch=lightweight.SIZES["patch"]))[0]
    return TorchGraph(replace(segment.graph, name=STAGE), segment.module)
