"""How a graph takes colours: the order of their channels, and what a byte of a picture becomes.

Pipelines only know pictures as RGB in [0, 1]. Where a bundle's graphs take something else, inputs
are converted here, just before each graph is called, so that no pipeline has to convert them.
"""

import math
from dataclasses import dataclass

import numpy as np

from edgematte.arrays import Floats
from edgematte.errors import BundleError
from edgematte.host import Host
from edgematte.manifest import Graph, Tensor

UNIT = Host.scale
PLAIN = ("image", "region")
"""Inputs whose first three channels are colours of a picture; the fourth of a region is alpha."""
NORMALISED = ("condition",)
"""Inputs whose first three channels are colours normalised by the host: only the order may vary."""


@dataclass(frozen=True)
class Colours:
    """What a graph takes in place of RGB in [0, 1]; ``gain`` is 1 where bytes become byte / 255."""

    order: str = "RGB"
    gain: float = 1.0

    def __call__(self, value: Floats, tensor: Tensor) -> Floats:
        """An input (N, C, H, W) of a pipeline as the graph's ``tensor`` takes it.

        Tensors without colours are returned as they are, and so are all tensors where nothing has
        to be changed; ``value`` is never written to.
        """
        plain = tensor.name in PLAIN
        if not plain and tensor.name not in NORMALISED:
            return value
        # A file that takes bytes is given bytes: it scales them itself.
        gain = self.gain if plain and tensor.range != (0, 255) else 1.0
        if self.order == "RGB" and gain == 1.0:
            return value
        changed = value.copy()
        if self.order == "BGR":
            changed[:, :3] = value[:, 2::-1]
        changed[:, :3] *= np.float32(gain)
        return changed


def colours_of(host: Host) -> Colours:
    """What the graphs of this host section take."""
    gain = host.scale / UNIT
    return Colours(host.channel_order, 1.0 if math.isclose(gain, 1, rel_tol=1e-6) else gain)


def check_colours(host: Host, graphs: tuple[Graph, ...]) -> None:
    """Refuse colours that no graph can be given; called when a bundle is opened.

    Raises:
        BundleError: a scale for a file that takes bytes as they are.
    """
    colours = colours_of(host)
    for graph in graphs:
        for tensor in graph.inputs:
            bytes_in = tensor.name in PLAIN and tensor.range == (0, 255)
            if bytes_in and not (colours.gain == 1.0 or math.isclose(host.scale, 1)):
                raise BundleError(
                    f"scale {host.scale:g}: {tensor.name} of the graph {graph.name} takes bytes, "
                    "0 to 255, for which it is 1, or 1/255 where the file scales them; export again"
                )
