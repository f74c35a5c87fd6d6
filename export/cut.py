"""How a net is cut into graphs with static shapes: what the exporter asks of it."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from edgematte.export.capture import TorchGraph
from edgematte.host import Host
from edgematte.runtime.matter import Matter

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Pool = dict[str, NDArray[Any]]


class Cut(ABC):
    """The torch side of a net's export; one instance a net, without state.

    ``kind`` is one of the cuts that the net's descriptor lists, ``sizes`` an instance of its
    options for an export (None where it declares none).
    """

    sized: bool = True
    """Whether the size of the picture that a graph sees can be chosen."""
    batched: tuple[str, ...] = ()
    """Kinds whose graphs may have a dynamic batch."""

    def refuse(self, kind: str, size: tuple[int, int], sizes: Any) -> None:  # noqa: B027
        """Refuse sizes that do not go together, before any weights are read.

        Raises:
            OptionError: in one sentence.
        """

    @abstractmethod
    def host(self, kind: str, size: tuple[int, int], sizes: Any, model: nn.Module) -> Host:
        """The host section of a cut.

        Args:
            kind: of cut.
            size: (width, height) of the picture that the first graph sees.
            sizes: of the graphs.
            model: the trained network; some parameters are its own.

        Raises:
            OptionError: sizes that this model cannot have.
        """

    @abstractmethod
    def graphs(self, model: nn.Module, host: Any) -> list[TorchGraph]:
        """The modules to capture, with their declared inputs and outputs."""

    @abstractmethod
    def reference(
        self, model: nn.Module, host: Any, picture: Bytes, reduced: Bytes, trimap: Bytes
    ) -> Floats:
        """Alpha (H, W) of a picture by PyTorch alone: the training-time forward.

        Args:
            model: the trained network.
            host: the cut's host section.
            picture: uint8 (H, W, 3).
            reduced: uint8 (h, w, 3), the picture at the host section's size. Resizing bytes is
                compared elsewhere, because torch and Pillow round some of them differently.
            trimap: uint8 (H, W), as given or found by the host side.
        """

    @abstractmethod
    def pool(self, picture: Bytes, answer: dict[str, Floats]) -> Pool:
        """What the host steps start from: the picture, and what the first graph answered."""

    def fill(self, name: str, pool: Pool) -> NDArray[Any]:
        """An array that no host step gives: made up, alike for every port.

        Args:
            name: which a host step reads.
            pool: what there is so far.
        """
        raise KeyError(name)

    def report(
        self, model: nn.Module, host: Any, matter: Matter, picture: Bytes, trimap: Bytes
    ) -> list[str]:
        """Markdown lines that this net adds to ``REPORT.md``."""
        return []
