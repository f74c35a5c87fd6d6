"""Names of graphs in a bundle that holds them in several sizes."""

from collections.abc import Mapping

from edgematte.errors import BundleError
from edgematte.host import Size
from edgematte.runtime.engines.graph import GraphCall


def name_at(name: str, size: Size) -> str:
    """The name of a graph in a bundle where each size has a graph of its own."""
    return f"{name}_{size[0]}x{size[1]}"


def graph_at(graphs: Mapping[str, GraphCall], name: str, size: Size, cut: str) -> GraphCall:
    """The graph for a size, or the one graph that serves all sizes.

    Raises:
        BundleError: there is neither.
    """
    graph = graphs.get(name_at(name, size), graphs.get(name))
    if graph is None:
        raise BundleError(f"the {cut} cut needs a graph {name!r}; the bundle has none")
    return graph
