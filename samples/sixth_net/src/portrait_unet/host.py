"""What the host side has to know, and what `edgematte export` and `load` may be told."""

from dataclasses import dataclass
from typing import ClassVar

from edgematte.errors import BundleError
from edgematte.host import Host
from edgematte.options import option
from edgematte.ranges import Range

EDGE_PX = 8


@dataclass(frozen=True, kw_only=True)
class FusedHost(Host):
    """One graph on the reduced picture with a border around it."""

    KIND: ClassVar[str] = "fused"

    edge_px: int = EDGE_PX  # of the graph's picture, each side: repeats the picture's border

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            BundleError: a border that leaves no picture.
        """
        super().__post_init__()
        if not 0 <= 2 * self.edge_px < min(self.size):
            raise BundleError(
                f"edge_px {self.edge_px}: from 0 to less than half of the sides {list(self.size)}"
            )

    @property
    def inner(self) -> tuple[int, int]:
        """(width, height) of the reduced picture without its border."""
        return self.size[0] - 2 * self.edge_px, self.size[1] - 2 * self.edge_px


@dataclass(frozen=True)
class Sizes:
    """What an export may be told."""

    edge_px: int = option(
        EDGE_PX,
        help="border around the reduced picture that is cut off again: convolutions pad with zeros "
        "and err there",
        range=Range(0, 256, "pixels"),
    )


@dataclass(frozen=True)
class LoadOptions:
    """What a loaded bundle may be told."""

    sharpen: float = option(
        1.0,
        help="contrast of alpha around one half: above 1 edges are harder, below 1 softer",
        range=Range(0.1, 10, whole=False),
    )
