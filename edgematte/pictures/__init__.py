"""Reading and writing pictures with Pillow: any common file in, RGB bytes out."""

from edgematte.pictures.cutouts import alpha_bytes, composite, cutout, read_background
from edgematte.pictures.formats import format_of
from edgematte.pictures.masks import read_mask, read_mask_for
from edgematte.pictures.reading import (
    MAX_PIXELS,
    Picture,
    open_picture,
    read_cutout,
    read_picture,
)
from edgematte.pictures.trimaps import read_grey, read_trimap_for
from edgematte.pictures.writing import encode, write_picture

__all__ = [
    "MAX_PIXELS",
    "Picture",
    "alpha_bytes",
    "composite",
    "cutout",
    "encode",
    "format_of",
    "open_picture",
    "read_background",
    "read_cutout",
    "read_grey",
    "read_mask",
    "read_mask_for",
    "read_picture",
    "read_trimap_for",
    "write_picture",
]
