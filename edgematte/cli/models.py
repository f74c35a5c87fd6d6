"""``edgematte models``."""

import argparse
import dataclasses

from edgematte.cli.arguments import add_json, print_json
from edgematte.registry import FAMILIES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print every model, its configurations and their sizes beside the published ones."""
    if arguments.json:
        print_json([dataclasses.asdict(f) for f in FAMILIES.values()])
        return 0
    for family in FAMILIES.values():
        shipped = "weights shipped" if family.weights else "no weights shipped: give --weights"
        print(f"{family.name}: {family.paper}; {shipped}")
        if not family.counts:
            continue
        head = ("parameters", "published", "GMAC", "published")
        print(f"  {'options':<16}" + "".join(f"{h:>12}" for h in head) + "  of")
        for c in family.counts:
            of = f"{c.what} ({c.apart})" if c.apart else c.what
            options = " ".join(f"{k}={v}" for k, v in c.config.items())
            print(
                f"  {options:<16}{c.parameters:>12,}{c.published_parameters:>12}"
                f"{c.macs_g:>12.3f}{c.published_macs_g:>12}  {of}"
            )
    return 0
