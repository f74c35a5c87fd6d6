"""What the host side of ViTMatte has to know, and what it may be told."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from edgematte.errors import BundleError
from edgematte.host import Size, SizedHost
from edgematte.options import option
from edgematte.ranges import SIDE, Range


@dataclass(frozen=True, kw_only=True)
class TilesHost(SizedHost):
    """Overlapping tiles of the picture; ``size`` is that of a tile."""

    KIND: ClassVar[str] = "tiles"

    overlap: int  # that neighbouring tiles share at least, px
    padding: tuple[float, float, float]  # RGB in [0, 1] around pictures below a tile's size
    lattice: int | None = None  # step of grid sampling in global attention; None: not sampled
    keep_known: bool = True  # known pixels are the trimap's 0 and 1; else the net's

    def __post_init__(self) -> None:
        """Check the values."""
        super().__post_init__()
        if not 0 <= self.overlap < min(self.size):
            raise BundleError(
                f"overlap {self.overlap}: it should be less than the tile, {list(self.size)}"
            )

    def at(self, size: Size) -> Self:
        """See :class:`SizedHost`; tiles of a smaller size share less."""
        shared = min(self.overlap, min(size) // 2)
        return replace(super().at(size), overlap=shared)


@dataclass(frozen=True)
class Options:
    """What `load` may be told."""

    keep_known: bool | None = option(
        None,
        help="known pixels are the trimap's 0 and 1 (the default); without it the net's own values",
    )


@dataclass(frozen=True)
class Sizes:
    """What an export may be told of the graphs' sizes."""

    overlap: int | None = option(
        None, help="pixels that tiles share, at most half a tile (default: 128)", range=SIDE
    )
    lattice: int = option(
        1, help="step of grid sampling in global attention, for less memory", range=Range(1, 64)
    )
