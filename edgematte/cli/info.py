"""``edgematte info``."""

import argparse
from collections.abc import Mapping

from edgematte.card import lines as card_lines
from edgematte.cli.arguments import add_json, print_json
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
    print(f"{bundle.shown}: {kind}; files verified")
    print(f"weights: {m.weights.source}, sha256 {m.weights.sha256[:16]}")
    for line in card_lines(m.weights.card):
        print(line)
    if m.stage_weights is not None:
        print(f"trimap stage: {m.stage_weights.source}, sha256 {m.stage_weights.sha256[:16]}")
        for line in card_lines(m.stage_weights.card):
            print(f"trimap stage, {line}")
    print(f"options: {_pairs(m.config)}; target: {_pairs(m.options)}")
    print(f"made with: {_pairs(m.tools)}")
    host = {k: v for k, v in encode(m.host).items() if k not in UNTOLD}
    print(f"cut {m.host.cut}; host: {_pairs(host)}")
    for graph in m.graphs:
        print(f"graph {graph.name}: {graph.file}, {graph.macs / 1e9:.3f} G multiply-adds")
        for kind, tensors in (("in", graph.inputs), ("out", graph.outputs)):
            for t in tensors:
                low, high = t.range
                print(
                    f"  {kind:<4}{t.name:<8}{t.dtype} {t.layout} {graph.shape_of(t)} "
                    f"in [{low:g}, {high:g}]: {t.meaning}"
                )
    reference = find(m.model).net.reference
    for d in m.accuracy.differences:
        if d.equality == "end-to-end":
            apart = f"max {d.max_abs:.1e}, mean {d.mean_abs:.1e}"
            print(f"{d.where} against {reference}, {d.engine}: {apart}")
    for r in m.ladder:
        verdict = "taken" if r.chosen else "inside" if r.inside else "outside"
        print(f"INT8 ladder, budget {m.budget:g}: {r.name}: error {r.mad:.4f}, {verdict}")
    for line in finding_lines(m.lint):
        print(f"on other devices: {line}")
    for q in m.accuracy.quality:
        print(
            f"{q.region}, {q.engine}: SAD {q.sad:.4f} MSE {q.mse:.1e} MAD {q.mad:.1e} "
            f"Grad {q.grad:.4f} Conn {q.conn:.4f}"
        )
    return 0


def _pairs(value: Mapping[str, object]) -> str:
    return ", ".join(f"{k} {v}" for k, v in value.items())
