"""A picture in whatever form a caller has it: array, tensor, PIL image, file."""

import os
from pathlib import Path
from typing import Any, Protocol, TypeAlias, TypeGuard, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgematte.arrays import Bytes
from edgematte.errors import OptionError, PictureError
from edgematte.pictures.masks import read_mask_for
from edgematte.pictures.reading import Picture, Source, open_picture, warn_of
from edgematte.pictures.trimaps import read_trimap_for
from edgematte.ranges import check_options
from edgematte.runtime.given import check_image, split_alpha


class Readable(Protocol):
    """An open file of bytes."""

    def read(self) -> bytes:
        """Everything from where it stands."""


class HasArrayInterface(Protocol):
    """What NumPy sees the memory of, as other libraries' arrays."""

    @property
    def __array_interface__(self) -> dict[str, Any]:
        """Its address, shape and dtype."""


class HasDLPack(Protocol):
    """What shares its memory by DLPack, as tensors do."""

    def __dlpack__(self) -> Any:
        """A capsule."""

    def __dlpack_device__(self) -> tuple[Any, Any]:
        """Where its memory is."""


ArrayLike: TypeAlias = NDArray[Any] | HasArrayInterface | HasDLPack
FileLike: TypeAlias = str | os.PathLike[str] | Readable | Image.Image
PictureLike: TypeAlias = Picture | ArrayLike | FileLike
"""What a Matter takes as a picture."""
GreyLike: TypeAlias = ArrayLike | FileLike
"""What a Matter takes as a trimap or a mask."""


def take_picture(image: PictureLike, channel_order: str = "RGB") -> Picture:
    """The picture that a caller gave, in any of these forms.

    Args:
        image: a :class:`~edgematte.pictures.Picture`; an array or tensor, uint8 (H, W, 3) or
            (H, W, 4); a PIL image; the path of a file; a file opened as bytes. Files and PIL images
            are turned upright as their EXIF says, and converted to RGB.
        channel_order: of an array's or tensor's channels: RGB, or BGR, as OpenCV has them.

    Raises:
        PictureError: it is none of these, or cannot be read.
        OptionError: another channel order, or BGR for what says itself how its channels lie.
    """
    check_options(channel_order=channel_order)
    if isinstance(image, Picture) or is_file(image):
        if channel_order != "RGB":
            raise OptionError(
                f"channel_order {channel_order} is of arrays and tensors; files and PIL images say "
                "themselves how their channels lie: leave it out"
            )
        if isinstance(image, Picture):
            return image
        picture = open_picture(*named(image, "picture"))
        warn_of(picture.notes)
        return picture
    array = as_array(image, "image")
    if channel_order == "BGR" and array.ndim == 3 and array.shape[2] in (3, 4):
        array = array[..., [2, 1, 0, 3][: array.shape[2]]]
    colours, own = split_alpha(array)
    return Picture(check_image(colours), own)


def take_grey(
    trimap: GreyLike | None, mask: GreyLike | None, picture: Picture
) -> tuple[Bytes | None, NDArray[Any] | None]:
    """The arrays of a trimap and of a mask that a caller gave for a picture.

    Raises:
        PictureError: a file that cannot be read, or was drawn on the stored pixels of a picture
            that is turned upright; an array that NumPy cannot see.
    """
    found: list[NDArray[Any] | None] = []
    for given, what in ((trimap, "trimap"), (mask, "mask")):
        if given is None:
            found.append(None)
        elif is_file(given):
            source, name = named(given, what)
            read = read_trimap_for if what == "trimap" else read_mask_for
            values, notes = read(source, picture, name)
            warn_of(notes)
            found.append(values)
        else:
            found.append(as_array(given, what))
    return found[0], found[1]


def is_file(given: object) -> TypeGuard[FileLike]:
    """Whether it is a path, an open file or a PIL image."""
    return isinstance(given, str | os.PathLike | Image.Image) or hasattr(given, "read")


def named(given: FileLike, what: str) -> tuple[Source, str]:
    """A file as it is opened, and its name in messages; ``what`` it holds."""
    if isinstance(given, Image.Image):
        file = getattr(given, "filename", "")
        return given, os.path.basename(file) if file and isinstance(file, str) else f"the {what}"
    if isinstance(given, str | os.PathLike):
        path = Path(given)
        return path, path.name or str(path)
    file = getattr(given, "name", None)
    name = os.path.basename(file) if isinstance(file, str) else f"the {what} in the open file"
    return cast(Source, given), name


def as_array(given: object, what: str) -> NDArray[Any]:
    """An array or tensor as NumPy sees it, without a copy where it can; ``what`` it is.

    Raises:
        PictureError: its memory cannot be seen from here.
    """
    try:
        if isinstance(given, np.ndarray):
            return given
        if hasattr(given, "__dlpack__") and not (
            hasattr(given, "__array__") or hasattr(given, "__array_interface__")
        ):
            return np.from_dlpack(cast(Any, given))
        return np.asarray(given)
    except (TypeError, ValueError, RuntimeError, BufferError) as error:
        device = getattr(given, "device", None)
        where = "" if device is None or str(device) == "cpu" else f" on {device}"
        reason = str(error).split("\n")[0].rstrip(". ")
        raise PictureError(
            f"the {what} is a {type(given).__name__}{where} whose values cannot be seen from here "
            f"({reason}); give an array or tensor of bytes in the processor's memory, such as "
            f"{what}.detach().cpu()"
        ) from None
