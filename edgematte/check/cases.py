"""Cases for ports of the host side: the bundle's records, and made pictures that test more.

The check's picture may be smaller than the graphs, so that nothing is ever reduced. The made cases
are a picture larger than the graphs on both axes, one smaller than a patch, both of odd sides, and
one with a trimap that the caller gives; what the host steps give for them is computed here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgematte.arrays import Bytes, Floats
from edgematte.builtin import IMPORTED
from edgematte.host import Host, Size, StageHost
from edgematte.manifest import STAGE, Manifest
from edgematte.net import load_part
from edgematte.nets import find
from edgematte.runtime.host.stage_steps import STAGE_STEPS
from edgematte.runtime.host.steps import Arrays, HostStep, run_steps, steps_of
from edgematte.runtime.proof.goldens import Goldens, fitting
from edgematte.testcard import testcard, testcard_trimap

LARGER_PX = (133, 67)
"""How far the larger picture reaches beyond the graphs' size."""
SMALL: Size = (97, 61)
OF_PICTURE = ("picture", "size", "trimap")


@dataclass(frozen=True)
class Ran:
    """One host step of a case, with its arrays as the step takes and gives them."""

    part: str  # host, or trimap_stage
    step: HostStep
    reads: Arrays
    gives: Arrays
    sampled: bool  # whether only the recorded part of what it gives is here


@dataclass(frozen=True)
class Case:
    """One picture, with the trimap that the caller gives if any, and the host steps."""

    name: str
    about: str
    picture: Bytes
    trimap: Bytes | None
    steps: tuple[Ran, ...]


def cases_of(manifest: Manifest, goldens: Goldens) -> list[Case]:
    """The recorded case, then the made ones."""
    net = find(manifest.model).net
    steps = steps_of(load_part(net.steps), manifest.host)
    stage = manifest.trimap_stage
    needs = net.needs_trimap and stage is None
    optional = stage is not None or any(step.absent for step in steps)
    larger = tuple(
        (side + more) | 1 for side, more in zip(manifest.host.size, LARGER_PX, strict=True)
    )
    about = "the check's picture, with what PyTorch's graphs gave"
    if net.imported:
        about = "the check's picture, with what the file gave"
    cases = [
        Case(
            "recorded",
            about,
            goldens.picture,
            goldens.trimap if needs else None,
            tuple(_recorded(step, goldens) for step in steps),
        )
    ]
    made: list[tuple[str, str, Size, bool]] = [
        ("larger", "a picture larger than the graphs on both axes", (larger[0], larger[1]), needs),
        ("small", "a picture smaller than the graphs", SMALL, needs),
    ]
    if optional:
        made.append(("given", "a trimap that the caller gives", (larger[0], larger[1]), True))
    for name, about, size, gives in made:
        picture, trimap = testcard(*size), testcard_trimap(*size)
        with fitting("the host steps of a made picture"):
            ran = _made(steps, manifest.host, goldens, picture, trimap, optional and gives)
        if stage is not None and not gives:
            ran += _staged(manifest, stage, picture)
        cases.append(Case(name, about, picture, trimap if gives else None, tuple(ran)))
    return cases


def _recorded(step: HostStep, goldens: Goldens) -> Ran:
    pool = goldens.host
    with fitting(f"the host step {step.name}"):
        reads = {a.name: a.taken(pool[a.name]) for a in step.reads}
        gives = {a.name: a.taken(pool[a.name]) for a in step.gives}
    return Ran("host", step, reads, gives, sampled=True)


def _made(
    steps: Sequence[HostStep],
    host: Host,
    goldens: Goldens,
    picture: Bytes,
    trimap: Bytes,
    given: bool,
) -> list[Ran]:
    """The steps on a made picture, with the recorded arrays that graphs gave.

    ``given``: the trimap is one that the caller gives in place of the net's own.
    """
    own = {array.name for step in steps for array in step.gives}
    absent = {name for step in steps for name in step.absent} if given else set()
    pool: Arrays = {"picture": picture, "size": np.array(picture.shape[1::-1], np.int32)}
    if given or "trimap" not in own:
        pool["trimap"] = trimap
    for step in steps:
        for array in step.reads:
            if array.name in {*own, *absent, *OF_PICTURE} or array.made is not None:
                continue
            pool[array.name] = goldens.host[array.name]
    able = _able(steps, pool)
    return _run(able, host, pool, "host")


def _able(steps: Sequence[HostStep], pool: Arrays) -> list[HostStep]:
    """Those steps whose arrays are there: where the caller gives the trimap none is estimated."""
    able, there = [], dict(pool)
    for step in steps:
        if step.can_run(there):
            able.append(step)
            there |= {array.name: np.empty(0) for array in step.gives}
    return able


def _staged(manifest: Manifest, stage: Host, picture: Bytes) -> list[Ran]:
    """The steps of the trimap stage on a made picture; what its graph gives is made up."""
    pool: Arrays = {"picture": picture, "size": np.array(picture.shape[1::-1], np.int32)}
    steps: Sequence[HostStep] = STAGE_STEPS
    if not isinstance(stage, StageHost):
        net = next(net for net in IMPORTED if stage.cut in net.hosts)
        steps = steps_of(load_part(net.steps), stage)
        own = {array.name for step in steps for array in step.gives}
        (answer,) = {a.name for step in steps for a in step.reads} - own - {*OF_PICTURE}
        pool[answer] = _blob(manifest.graph(STAGE).outputs[0].shape)
    return _run(steps, stage, pool, STAGE)


def _blob(shape: tuple[int, ...]) -> Floats:
    """A made-up answer of a graph: a soft disk in the two longest axes."""
    first, second = sorted(np.argsort(shape, kind="stable")[-2:])
    places = np.indices(shape)
    apart = np.hypot(
        places[first] / shape[first] - 0.5, places[second] / shape[second] - 0.5, dtype=np.float64
    )
    disk: Floats = np.clip(4.5 - 12 * apart, 0, 1).astype(np.float32)
    return disk


def _run(steps: Sequence[HostStep], host: Any, pool: Arrays, part: str) -> list[Ran]:
    ran = []
    for step, results in run_steps(steps, host, pool):
        reads = {a.name: a.taken(pool[a.name]) for a in step.reads if a.name in pool}
        ran.append(Ran(part, step, reads, results, sampled=False))
    return ran
