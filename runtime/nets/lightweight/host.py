"""The lightweight net's host sections, one for each cut, and its options for `export`."""

from dataclasses import dataclass
from typing import ClassVar

from edgematte.errors import BundleError
from edgematte.host import TrimapHost
from edgematte.options import option
from edgematte.ranges import SIDE


@dataclass(frozen=True, kw_only=True)
class FusedHost(TrimapHost):
    """One graph on the reduced picture."""

    KIND: ClassVar[str] = "fused"


@dataclass(frozen=True, kw_only=True)
class SplitHost(TrimapHost):
    """SN on the reduced picture, MRN on full-resolution patches."""

    KIND: ClassVar[str] = "split"

    patch: int  # side of a full-resolution patch, px
    overlap: int  # width shared by neighbouring patches, the margin of eq. 5, px
    lattice: int | None = None  # patches are placed at multiples of it, px; None: on a fixed grid

    def __post_init__(self) -> None:
        """Check the values."""
        super().__post_init__()
        lattice = self.lattice
        if lattice is not None and (lattice < 1 or self.patch % lattice):
            raise BundleError(
                f"lattice {lattice}, patch {self.patch}: the side of a patch should be a multiple "
                "of the lattice"
            )
        if lattice is not None and self.patch - 2 * self.overlap < lattice:
            raise BundleError(
                f"patch {self.patch}, overlap {self.overlap}: both margins and {lattice} pixels "
                "of the lattice should fit into a patch"
            )
        if not 0 <= self.overlap < self.patch:
            raise BundleError(
                f"patch {self.patch}, overlap {self.overlap}: the overlap should be less than the "
                "patch"
            )


@dataclass(frozen=True)
class Sizes:
    """Options of an export: sizes of the graphs."""

    patch: int = option(
        256, help="side of the patches that are refined", range=SIDE, cuts=("split",)
    )
