"""Bundles whose graphs come in several sizes: which of them a picture gets."""

from collections.abc import Mapping
from dataclasses import replace

from edgematte.errors import BundleError
from edgematte.manifest import Host
from edgematte.runtime.graph import GraphCall

Size = tuple[int, int]  # width, height


def padded(picture: Size, multiple: int, *, authors: bool = False) -> Size:
    """A picture's size with both sides raised to multiples.

    ``authors``: as the published code of ViTMatte and DiffMatte has it. Where one side is no
    multiple both grow to the next larger one, so that a side that is one already gains a whole
    ``multiple``.
    """
    width, height = picture
    if authors and (width % multiple or height % multiple):
        return width + multiple - width % multiple, height + multiple - height % multiple
    return -(-width // multiple) * multiple, -(-height // multiple) * multiple


def sizes_of(host: Host) -> tuple[Size, ...]:
    """The sizes that a bundle has graphs of, the smallest first."""
    return host.sizes or (host.size,)


def size_for(host: Host, picture: Size) -> Size:
    """The smallest that holds a picture of this size as it is padded; the largest if none does."""
    needed = padded(picture, host.pad_both, authors=True) if host.pad_both else picture
    able = (s for s in sizes_of(host) if s[0] >= needed[0] and s[1] >= needed[1])
    return next(able, host.size)


def host_at(host: Host, size: Size) -> Host:
    """The parameters of the graphs of one size, as if the bundle had no others."""
    half = min(size) // 2
    shared = None if host.overlap is None else min(host.overlap, half)
    context = None if host.context is None else min(host.context, half)
    return replace(host, size=size, sizes=None, pad_both=None, overlap=shared, context=context)


def host_for(host: Host, picture: Size) -> Host:
    """The parameters of the graphs that a picture of this size gets."""
    return host_at(host, size_for(host, picture))


def name_at(name: str, size: Size) -> str:
    """What a graph is called in a bundle where every size has one of its own."""
    return f"{name}_{size[0]}x{size[1]}"


def graph_at(graphs: Mapping[str, GraphCall], name: str, size: Size, cut: str) -> GraphCall:
    """The graph of a size, or the one that serves all sizes.

    Raises:
        BundleError: there is neither.
    """
    found = graphs.get(name_at(name, size), graphs.get(name))
    if found is None:
        raise BundleError(f"the {cut} cut needs a graph {name!r}; the bundle has none")
    return found


def check_sizes(host: Host) -> None:
    """Refuse sizes that no export writes.

    Raises:
        BundleError: saying what is wrong with them.
    """
    if host.pad_both is not None and host.pad_both < 1:
        raise BundleError(f"pad_both {host.pad_both}: at least 1")
    if host.sizes is None:
        return
    areas = [width * height for width, height in host.sizes]
    if not areas or host.sizes[-1] != host.size or areas != sorted(areas):
        raise BundleError("sizes should go from the smallest to the largest, which is size")
