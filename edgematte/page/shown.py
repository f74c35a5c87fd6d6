"""Pictures of a report as data URIs: with their mattes, and with maps of errors."""

import base64
import io
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from edgematte.arrays import Bytes, Floats
from edgematte.pictures import composite

SHOWN_PX = 560  # longest side of a picture on the page
CHECKER_PX, LIGHT, DARK = 12, 255, 205
GAIN = 10.0  # errors are drawn so many times as bright


@dataclass(frozen=True)
class Apart:
    """How far two mattes of one picture are apart: a map as a data URI, the largest, the mean."""

    map: str
    worst: float
    mean: float


@dataclass(frozen=True)
class Shown:
    """One picture with its matte, as data URIs.

    `alpha`: float32 (H, W). `error`: against the reference's alpha, where there is one.
    """

    name: str
    picture: str
    matte: str
    cutout: str
    alpha: Floats = field(repr=False, compare=False)
    error: Apart | None = None


def shown(name: str, picture: Bytes, alpha: Floats, wanted: Floats | None = None) -> Shown:
    """A picture (H, W, 3) with its alpha (H, W) and, against ``wanted``, a map of its error."""
    grey = Image.fromarray((alpha * 255 + 0.5).astype(np.uint8))
    cut = Image.fromarray(composite(picture, alpha, _checker(picture.shape[:2])))
    made = (_uri(Image.fromarray(picture), "JPEG"), _uri(grey, "PNG"), _uri(cut, "JPEG"))
    return Shown(name, *made, alpha, None if wanted is None else apart(alpha, wanted))


def apart(one: Floats, other: Floats) -> Apart:
    """How far two alphas (H, W) are apart."""
    far = np.abs(one - other)
    drawn = Image.fromarray(_heat(np.clip(far * GAIN, 0, 1)))
    return Apart(_uri(drawn, "PNG"), float(far.max()), float(far.mean()))


def in_words(far: Apart) -> str:
    """What is said below a map of how far two alphas are apart."""
    return f"{GAIN:g} times as bright; largest {far.worst:.1e}, mean {far.mean:.1e}"


def _checker(shape: tuple[int, ...]) -> Bytes:
    y, x = np.mgrid[: shape[0], : shape[1]] // CHECKER_PX
    grey = np.where((x + y) % 2, LIGHT, DARK).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def _heat(unit: Floats) -> Bytes:
    """Black over red and yellow to white, for values in [0, 1]."""
    ramps = np.stack([unit * 3, unit * 3 - 1, unit * 3 - 2], axis=-1)
    return (np.clip(ramps, 0, 1) * 255).astype(np.uint8)


def _uri(picture: Image.Image, kind: str) -> str:
    picture.thumbnail((SHOWN_PX, SHOWN_PX))
    stream = io.BytesIO()
    picture.save(stream, kind, **({"quality": 85} if kind == "JPEG" else {"optimize": True}))
    data = base64.b64encode(stream.getvalue()).decode()
    return f"data:image/{kind.lower()};base64,{data}"
