"""What goes from the front to a replica, and what comes back."""

from dataclasses import dataclass, field

Box = tuple[int, int, int, int]  # left, top, width, height

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""Pillow's names of the formats that are read of clients: what cameras, phones and browsers write.
Others, such as EPS, run further programs or have decoders that are hardly looked at."""

MEDIA = {"PNG": "image/png", "WEBP": "image/webp", "JPEG": "image/jpeg"}
"""Formats that are written, and their media types."""


@dataclass(frozen=True)
class Job:
    """One picture to matte.

    `picture`, `trimap`, `mask`: bytes of files. `write`: a kind of result. `background`: a colour
    (red, green, blue) behind a cut-out. `kind`: Pillow's name of the answer's format, or "" for
    PNG where anything is transparent and JPEG elsewhere. `max_pixels`: pictures with more are
    refused before they are decoded. `reduce_to`: pixels that the picture is reduced to before it is
    matted, if it has more.
    """

    bundle: str
    picture: bytes
    trimap: bytes | None = None
    mask: bytes | None = None
    write: str = "cutout"
    background: tuple[int, int, int] | None = None
    kind: str = "PNG"
    max_pixels: int = 50_000_000
    reduce_to: int | None = None


@dataclass(frozen=True)
class Answer:
    """A matted picture: the bytes of its file, and what is told beside it.

    `box`: what of the picture is not clear; None where all is. `seconds`: by stage. `notes`: lines
    on what was odd in the files. `shared_with`: how many other pictures were in its batch.
    """

    content: bytes
    media_type: str
    width: int
    height: int
    box: Box | None
    seconds: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    shared_with: int = 0


@dataclass(frozen=True)
class Refusal:
    """Why a job has no answer: an HTTP status and one sentence."""

    status: int
    sentence: str
