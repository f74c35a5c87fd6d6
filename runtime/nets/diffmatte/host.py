"""DiffMatte's host sections, one for each cut, and its options for `load` and `export`."""

from dataclasses import dataclass
from typing import Any, ClassVar

from edgematte.errors import BundleError
from edgematte.host import Size, SizedHost
from edgematte.options import option
from edgematte.ranges import SEED, SIDE, Range

STEPS_RANGE = Range(1, 50)


@dataclass(frozen=True, kw_only=True)
class DiffusionHost(SizedHost):
    """What both cuts share; ``size`` is that of a frame."""

    feature_px: int  # side of a pixel of the encoder's map
    steps: int  # of the diffusion, 1 to 50
    seed: int  # of the noise, unsigned 32 bits
    clamp_foreground: bool  # alpha is 1 where the trimap is foreground
    stop_below: float | None = None  # stop when alpha of unknown pixels changes less, on average
    keep_known: bool | None = None  # known pixels are 0 or 1 as the trimap says; None: as exported
    context: int | None = None  # px that frames of larger pictures share; None: they are reduced

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
        if self.steps not in STEPS_RANGE or self.seed not in SEED:
            raise BundleError(f"steps {self.steps}, seed {self.seed}: 1 to 50, and 32 bits")
        if self.stop_below is not None and not 0 <= self.stop_below <= 1:
            raise BundleError(f"stop_below {self.stop_below}: between 0 and 1")

    def shared_at(self, size: Size) -> dict[str, Any]:
        """See :class:`SizedHost`; smaller frames share fewer pixels, at most half of their side."""
        return {"context": None if self.context is None else min(self.context, min(size) // 2)}


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
                f"overlap {margin}, patch {side}: both margins and {self.feature_px} pixels "
                "between them should fit into a tile"
            )


@dataclass(frozen=True)
class Options:
    """Options of `load`."""

    steps: int | None = option(
        None, help="steps of the diffusion (default: the bundle's)", range=STEPS_RANGE
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
    """Options of an export: sizes of the graphs.

    *Chosen*: `benchmarks/diffusion.py` prints what other tiles cost, `benchmarks/frames.py` what
    other frames cost.
    """

    patch: int = option(128, help="side of a tile", range=SIDE, cuts=("tiles",))
    overlap: int = option(
        16, help="margin of a tile at each of its borders", range=SIDE, cuts=("tiles",)
    )
    context: int | None = option(
        None,
        help="pixels that frames share, of a picture larger than the graphs, at most half a "
        "frame; 0 reduces such pictures (default: 128)",
        range=Range(0, 16384, "pixels"),
    )
