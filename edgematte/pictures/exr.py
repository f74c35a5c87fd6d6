"""OpenEXR files: scene-linear light in half or float, premultiplied by alpha as the format says."""

import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgematte.errors import PictureError
from edgematte.extras import importing
from edgematte.pictures.primaries import to_srgb

OF_ITS_OWN = ("channels", "compression", "type", "lineOrder", "tiles", "preview", "version")
"""Attributes that every file has for itself; a preview may show what was removed."""
MAGIC = b"\x76\x2f\x31\x01"
STRAIGHT = "edgematte.alpha"  # an attribute of ours
PIP = 'pip install "edgematte[vfx]"'


@dataclass(frozen=True)
class Light:
    """A decoded file.

    `colours`: float16 or float32 (H, W, 3), not premultiplied. `alpha`: (H, W) of the same dtype;
    None where it is 1 everywhere. `notes`: a line for each odd thing about it. `header`: the
    attributes that go with a result, too: windows, primaries, who made it.
    """

    colours: NDArray[Any]
    alpha: NDArray[Any] | None
    notes: tuple[str, ...] = ()
    header: dict[str, Any] = field(default_factory=dict)


def require(name: str) -> None:
    """Refuse to read or write a picture of this name where OpenEXR is missing.

    Raises:
        PictureError: it is.
    """
    with importing(
        f"{name} is an OpenEXR picture, for which OpenEXR is missing", PIP, PictureError
    ):
        import OpenEXR  # noqa: F401


def read(data: bytes, name: str, most_pixels: int) -> Light:
    """Decode a file; ``name`` is that of the picture in messages.

    Raises:
        PictureError: damaged, too large, without channels that are colours, or OpenEXR is missing.
    """
    require(name)
    import OpenEXR

    with tempfile.TemporaryDirectory(prefix="edgematte-") as folder:
        file = Path(folder) / "picture.exr"  # the package reads files alone
        file.write_bytes(data)
        try:
            header = OpenEXR.File(str(file), separate_channels=True, header_only=True).header()
            _refuse_large(header["dataWindow"], name, most_pixels)
            with OpenEXR.File(str(file), separate_channels=True) as opened:
                parts = len(opened.parts)
                channels = {n: np.array(c.pixels) for n, c in opened.channels().items()}
        except PictureError:
            raise
        except Exception as error:  # it raises RuntimeError and TypeError of its own
            raise PictureError(f"{name} is damaged or truncated ({error})") from None
    kept = {k: v for k, v in header.items() if k not in OF_ITS_OWN}
    notes = _notes(header, parts, name)
    if "chromaticities" in kept:
        try:
            to_srgb(kept["chromaticities"])
        except ValueError:
            notes += (f"{name}: its primaries span no colours and were dropped",)
            del kept["chromaticities"]
    return replace(_light(channels, header, name, notes), header=kept)


def write(
    array: NDArray[Any], header: dict[str, Any] | None = None, *, premultiplied: bool = True
) -> bytes:
    """The bytes of a file of an alpha (H, W), colours (H, W, 3) or a cut-out (H, W, 4).

    Args:
        array: float16 or float32; a cut-out's colours are premultiplied or not as ``premultiplied``
            says, and are written as they are.
        header: attributes of the picture that it was made of.
        premultiplied: recorded in the attribute ``edgematte.alpha`` where it is not so, because the
            format itself says that colours are premultiplied.

    Raises:
        PictureError: OpenEXR is missing.
    """
    require("what is written")
    import OpenEXR

    header = {k: v for k, v in (header or {}).items() if k != STRAIGHT}
    header |= {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    if array.ndim == 3 and array.shape[2] == 4 and not premultiplied:
        header[STRAIGHT] = "straight"
    names = "Y" if array.ndim == 2 else "RGBA"[: array.shape[2]]
    planes = [array] if array.ndim == 2 else [array[..., i] for i in range(array.shape[2])]
    channels = {n: np.ascontiguousarray(p) for n, p in zip(names, planes, strict=True)}
    with tempfile.TemporaryDirectory(prefix="edgematte-") as folder:
        file = Path(folder) / "picture.exr"
        with OpenEXR.File(header, channels) as opened:
            opened.write(str(file))
        return file.read_bytes()


def size_of(file: Path) -> tuple[int, int]:
    """(width, height) of a file by its header; what the package raises is not caught."""
    import OpenEXR

    header = OpenEXR.File(str(file), separate_channels=True, header_only=True).header()
    return _sides(header["dataWindow"])


def _sides(window: Any) -> tuple[int, int]:
    (left, top), (right, bottom) = window
    return int(right) - int(left) + 1, int(bottom) - int(top) + 1


def _refuse_large(window: Any, name: str, most_pixels: int) -> None:
    width, height = _sides(window)
    if width * height > most_pixels:
        raise PictureError(f"{name} has {width}x{height} pixels; at most {most_pixels:,} are read")


def _notes(header: dict[str, Any], parts: int, name: str) -> tuple[str, ...]:
    notes: tuple[str, ...] = ()
    if parts > 1:
        notes += (f"{name} holds {parts} parts: the first one is read",)
    if not np.array_equal(header["dataWindow"], header["displayWindow"]):
        notes += (f"{name}: its data window, which is read, is not its display window",)
    return notes


def _light(
    channels: dict[str, NDArray[Any]], header: dict[str, Any], name: str, notes: tuple[str, ...]
) -> Light:
    found = [channels[n] for n in "RGB" if n in channels]
    if len(found) != 3:
        if "Y" not in channels or any(n in channels for n in ("RY", "BY")):
            said = ", ".join(channels) or "none"
            raise PictureError(f"{name} has no channels R, G, B or Y: there are {said}")
        found = [channels["Y"]] * 3
    if any(c.shape != found[0].shape or c.dtype.kind != "f" for c in found):
        raise PictureError(f"{name}: its channels are not floats of one size")
    dtype = max((c.dtype for c in found), key=lambda d: d.itemsize)
    colours = np.stack([c.astype(dtype, copy=False) for c in found], axis=2)
    odd = int((~np.isfinite(colours)).any(axis=2).sum())
    if odd:
        notes += (
            f"{name}: {odd} pixels hold NaN or infinity: NaN is black to the net, and infinity "
            "white; where they are kept they stay as they are",
        )
    alpha = channels.get("A")
    if alpha is None or alpha.shape != found[0].shape or bool((alpha >= 1).all()):
        return Light(colours, None, notes)
    alpha = np.where(alpha > 0, np.minimum(alpha, 1), 0).astype(dtype)
    if header.get(STRAIGHT) == "straight":
        return Light(colours, alpha, notes)
    part = (alpha > 0) & (alpha < 1)
    colours[part] = (colours[part].astype(np.float32) / alpha[part, None]).astype(dtype)
    return Light(colours, alpha, notes)
