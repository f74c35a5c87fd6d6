"""What is made of a picture and its matte: cut-out, alpha and trimap, as arrays and as files."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from edgematte.pictures.bits import has_bits
from edgematte.pictures.cutouts import alpha_bytes, composite, cutout, fit_background
from edgematte.pictures.depths import at_depth
from edgematte.pictures.formats import (
    EXR,
    Format,
    format_of,
    refuse_exif,
    refuse_premultiplied,
    refuse_unfit,
    row_of,
)
from edgematte.pictures.framing import Framing, framed
from edgematte.pictures.hdr import Coding
from edgematte.pictures.reading import Picture
from edgematte.pictures.writing import write_picture

if TYPE_CHECKING:
    from edgematte.runtime.matte import Matte


@dataclass(frozen=True)
class ResultOptions:
    """How the results of a picture look.

    `alpha_bits`: of alphas; 32: floats; None: 8, of formats of light 32. `background`: what
    cut-outs are put before; None: they are transparent. `foreground`: take the old background's
    tint out of soft edges. `keep_colour`: keep the picture's colours where alpha is 0.
    `ignore_alpha`: matte what the picture's own transparency hides, too. `png_level`: of PNG files;
    None: the default. `linear`: before a background mix light, not stored values. `keep_exif`:
    cut-outs carry the picture's EXIF. `premultiplied`: whether a cut-out's colours are multiplied
    by its alpha; None: as its format defines it. `framing`: what part of the picture they show.
    """

    alpha_bits: int | None = None
    background: Picture | None = None
    foreground: bool = False
    keep_colour: bool = False
    ignore_alpha: bool = False
    png_level: int | None = None
    linear: bool = True
    keep_exif: bool = False
    premultiplied: bool | None = None
    framing: Framing = Framing()

    def mode(self, kind: str, row: Format) -> str:
        """What the format of a result has to carry; see :mod:`edgematte.pictures.formats`.

        Of cut-outs and composites at least: deeper ones are written as deep as the format allows.
        """
        if kind == "cutout":
            whole = "cutout" if self.background is None else "colour"
            return whole + "32" * of_light(row)
        if kind == "trimap":
            return "trimap"
        return {8: "grey", 16: "grey16", 32: "grey32"}[self._alpha_bits(row)]

    def refuse(self, kind: str, row: Format) -> None:
        """Refuse a result that a format cannot hold, whatever size its picture has.

        Raises:
            OptionError: it cannot; the message names formats that can.
        """
        refuse_unfit(row, self.mode(kind, row))
        if kind == "cutout" and self.keep_exif:
            refuse_exif(row)
        if kind == "cutout" and self.premultiplied:
            refuse_premultiplied(row)

    def _alpha_bits(self, row: Format) -> int:
        return self.alpha_bits or (32 if of_light(row) else 8)

    def level(self, path: Path | None) -> int | None:
        """The level of compression of a file, which only PNG has; None is standard output."""
        return self.png_level if is_png(path) else None

    def image(self, picture: Picture) -> Picture:
        """What a Matter is called with: the picture, or without its own alpha."""
        return replace(picture, alpha=None) if self.ignore_alpha else picture

    def exif(self, kind: str, picture: Picture) -> bytes | None:
        """The EXIF that a result carries."""
        return picture.exif if self.keep_exif and kind == "cutout" else None

    def on_screen(self, picture: Picture, matte: "Matte") -> tuple[Picture, "Matte"]:
        """Picture and matte as results are made of: before a background as on a screen."""
        if self.background is None or picture.coding is None:
            return picture, matte
        picture = picture.on_screen()
        return picture, replace(matte, picture=picture)

    def coding(self, kind: str, picture: Picture, row: Format) -> Coding | None:
        """The coding of colours that a result's file records."""
        return picture.coding if kind == "cutout" and row.name == "PNG" else None

    def make(self, kind: str, picture: Picture, matte: "Matte", row: Format) -> NDArray[Any]:
        """One result, as deep as a format holds it.

        ``cutout`` is (H, W, 4), before a background (H, W, 3); ``alpha`` and ``trimap`` are (H, W).
        """
        colours = matte.foreground if kind == "cutout" and self.foreground else picture.colours
        shown = framed(
            self.framing, colours, matte.alpha, matte.trimap, keep_colour=self.keep_colour
        )
        if kind == "alpha":
            return alpha_bytes(shown.alpha, self._alpha_bits(row))
        if kind == "trimap":
            return shown.trimap
        colours = at_depth(shown.colours, row, picture.profile, picture.primaries)
        if self.background is not None:
            size = colours.shape[1], colours.shape[0]
            light = colours.dtype.kind == "f"
            fitted = fit_background(self.background, size, None if light else picture.profile)
            return composite(
                colours,
                shown.alpha,
                fitted,
                linear=self.linear,
                profile=None if light else picture.profile,
                primaries=picture.primaries if light else None,
            )
        return cutout(colours, shown.alpha, keep_colour=self.keep_colour)

    def write(self, kind: str, picture: Picture, matte: "Matte", path: Path) -> NDArray[Any]:
        """Write one result, whole or not at all, in the format of its name's ending.

        ``picture`` and ``matte`` are those of :meth:`on_screen`.

        Returns:
            What was written, as :meth:`make` gives it.
        """
        row = row_of(path)
        array = self.make(kind, picture, matte, row)
        write_picture(
            array,
            path,
            picture.profile,
            png_level=self.level(path),
            exif=self.exif(kind, picture),
            premultiplied=self.premultiplied if kind == "cutout" else None,
            header=picture.header if of_light(row) else None,
            coding=self.coding(kind, picture, row),
        )
        return array


def shallower(
    name: str, file: str, own: NDArray[Any], written: NDArray[Any], most: int = 16
) -> str:
    """What a cut-out or composite loses of its picture's depth, in words; empty if nothing.

    Args:
        name: of the picture.
        file: name of the result.
        own: the picture's colours.
        written: what was written.
        most: bits a channel that the format keeps of 16.
    """
    bits, kinds = min(8 * written.itemsize, most), own.dtype.kind + written.dtype.kind
    if kinds == "fu":
        return f"{name} holds light, {file} stored values of {bits} bits: highlights are compressed"
    if kinds == "uu" and own.itemsize == 2 and bits < 16:
        # Of fewer than 16 bits some are filled up, and nothing is lost.
        if bits == 8 or not any(has_bits(own, fewer) for fewer in (10, bits)):
            return f"{name} has 16 bits a channel, {file} holds {bits}"
    return ""


def of_light(row: Format) -> bool:
    """Whether a format holds floats of light alone."""
    return row.name == EXR


def is_png(path: Path | None) -> bool:
    """Whether a result is written as PNG; standard output (None) is."""
    return path is None or format_of(path) == "PNG"


def result_name(stem: str, kind: str, ending: str = ".png") -> str:
    """The name of a result in a folder of several pictures' results."""
    return (stem if kind == "cutout" else f"{stem}-{kind}") + ending
