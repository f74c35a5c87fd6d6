"""Sections of REPORT.md that need the target's engine: speed, and the net's own section."""

import statistics

from torch import nn

from edgematte.check.goldens import Goldens
from edgematte.errors import EngineError
from edgematte.export.cut import Cut
from edgematte.runtime.bundle import Bundle
from edgematte.runtime.engines import engine_for
from edgematte.runtime.load import matter_from


def sections(bundle: Bundle, goldens: Goldens, cut: Cut, network: nn.Module) -> list[str]:
    """The sections as Markdown lines."""
    try:
        matter = matter_from(bundle, engine_for(bundle.manifest.target))
    except EngineError as error:
        return ["## Speed", "", f"Not measured here: {error}.", ""]
    picture = goldens.picture
    given = matter.variant.net.needs_trimap and bundle.manifest.trimap_stage is None
    trimap = goldens.trimap if given else None
    runs = [matter(picture, trimap).timings for _ in range(6)][1:]
    size = f"{picture.shape[1]}x{picture.shape[0]}"
    lines = ["## Speed", "", f"Engine {matter.engine}, picture {size}, 5 runs.", ""]
    lines += ["| stage | median ms |", "|---|---|"]
    for stage in runs[0]:
        lines.append(f"| {stage} | {1000 * statistics.median(r[stage] for r in runs):.1f} |")
    own = cut.report(network, bundle.manifest.host, matter, picture, goldens.trimap)
    return [*lines, *(["", *own] if own else []), ""]
