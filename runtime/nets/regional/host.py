"""The regional net's host section, and its options for `load` and `export`."""

from dataclasses import dataclass
from typing import ClassVar

from edgematte.errors import BundleError
from edgematte.host import Host
from edgematte.options import option
from edgematte.ranges import Range

CELL_PX = 8
"""Side of a cell; the region around it is twice as wide."""


@dataclass(frozen=True, kw_only=True)
class RegionsHost(Host):
    """A coarse net runs on the frame, then cells of 8x8 pixels are refined N at a time."""

    KIND: ClassVar[str] = "regions"

    regions: int  # cells that one call of a graph refines
    max_regions: int | None = None  # refine at most so many cells, the most uncertain ones
    k: int | None = (
        None  # how many nearest cells a cell attends to; None: no cross-region attention
    )
    search_range: int | None = None  # offsets below it on both axes have a bias of their own
    aliasing: bool | None = None  # test the range on the flat index, as the authors' code does
    bias_table: tuple[tuple[float, ...], ...] | None = None  # by relative position, then head

    def __post_init__(self) -> None:
        """Check the values."""
        super().__post_init__()
        if any(side % CELL_PX for side in self.size):
            raise BundleError(
                f"size {list(self.size)}: both sides should be multiples of {CELL_PX}"
            )
        if self.regions < 1:
            raise BundleError(f"regions {self.regions}: at least 1")
        if self.max_regions is not None and self.max_regions < 0:
            raise BundleError(f"max_regions {self.max_regions}: at least 0")
        if not self.k:
            return
        if (
            self.k < 1
            or self.search_range is None
            or self.search_range < 1
            or self.aliasing is None
        ):
            raise BundleError("attention needs k and search_range of at least 1, and aliasing")
        rows = (2 * self.search_range - 1) ** 2 + 1
        if self.bias_table is None or len(self.bias_table) != rows:
            raise BundleError(
                f"bias_table should have {rows} rows for search_range {self.search_range}"
            )
        if len({len(row) for row in self.bias_table}) != 1:
            raise BundleError("the rows of bias_table should be of one length")


@dataclass(frozen=True)
class Options:
    """Options of `load`."""

    max_regions: int | None = option(
        None,
        help="refine at most so many regions of a picture, the most uncertain ones",
        range=Range(0),
    )
    budget_ms: float | None = option(
        None,
        help="time from picture to alpha; refine as many regions as it is enough for",
        range=Range(0, unit="milliseconds", whole=False, above=True),
    )


@dataclass(frozen=True)
class Sizes:
    """Options of an export: sizes of the graphs."""

    regions: int = option(512, help="cells that one call refines", range=Range(1, 65536))
