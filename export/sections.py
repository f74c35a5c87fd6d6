"""Sections of REPORT.md that need the target's engine: speed, and the net's own section."""

from torch import nn

from edgematte.export.cut import Cut
from edgematte.export.speed import speed
from edgematte.runtime.bundle import Bundle
from edgematte.runtime.proof.goldens import Goldens


def sections(bundle: Bundle, goldens: Goldens, cut: Cut, network: nn.Module) -> list[str]:
    """The sections as Markdown lines."""
    matter, lines = speed(bundle, goldens)
    if matter is None:
        return lines
    own = cut.report(network, bundle.manifest.host, matter, goldens.picture, goldens.trimap)
    return [*lines, *([*own, ""] if own else [])]
