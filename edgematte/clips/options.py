"""Options of a clip or a sequence that is written."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from edgematte.clips.frames import Keep
from edgematte.errors import OptionError
from edgematte.host import Size
from edgematte.pictures.cutouts import open_background
from edgematte.pictures.framing import Framing
from edgematte.pictures.results import ResultOptions, is_png
from edgematte.ranges import check_options
from edgematte.sequences.pattern import Pattern


@dataclass(frozen=True)
class ClipOptions:
    """Options of the clip that is written.

    Args:
        kind: cutout, alpha or trimap.
        background: a colour or a picture behind the cut-out, instead of transparency.
        foreground: remove the old background's tint from soft edges.
        reuse: see :meth:`edgematte.Matter.stream`.
        ignore_alpha: treat a clip with transparency of its own as opaque; otherwise the matte is
            multiplied by it.
        folder: write a folder of pictures, whatever the ending of its name.
        keep_colour: keep the background's colours where alpha is 0; otherwise they are black.
        png_level: of a folder's pictures; see :func:`edgematte.pictures.encode`.
        gamma_composite: before a background mix stored values; otherwise light is mixed. HDR is
            shown there as nets see it.
        alpha_bits: of a sequence, see :class:`edgematte.pictures.results.ResultOptions`.
        premultiplied: of the cut-outs of a sequence, the same.
        keep_exif: of the cut-outs of a sequence, the same.
        size: (width, height) of the pictures of a sequence, in which frames are scaled to fit.
        fps: frames a second of a clip that is written from a sequence; by default 25.
        carry: frames without a trimap get one from the frame before; see
            :meth:`edgematte.Matter.stream`.
    """

    kind: str = "cutout"
    background: str | None = None
    foreground: bool = False
    reuse: bool = True
    ignore_alpha: bool = False
    folder: bool = False
    keep_colour: bool = False
    png_level: int | None = None
    gamma_composite: bool = False
    alpha_bits: int | None = None
    premultiplied: bool | None = None
    keep_exif: bool = False
    size: Size | None = None
    fps: Fraction | None = None
    carry: bool | None = None

    def __post_init__(self) -> None:
        """Refuse an unknown kind, and options of cut-outs for another kind."""
        check_options(kind=self.kind, png_level=self.png_level, fps=self.fps)
        if (self.background or self.foreground) and self.kind != "cutout":
            raise OptionError("background and foreground need a cutout")
        if self.keep_colour and not self.clear:
            raise OptionError("keep_colour needs a cutout with transparency")
        if self.gamma_composite and not self.background:
            raise OptionError("gamma_composite is of a background: give one with it")

    def of_pictures(self) -> ResultOptions:
        """How the pictures of a sequence look."""
        return ResultOptions(
            self.alpha_bits,
            open_background(self.background) if self.background else None,
            self.foreground,
            self.keep_colour,
            self.ignore_alpha,
            self.png_level,
            not self.gamma_composite,
            self.keep_exif,
            self.premultiplied,
            Framing(size=self.size),
        )

    def refuse(self, source: Path | Pattern, output: Path | Pattern) -> None:
        """Refuse options that have no meaning for what is read and written.

        Raises:
            OptionError: naming one.
        """
        for name in ("alpha_bits", "premultiplied", "keep_exif", "size"):
            if not isinstance(output, Pattern) and getattr(self, name):
                raise OptionError(
                    f"{name} is of single pictures and of sequences, not of a clip; leave it out"
                )
        if (
            self.png_level is not None
            and isinstance(output, Pattern)
            and not is_png(output.file(0))
        ):
            raise OptionError(f"png_level is of PNG files, not of {output}: leave it out")
        if self.fps is not None and not isinstance(source, Pattern):
            raise OptionError(
                "fps is of a sequence that becomes a clip, and a clip has times of its own: leave "
                "it out"
            )
        if self.fps is not None and isinstance(output, Pattern):
            raise OptionError(
                "fps is of a clip that is written, and pictures have no rate: leave it out"
            )

    @property
    def clear(self) -> bool:
        """Whether what is written has transparency."""
        return self.kind == "cutout" and self.background is None

    def keep(self, *, video: bool) -> Keep:
        """What of a clip's frames the result needs beside the view that nets have."""
        if self.kind != "cutout":
            return Keep.VIEW
        return Keep.LEVELS if video and self.clear and not self.foreground else Keep.RGB
