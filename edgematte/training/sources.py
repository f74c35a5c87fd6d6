"""Pictures decoded once into memory: people, pairs, cut-outs, veils and backgrounds."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from zlib import crc32

from PIL import Image, ImageFilter

from edgematte.errors import PictureError

CUTOUT_SIDE_PX = 512
PICTURE_SIDE_PX = 640
MASK_BAND_PX = 4
HOLD_OUT = 0.1


@dataclass(frozen=True)
class Photo:
    """A real picture with its matte.

    `image`: RGB. `alpha`: L, 0..255. `known`: L, 255 where `alpha` is to be believed, 0 in the band
    around the edge of a binary mask. `box`: left, top, right, bottom of the subject in pixels.
    """

    image: Image.Image
    alpha: Image.Image
    known: Image.Image
    box: tuple[int, int, int, int]


@dataclass
class Library:
    """All pictures of one side of the split. Any list may be empty."""

    people: list[Photo] = field(default_factory=list)
    pairs: list[Photo] = field(default_factory=list)
    solids: dict[str, list[Image.Image]] = field(default_factory=dict)
    veils: dict[str, list[Image.Image]] = field(default_factory=dict)
    backgrounds: list[Image.Image] = field(default_factory=list)


def held_out(name: str, fraction: float = HOLD_OUT) -> bool:
    """Whether a picture belongs to validation, by a hash of its name.

    Variants of one subject (`name_00`, `name_01`; `name_crop0`, `name_crop1`) share a side.
    """
    subject = re.sub(r"_(\d\d|crop\d+)$", "", Path(name).stem)
    return crc32(subject.encode()) / 2**32 < fraction


def shrink(picture: Image.Image, side_px: int) -> Image.Image:
    """The picture with its longest side at most `side_px`."""
    scale = side_px / max(picture.size)
    if scale >= 1:
        return picture
    width, height = (max(1, round(side * scale)) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.BOX, reducing_gap=None)


def photo_from_mask(image: Image.Image, mask: Image.Image) -> Photo | None:
    """A photo from a binary mask, distrusting `MASK_BAND_PX` on both sides of the mask's edge."""
    image = shrink(image.convert("RGB"), PICTURE_SIDE_PX)
    alpha = mask.convert("L").resize(image.size, Image.Resampling.BILINEAR)
    alpha = alpha.point([0] * 128 + [255] * 128)
    box = alpha.getbbox()
    if box is None:
        return None
    blurred = alpha.filter(ImageFilter.BoxBlur(MASK_BAND_PX))  # 0 or 255 only away from edges
    known = blurred.point([255] + [0] * 254 + [255])
    return Photo(image, alpha, known, box)


def photo_from_alpha(image: Image.Image, alpha: Image.Image) -> Photo | None:
    """A photo whose alpha is measured, known everywhere."""
    image = shrink(image.convert("RGB"), PICTURE_SIDE_PX)
    alpha = alpha.convert("L").resize(image.size, Image.Resampling.BILINEAR)
    box = alpha.getbbox()
    if box is None:
        return None
    return Photo(image, alpha, Image.new("L", image.size, 255), box)


def _files(folder: Path, validation: bool | None) -> list[Path]:
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    return [f for f in files if validation is None or held_out(f.name) == validation]


def _cutouts(files: Iterable[Path]) -> list[Image.Image]:
    pictures = []
    for file in files:
        picture = Image.open(file).convert("RGBA")
        box = picture.getchannel("A").point([0] * 8 + [255] * 248).getbbox()
        if box is not None:
            pictures.append(shrink(picture.crop(box), CUTOUT_SIDE_PX))
    return pictures


def load_photos(folder: Path, kind: str, validation: bool | None = None) -> list[Photo]:
    """Photos of `folder/image` with `folder/<kind>` of the same stem; kind is mask or alpha."""
    make = photo_from_mask if kind == "mask" else photo_from_alpha
    photos = []
    for file in _files(folder / "image", validation):
        matte = folder / kind / f"{file.stem}.png"
        if not matte.is_file():
            raise PictureError(f"{file} has no matte: expected {matte}")
        photo = make(Image.open(file), Image.open(matte))
        if photo is not None:
            photos.append(photo)
    return photos


def load_library(data: Path, validation: bool | None = False) -> Library:
    """Read `data/{people,pairs,cutouts,backgrounds}`; `validation` picks a side, None takes all.

    `people/{image,mask}`, `pairs/{image,alpha}`, `cutouts/{fluent,photo}` (solids),
    `cutouts/{strands,smoke}` (veils: alpha only), `backgrounds`. What is missing stays empty.
    """
    if not data.is_dir():
        raise PictureError(f"{data} is no folder: expected people, pairs, cutouts, backgrounds")
    cutouts = {
        name: _cutouts(_files(data / "cutouts" / name, validation))
        for name in ("fluent", "photo", "strands", "smoke")
    }
    return Library(
        people=load_photos(data / "people", "mask", validation),
        pairs=load_photos(data / "pairs", "alpha", validation),
        solids={name: cutouts[name] for name in ("fluent", "photo") if cutouts[name]},
        veils={name: cutouts[name] for name in ("strands", "smoke") if cutouts[name]},
        backgrounds=[
            shrink(Image.open(file).convert("RGB"), PICTURE_SIDE_PX)
            for file in _files(data / "backgrounds", validation)
        ],
    )
