"""What the host side of DiffMatte has to know, by cut, and what it may be told."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from edgematte.errors import BundleError
from edgematte.host import Size, SizedHost
from edgematte.options import option
from edgematte.ranges import OPTIONS, SEED, SIDE, Range


@dataclass(frozen=True, kw_only=True)
class DiffusionHost(SizedHost):
    """What both cuts share; ``size`` is that of a frame."""

    feature_px: int  # side of a pixel of the encoder's map
    steps: int  # of the diffusion, 1 to 50
    seed: int  # of the diffusion's noise, unsigned 32 bits
    clamp_foreground: bool  # alpha is 1 where the trimap is foreground
    stop_below: float | None = None  # mean change of alpha in the unknown region that ends it
    keep_known: bool | None = None  # known pixels are 0 or 1 as the trimap says; None: as exported
    context: int | None = None  # that frames of a larger picture share, px; None: it is reduced

    def __post_init__(self) -> None:
        """Check the values."""
        super().__post_init__()
        if self.feature_px not in (16, 32):
            raise BundleError(f"feature_px {self.feature_px}: 16 or 32")
        for size in self.all_sizes:
            if any(side % self.feature_px for side in size):
                raise BundleError(f"size {list(size)}: multiples of {self.feature_px}")
        if self.context is not None and not 0 <= self.context < min(self.size):
            raise BundleError(f"context {self.context}: less than the frame, {list(self.size)}")
        if self.steps not in OPTIONS["steps"] or self.seed not in SEED:
            raise BundleError(f"steps {self.steps}, seed {self.seed}: 1 to 50, and 32 bits")
        if self.stop_below is not None and not 0 <= self.stop_below <= 1:
            raise BundleError(f"stop_below {self.stop_below}: between 0 and 1")

    def at(self, size: Size) -> Self:
        """See :class:`SizedHost`; frames of a smaller size share less."""
        shared = None if self.context is None else min(self.context, min(size) // 2)
        return replace(super().at(size), context=shared)


@dataclass(frozen=True, kw_only=True)
class WholeHost(DiffusionHost):
    """Every step denoises the whole frame."""

    KIND: ClassVar[str] = "whole"


@dataclass(frozen=True, kw_only=True)
class TilesHost(DiffusionHost):
    """Every step denoises the tiles of the frame that hold unknown pixels."""

    KIND: ClassVar[str] = "tiles"

    patch: int  # side of a tile, px
    overlap: int  # margin of a tile at each of its borders, px

    def __post_init__(self) -> None:
        """Check the values."""
        super().__post_init__()
        side, margin = self.patch, self.overlap
        if side % self.feature_px or not 0 < side <= min(min(s) for s in self.all_sizes):
            raise BundleError(f"patch {side}: a multiple of {self.feature_px}, at most the frame's")
        if margin < 0 or 2 * margin + self.feature_px > side:
            raise BundleError(
                f"overlap {margin}, patch {side}: both margins and {self.feature_px} pixels between "
                "them should fit into a tile"
            )


@dataclass(frozen=True)
class Options:
    """What `load` may be told."""

    steps: int | None = option(
        None, help="steps of the diffusion (default: the bundle's)", range=Range(1, 50)
    )
    seed: int | None = option(None, help="seed of the noise (default: the bundle's)", range=SEED)
    stop_below: float | None = option(
        None,
        help="end when a step changes alpha by less, on average over unknown pixels",
        range=Range(0, 1, whole=False),
    )
    keep_known: bool | None = option(
        None,
        help="known pixels are the trimap's 0 and 1; without it the net's own values (default: "
        "the trimap's in the background)",
    )


@dataclass(frozen=True)
class Sizes:
    """What an export may be told of the graphs' sizes.

    *Chosen*: `benchmarks/diffusion.py` prints what other tiles cost, `benchmarks/frames.py` what other
    frames do.
    """

    patch: int = option(128, help="side of a tile", range=SIDE, cuts=("tiles",))
    overlap: int = option(
        16, help="margin of a tile at each of its borders", range=SIDE, cuts=("tiles",)
    )
    context: int = option(
        128,
        help="pixels that frames share, of a picture larger than the graphs; 0 reduces such pictures",
        range=Range(0, 16384, "pixels"),
    )
