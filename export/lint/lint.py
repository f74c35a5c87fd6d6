"""Running the rules on a bundle whose files are written."""

from collections.abc import Mapping
from pathlib import Path

from edgematte.export.lint.seen import Seen
from edgematte.export.lint.values import half_range, out_of_range
from edgematte.finding import Finding
from edgematte.manifest import Manifest
from edgematte.net import load_part
from edgematte.targets import find_target


def linted(folder: Path, manifest: Manifest, seen: Mapping[str, Seen]) -> tuple[Finding, ...]:
    """The findings on all graphs, those on values first.

    Args:
        folder: the bundle.
        manifest: its manifest, which names the files.
        seen: by graph, what a reference computes; rules on values pass over graphs without.
    """
    rules = load_part(find_target(manifest.target).lint)
    found: list[Finding] = []
    for graph in manifest.graphs:
        own = seen.get(graph.name)
        if own is not None:
            found += [*half_range(graph, own, manifest), *out_of_range(graph, own)]
        found += rules(folder / graph.file, graph, manifest, own)
    return tuple(found)
