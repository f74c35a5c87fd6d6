"""A look at what a net answers on a picture whose subject is known: is it used as it should be?"""

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import numpy_helper

from edgematte.arrays import Floats
from edgematte.export.foreign.graph import PIXELS
from edgematte.runtime.host.trimap import BACKGROUND, FOREGROUND
from edgematte.runtime.nets.foreign.host import ForeignHost
from edgematte.runtime.nets.foreign.pipeline import subject_share
from edgematte.testcard import testcard_trimap

BEYOND = 0.01  # *chosen*: so far out of [0, 1] may values be without a warning
FLAT = 1e-3  # *chosen*: values closer together than this are the same
TURNED = 0.25  # *chosen*: so much more background than subject looks inverted
PASSING = ("Cast", "Identity", "Pad", "Resize", "Transpose", "Unsqueeze")
FACTORS = ("Mul", "Div")
SHIFTS = ("Sub", "Add", "BatchNormalization")


def warnings_of(host: ForeignHost, answer: Floats, model: onnx.ModelProto) -> list[str]:
    """Sentences on what looks wrong, each with what to do.

    Args:
        host: how the net is used.
        answer: its output for the test card, stretched to its size.
        model: the bundle's graph.
    """
    found = [*_doubled(host, model)]
    share = subject_share(host, answer)[0]
    raw = _channel(host, answer)
    least, most = float(raw.min()), float(raw.max())
    if most - least < FLAT:
        found.append(
            f"the output is {most:.3g} everywhere on the test card: is it another output, channel "
            "or normalisation that the net wants?"
        )
        return found
    if host.activation == "none" and (least < -BEYOND or most > 1 + BEYOND):
        found.append(
            f"the output goes from {least:.3g} to {most:.3g}, and is cut to [0, 1]: if it is of "
            "logits, give a sigmoid; if its values mean nothing by themselves, min-max"
        )
    if host.activation == "sigmoid" and least >= 0 and most <= 1:
        found.append(
            f"the output is in [0, 1] before the sigmoid ({least:.3g} to {most:.3g}): it may have "
            "one already; leave the sigmoid out"
        )
    trimap = testcard_trimap(share.shape[1], share.shape[0])
    subject, ground = (float(share[trimap == v].mean()) for v in (FOREGROUND, BACKGROUND))
    if ground - subject > TURNED:
        found.append(
            f"the output is {subject:.2f} on the test card's subject and {ground:.2f} beside it: "
            "it looks inverted; if it is of the background, invert it"
        )
    return found


def section_of(warnings: Sequence[str]) -> list[str]:
    """The section of REPORT.md on what looks wrong; empty where nothing does."""
    if not warnings:
        return []
    return ["## What looked wrong on the test card", "", *(f"- {one}" for one in warnings), ""]


def _channel(host: ForeignHost, answer: Floats) -> Floats:
    """The subject's channel (h, w) of an output, as it is."""
    if host.answer_layout == "NHW":
        plane: Floats = answer[0]
        return plane
    channel: Floats = answer[0, host.channel]
    return channel


def _doubled(host: ForeignHost, model: onnx.ModelProto) -> list[str]:
    """Whether the graph begins with a normalisation that the host does, too."""
    constants = {w.name: numpy_helper.to_array(w) for w in model.graph.initializer}
    value, factors, shifts = PIXELS, False, False
    while True:
        readers = [node for node in model.graph.node if value in node.input]
        if len(readers) != 1:
            break
        (node,) = readers
        others = [constants.get(name) for name in node.input if name != value]
        if node.op_type in FACTORS and len(others) == 1 and _colours(others[0]):
            numbers = np.abs(np.asarray(others[0], np.float64))
            factors |= bool((numbers < 0.1).all() or (numbers > 10).all())  # of bytes, not of std
            shifts |= not factors
        elif node.op_type in SHIFTS and all(_colours(one) for one in others):
            shifts = True
        elif node.op_type not in PASSING:
            break
        value = node.output[0]
    found = []
    if factors and host.scale != 1:
        found.append(
            f"the graph itself begins with scaling bytes, and the host multiplies them by "
            f"{host.scale:.4g} before: give scale 1"
        )
    if shifts and (any(host.mean) or any(one != 1 for one in host.std)):
        found.append(
            "the graph itself begins with a normalisation, and the host subtracts mean and "
            "divides by std before: give one of the two, mean 0 and std 1"
        )
    return found


def _colours(constant: object) -> bool:
    """Whether it is a constant of one number, or of one a colour."""
    return isinstance(constant, np.ndarray) and constant.size in (1, 3)
