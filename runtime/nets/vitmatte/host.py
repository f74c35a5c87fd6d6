"""ViTMatte's host section, and its options for `load` and `export`."""

from dataclasses import dataclass
from typing import Any, ClassVar

from edgematte.errors import BundleError
from edgematte.host import Size, SizedHost
from edgematte.options import option
from edgematte.ranges import SIDE, Range


@dataclass(frozen=True, kw_only=True)
class TilesHost(SizedHost):
    """Overlapping tiles of the picture; ``size`` is that of a tile."""

    KIND: ClassVar[str] = "tiles"

    overlap: int  # neighbouring tiles share at least so many px
    padding: tuple[float, float, float]  # RGB in [0, 1] around pictures below a tile's size
    lattice: int | None = None  # step of grid sampling in global attention; None: not sampled
    keep_known: bool = True  # known pixels get the trimap's 0 and 1; False: the net's values

    def __post_init__(self) -> None:
        """Check the values."""
        super().__post_init__()
        if not 0 <= self.overlap < min(self.size):
            raise BundleError(
                f"overlap {self.overlap}: it should be less than the tile, {list(self.size)}"
            )

    def shared_at(self, size: Size) -> dict[str, Any]:
        """See :class:`SizedHost`; smaller tiles share fewer pixels, at most half of their side."""
        return {"overlap": min(self.overlap, min(size) // 2)}


@dataclass(frozen=True)
class Options:
    """Options of `load`."""

    keep_known: bool | None = option(
        None,
        help="known pixels are the trimap's 0 and 1 (the default); without it the net's own values",
    )


@dataclass(frozen=True)
class Sizes:
    """Options of an export: sizes of the graphs."""

    overlap: int | None = option(
        None, help="pixels that tiles share, at most half a tile (default: 128)", range=SIDE
    )
    lattice: int = option(
        1, help="step of grid sampling in global attention, for less memory", range=Range(1, 64)
    )
