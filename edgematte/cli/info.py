"""``edgematte info``."""

import argparse
from collections.abc import Mapping

from edgematte.card import lines as card_lines
from edgematte.cli.arguments import add_json, print_json
from edgematte.cli.streams import plain
from edgematte.codec import encode
from edgematte.finding import lines as finding_lines

UNTOLD = ("kind", "resize", "bias_table", "states")
"""Fields of the host section that are told elsewhere, or are no news."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("bundle", nargs="?", help="default: the one that ships with edgematte")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print what the bundle's manifest says, once every file has been verified."""
    from edgematte.nets import find
    from edgematte.runtime.bundle import open_bundle

    bundle = open_bundle(arguments.bundle)
    m = bundle.manifest
    if arguments.json:
        print_json(encode(m))
        return 0
    of = f" of {m.package}" if m.package else ""
    kind = f"{m.model}{of}, {m.target}, {m.precision}, format {m.format}"
    _tell(f"{bundle.shown}: {kind}; files verified")
    _tell(f"weights: {m.weights.source}, sha256 {m.weights.sha256[:16]}")
    for line in card_lines(m.weights.card):
        _tell(line)
    if m.stage_weights is not None:
        _tell(f"trimap stage: {m.stage_weights.source}, sha256 {m.stage_weights.sha256[:16]}")
        for line in card_lines(m.stage_weights.card):
            _tell(f"trimap stage, {line}")
    _tell(f"options: {_pairs(m.config)}; target: {_pairs(m.options)}")
    _tell(f"made with: {_pairs(m.tools)}")
    host = {k: v for k, v in encode(m.host).items() if k not in UNTOLD}
    _tell(f"cut {m.host.cut}; host: {_pairs(host)}")
    for graph in m.graphs:
        _tell(f"graph {graph.name}: {graph.file}, {graph.macs / 1e9:.3f} G multiply-adds")
        for kind, tensors in (("in", graph.inputs), ("out", graph.outputs)):
            for t in tensors:
                low, high = t.range
                _tell(
                    f"  {kind:<4}{t.name:<8}{t.dtype} {t.layout} {graph.shape_of(t)} "
                    f"in [{low:g}, {high:g}]: {t.meaning}"
                )
    reference = find(m.model).net.reference
    for d in m.accuracy.differences:
        if d.equality == "end-to-end":
            apart = f"max {d.max_abs:.1e}, mean {d.mean_abs:.1e}"
            _tell(f"{d.where} against {reference}, {d.engine}: {apart}")
    for r in m.ladder if m.budget is not None else ():
        verdict = "taken" if r.chosen else "inside" if r.inside else "outside"
        _tell(f"INT8 ladder, budget {m.budget:g}: {r.name}: error {r.mad:.4f}, {verdict}")
    for line in finding_lines(m.lint):
        _tell(f"on other devices: {line}")
    for q in m.accuracy.quality:
        _tell(
            f"{q.region}, {q.engine}: SAD {q.sad:.4f} MSE {q.mse:.1e} MAD {q.mad:.1e} "
            f"Grad {q.grad:.4f} Conn {q.conn:.4f}"
        )
    return 0


def _tell(line: str) -> None:
    print(plain(line))


def _pairs(value: Mapping[str, object]) -> str:
    return ", ".join(f"{k} {v}" for k, v in value.items())
