"""How a net is cut into graphs with static shapes: what the exporter asks of it."""

from abc import ABC, abstractmethod
from typing import Any

from numpy.typing import NDArray
from torch import nn

from edgematte.arrays import Bytes, Floats
from edgematte.export.capture import TorchGraph
from edgematte.host import Host
from edgematte.runtime.matter import Matter

Pool = dict[str, NDArray[Any]]


class Cut(ABC):
    """The torch side of a net's export; each net has one instance, which keeps no state.

    In all methods ``kind`` is one of the cuts that the net's descriptor lists, and ``sizes`` an
    instance of its options for an export (None where it declares none).
    """

    sized: bool = True
    """Whether the size of the picture that the first graph sees can be chosen."""
    batched: tuple[str, ...] = ()
    """Kinds whose graphs may have a dynamic batch."""

    def refuse(self, kind: str, size: tuple[int, int], sizes: Any) -> None:  # noqa: B027
        """Refuse sizes that do not go together, before any weights are read.

        Raises:
            OptionError: the sizes do not go together.
        """

    @abstractmethod
    def host(self, kind: str, size: tuple[int, int], sizes: Any, model: nn.Module) -> Host:
        """The host section of a cut.

        Args:
            kind: the kind of cut.
            size: (width, height) of the picture that the first graph sees.
            sizes: options of the graphs' sizes.
            model: the trained network, from which some parameters of the section are read.

        Raises:
            OptionError: this model cannot have such sizes.
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
            reduced: uint8 (h, w, 3), the picture at the host section's size. It is given, because
                torch and Pillow round some bytes differently when they resize; the check of the
                host steps covers resizing.
            trimap: uint8 (H, W), given or estimated.
        """

    @abstractmethod
    def pool(self, picture: Bytes, answer: dict[str, Floats]) -> Pool:
        """Arrays that recorded host steps start from: the picture and the first graph's outputs."""

    def report(
        self, model: nn.Module, host: Any, matter: Matter, picture: Bytes, trimap: Bytes
    ) -> list[str]:
        """Markdown lines that this net adds to ``REPORT.md``."""
        return []
