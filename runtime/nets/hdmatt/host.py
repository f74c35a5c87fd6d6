"""What the host side of HDMatt has to know, and what it may be told."""

from dataclasses import dataclass
from typing import ClassVar

from edgematte.errors import BundleError
from edgematte.host import Host
from edgematte.options import option
from edgematte.ranges import SIDE, Range


@dataclass(frozen=True, kw_only=True)
class PatchesHost(Host):
    """Patches that see the patches most like them; ``size`` is that of a patch."""

    KIND: ClassVar[str] = "patches"

    patch: int  # side of a patch, px
    overlap: int  # width shared by neighbouring patches, the margin of eq. 5, px
    k: int | None = None  # contexts of a patch; None: it sees no others
    candidates: int | None = None  # patches that contexts are chosen from, the most mixed ones

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
    """What `load` may be told."""

    memory_mb: float | None = option(
        None,
        help="features of patches kept in memory (1e6 bytes); the rest goes to a temporary file",
        range=Range(0, unit="megabytes", whole=False),
        flag="memory",
    )


@dataclass(frozen=True)
class Sizes:
    """What an export may be told of the graphs' sizes."""

    patch: int = option(320, help="side of a patch", range=SIDE)
