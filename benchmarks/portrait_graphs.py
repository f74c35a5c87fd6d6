"""The regional net's graphs as `portrait.py` measures them: as exported, and as first written."""

from pathlib import Path
from typing import Any

import torch

from edgematte.export.capture import TorchGraph, capture
from edgematte.export.cuts.regional import CUT
from edgematte.export.targets import passes_of, writer_of
from edgematte.manifest import FILE, FORMAT, Graph, Manifest, Weights
from edgematte.models.regional.network import Regional
from edgematte.models.regional.refine import Skips
from edgematte.models.swin import network as swin
from edgematte.runtime.nets.regional.host import RegionsHost
from edgematte.targets import find_target

AUTHORS_MASK = -100.0  # exp of it is a denormal number


class PlainRefine(torch.nn.Module):
    """The refining graph as the paper has it."""

    def __init__(self, model: Regional) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Any, bias: Any, skip8: Any, skip4: Any, skip2: Any) -> Any:
        """As :class:`edgematte.export.cuts.regional.Refine`."""
        return self.model.refine(tokens, bias.permute(0, 3, 1, 2), Skips(skip8, skip4, skip2))


def sources(model: Regional, host: RegionsHost, *, plain: bool) -> list[TorchGraph]:
    """The cut's graphs."""
    found = CUT.graphs(model, host)
    if plain and model.cra is not None:
        found[-1] = TorchGraph(found[-1].graph, PlainRefine(model))
    return found


def written(
    model: Regional, host: RegionsHost, target: str, folder: Path, *, plain: bool
) -> tuple[Graph, ...]:
    """Declarations of the graphs in a folder; they are written unless they lie there already."""
    if (folder / FILE).is_file():
        return Manifest.from_json((folder / FILE).read_text()).graphs
    chosen = find_target(target)
    writer, options = writer_of(chosen), chosen.options("fp32")
    mask, swin.MASKED = swin.MASKED, AUTHORS_MASK if plain else swin.MASKED
    swin.window_mask.cache_clear()
    folder.mkdir(parents=True, exist_ok=True)
    passes = () if plain else passes_of(chosen, options)
    found: list[Graph] = []
    for source in sources(model, host, plain=plain):
        made = capture(source, passes)
        found.append(writer.save(writer.build(made, options), made.graph, folder, "", options))
    swin.MASKED = mask
    swin.window_mask.cache_clear()
    made_of = Weights("benchmark", "")
    manifest = Manifest(FORMAT, "regional", target, "fp32", {}, host, tuple(found), made_of, {})
    (folder / FILE).write_text(manifest.to_json())
    return manifest.graphs
