"""What is made of a picture and its matte: cut-out, alpha and trimap, as arrays and as files."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from edgematte.pictures.cutouts import alpha_bytes, composite, cutout, fit_background
from edgematte.pictures.formats import format_of
from edgematte.pictures.reading import Picture

if TYPE_CHECKING:
    from edgematte.runtime.matte import Matte


@dataclass(frozen=True)
class ResultOptions:
    """How the results of a picture look.

    `alpha_bits`: 8 or 16, of alphas. `background`: what cut-outs are put before; None: they are
    transparent. `foreground`: take the old background's tint out of soft edges. `keep_colour`: keep
    the picture's colours where alpha is 0. `ignore_alpha`: matte what the picture's own
    transparency hides, too. `png_level`: of PNG files; None: the default. `linear`: before a
    background mix light, not stored values. `keep_exif`: cut-outs carry the picture's EXIF.
    """

    alpha_bits: int = 8
    background: Picture | None = None
    foreground: bool = False
    keep_colour: bool = False
    ignore_alpha: bool = False
    png_level: int | None = None
    linear: bool = True
    keep_exif: bool = False

    def mode(self, kind: str) -> str:
        """What the format of a result has to carry; see :mod:`edgematte.pictures.formats`."""
        if kind == "cutout":
            return "cutout" if self.background is None else "colour"
        if kind == "trimap":
            return "trimap"
        return "grey16" if self.alpha_bits == 16 else "grey"

    def level(self, path: Path | None) -> int | None:
        """The level of compression of a file, which only PNG has; None is standard output."""
        return self.png_level if is_png(path) else None

    def image(self, picture: Picture) -> Picture:
        """What a Matter is called with: the picture, or without its own alpha."""
        return replace(picture, alpha=None) if self.ignore_alpha else picture

    def exif(self, kind: str, picture: Picture) -> bytes | None:
        """The EXIF that a result carries."""
        return picture.exif if self.keep_exif and kind == "cutout" else None

    def make(self, kind: str, picture: Picture, matte: "Matte") -> NDArray[Any]:
        """One result: ``cutout`` (H, W, 4) or (H, W, 3), ``alpha`` or ``trimap`` (H, W)."""
        from edgematte.runtime.host.foreground import estimate_foreground

        if kind == "alpha":
            return alpha_bytes(matte.alpha, self.alpha_bits)
        if kind == "trimap":
            return matte.trimap
        colours = picture.pixels
        if self.foreground:
            colours = estimate_foreground(colours, matte.alpha)
        if self.background is not None:
            size = colours.shape[1], colours.shape[0]
            fitted = fit_background(self.background, size, picture.profile)
            return composite(
                colours, matte.alpha, fitted, linear=self.linear, profile=picture.profile
            )
        return cutout(colours, matte.alpha, keep_colour=self.keep_colour)


def is_png(path: Path | None) -> bool:
    """Whether a result is written as PNG; standard output (None) is."""
    return path is None or format_of(path) == "PNG"


def result_name(stem: str, kind: str) -> str:
    """The name of a result in a folder of several pictures' results: PNG, which holds them all."""
    return f"{stem}.png" if kind == "cutout" else f"{stem}-{kind}.png"
