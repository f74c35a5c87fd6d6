"""``edgematte models``."""

import argparse
import dataclasses
from typing import Any

from edgematte.cli.arguments import add_json, print_json
from edgematte.net import OWN, Variant
from edgematte.nets import variants
from edgematte.published import COUNTS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print every model, its configurations and their sizes beside the published ones."""
    if arguments.json:
        print_json([_row(variant) for variant in variants().values()])
        return 0
    for name, variant in variants().items():
        shipped = "weights shipped" if variant.weights else "no weights shipped: give --weights"
        package = "" if variant.net.package == OWN else f"; of the package {variant.net.package}"
        print(f"{name}: {variant.paper}; {shipped}{package}")
        if name not in COUNTS:
            continue
        head = ("parameters", "published", "GMAC", "published")
        print(f"  {'options':<16}" + "".join(f"{h:>12}" for h in head) + "  of")
        for c in COUNTS[name]:
            of = f"{c.what} ({c.apart})" if c.apart else c.what
            options = " ".join(f"{k}={v}" for k, v in c.config.items())
            print(
                f"  {options:<16}{c.parameters:>12,}{c.published_parameters:>12}"
                f"{c.macs_g:>12.3f}{c.published_macs_g:>12}  {of}"
            )
    return 0


def _row(variant: Variant) -> dict[str, Any]:
    net = variant.net
    return {
        "name": variant.name,
        "net": net.name,
        "paper": variant.paper,
        "package": net.package,
        "cuts": list(net.hosts),
        "needs_trimap": net.needs_trimap,
        "multiple": variant.multiple,
        "config": {name: int(value) for name, value in variant.config.items()},
        "weights": variant.weights,
        "counts": [dataclasses.asdict(count) for count in COUNTS.get(variant.name, ())],
    }
