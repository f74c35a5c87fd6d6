"""Host sections of a manifest: what the host side has to know, by cut.

Every cut has a class of its own, declared beside the pipeline that reads it; here is what they
share, and the section of the trimap stage.
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from edgematte.errors import BundleError

RESIZE = "triangle filter, antialiased when reducing (Pillow BILINEAR), rounded to bytes"
ORDERS = ("RGB", "BGR")
Size = tuple[int, int]  # width, height


@dataclass(frozen=True, kw_only=True)
class Host:
    """What all cuts share; lengths in pixels.

    Raises:
        BundleError: a value that the runtime does not know; the message names it.
    """

    KIND: ClassVar[str] = ""

    size: tuple[int, int]  # (width, height) of the picture that the first graph sees
    channel_order: str = "RGB"  # of the pictures that graphs see
    scale: float = 1 / 255  # picture bytes -> graph input
    resize: str = RESIZE

    def __post_init__(self) -> None:
        """Check the values."""
        if min(self.size) < 1:
            raise BundleError(f"size {list(self.size)}: both sides should be at least 1")
        if self.channel_order not in ORDERS:
            raise BundleError(
                f"unknown channel_order {self.channel_order!r}; there are: {', '.join(ORDERS)}; "
                "install the edgematte that wrote the bundle, or export again"
            )
        if self.resize != RESIZE:
            raise BundleError(
                f"unknown resize {self.resize[:60]!r}; there is: {RESIZE!r}; install the edgematte "
                "that wrote the bundle, or export again"
            )
        if not 0 < self.scale <= 1:
            raise BundleError(
                f"scale {self.scale:g}: a number above 0, 1 at the most (picture bytes -> graph "
                "input; 1/255 gives [0, 1]); export again"
            )

    @property
    def cut(self) -> str:
        """The kind of cut this is the section of."""
        return self.KIND


@dataclass(frozen=True, kw_only=True)
class TrimapHost(Host):
    """What estimating a trimap from class probabilities needs."""

    unknown_threshold: float  # P(unknown) from which a pixel is unknown
    band_px: int  # dilation of the unknown region, pixels of the full picture

    def __post_init__(self) -> None:
        """Check the values."""
        super().__post_init__()
        if not 0 <= self.unknown_threshold <= 1:
            raise BundleError(f"unknown_threshold {self.unknown_threshold}: from 0 to 1")
        if self.band_px < 0:
            raise BundleError(f"band_px {self.band_px}: at least 0")


@dataclass(frozen=True, kw_only=True)
class StageHost(TrimapHost):
    """Of a bundle's trimap stage, which finds the trimap for a net that needs one."""

    KIND: ClassVar[str] = "trimap-stage"

    speck_share: float = 0.0  # of the picture: smaller islands and holes are noise

    def __post_init__(self) -> None:
        """Check the values."""
        super().__post_init__()
        if not 0 <= self.speck_share <= 1:
            raise BundleError(f"speck_share {self.speck_share}: from 0 to 1")


@dataclass(frozen=True, kw_only=True)
class SizedHost(Host):
    """Of nets that pad whole pictures: their graphs may come in several sizes."""

    sizes: tuple[Size, ...] | None = None  # of the graphs, where there are several
    pad_both: int | None = None  # both sides grow to its next multiple unless both are multiples

    def __post_init__(self) -> None:
        """Check the values."""
        super().__post_init__()
        if self.pad_both is not None and self.pad_both < 1:
            raise BundleError(f"pad_both {self.pad_both}: at least 1")
        if self.sizes is None:
            return
        areas = [width * height for width, height in self.sizes]
        positive = all(min(size) >= 1 for size in self.sizes)
        if not positive or not areas or self.sizes[-1] != self.size or areas != sorted(areas):
            raise BundleError("sizes should go from the smallest to the largest, which is size")

    @property
    def all_sizes(self) -> tuple[Size, ...]:
        """The sizes that a bundle has graphs of, the smallest first."""
        return self.sizes or (self.size,)

    def at(self, size: Size) -> Self:
        """The section of the graphs of one size, as if the bundle had no others."""
        return replace(self, size=size, sizes=None, pad_both=None, **self.shared_at(size))

    def shared_at(self, size: Size) -> dict[str, Any]:
        """Fields that a size changes: what its tiles or frames share, by default nothing."""
        return {}

    def size_for(self, picture: Size) -> Size:
        """The smallest that holds a picture of this size as it is padded; else the largest."""
        needed = padded(picture, self.pad_both, authors=True) if self.pad_both else picture
        able = (s for s in self.all_sizes if s[0] >= needed[0] and s[1] >= needed[1])
        return next(able, self.size)

    def for_picture(self, picture: Size) -> Self:
        """The section of the graphs that a picture of this size gets."""
        return self.at(self.size_for(picture))


def padded(picture: Size, multiple: int, *, authors: bool = False) -> Size:
    """A picture's size with both sides raised to multiples.

    ``authors``: as the published code of such nets has it. Where one side is no
    multiple both grow to the next larger one, so that a side that is one already gains a whole
    ``multiple``.
    """
    width, height = picture
    if authors and (width % multiple or height % multiple):
        return width + multiple - width % multiple, height + multiple - height % multiple
    return -(-width // multiple) * multiple, -(-height // multiple) * multiple


def host_class(model: str, kind: Any, where: str) -> Any:
    """The class of the host section of a model's cut.

    Raises:
        BundleError: a cut that this edgematte's version of the net does not have.
        OptionError: no such model.
    """
    from edgematte.nets import find

    net = find(model).net
    if kind not in net.hosts:
        raise BundleError(f"{where}: unknown cut {kind!r}; {net.name} has {', '.join(net.hosts)}")
    return net.host_class(kind)
