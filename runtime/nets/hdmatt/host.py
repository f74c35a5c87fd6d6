"""HDMatt's host section, and its options for `load` and `export`."""

from dataclasses import dataclass
from typing import ClassVar

from edgematte.errors import BundleError
from edgematte.host import Host
from edgematte.options import option
from edgematte.ranges import SIDE, Range


@dataclass(frozen=True, kw_only=True)
class PatchesHost(Host):
    """Patches that attend to other patches of the picture; ``size`` is that of a patch."""

    KIND: ClassVar[str] = "patches"

    patch: int  # side of a patch, px
    overlap: int  # width shared by neighbouring patches, the margin of eq. 5, px
    k: int | None = None  # contexts of a patch; None: patches do not look at each other
    candidates: int | None = None  # how many patches, the most mixed, contexts are chosen from

    def __post_init__(self) -> None:
        """Check the values."""
        super().__post_init__()
        if not 0 <= self.overlap < self.patch:
            raise BundleError(
                f"patch {self.patch}, overlap {self.overlap}: the overlap should be less than it"
            )
        if self.k is not None and self.k < 1:
            raise BundleError(f"k {self.k}: at least 1, or left out where there are no contexts")
        if self.k and (self.candidates is None or self.candidates <= self.k):
            raise BundleError(f"candidates {self.candidates}: more than k, which is {self.k}")


@dataclass(frozen=True)
class Options:
    """Options of `load`."""

    memory_mb: float | None = option(
        None,
        help="features of patches kept in memory (1e6 bytes); the rest goes to a temporary file",
        range=Range(0, unit="megabytes", whole=False),
        flag="memory",
    )


@dataclass(frozen=True)
class Sizes:
    """Options of an export: sizes of the graphs."""

    patch: int = option(320, help="side of a patch", range=SIDE)
