"""The pictures of a run: people, pairs, cut-outs, veils and backgrounds, read from folders."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from zlib import crc32

from PIL import Image, ImageFilter

from edgematte.pictures import read_cutout, read_grey, read_picture
from edgematte.training.pictures.folders import Reading, UnfitError, log, picture_files, read_all

SIDE_PX = 1024  # longest side of pictures in memory
MASK_BAND_PX = 4


@dataclass(frozen=True)
class Photo:
    """A real picture with its matte.

    `image`: RGB. `alpha`: L, 0..255. `known`: L, 255 where `alpha` is reliable, 0 in the band
    around the edge of a binary mask. `box`: left, top, right, bottom of the subject in pixels.
    """

    image: Image.Image
    alpha: Image.Image
    known: Image.Image
    box: tuple[int, int, int, int]


@dataclass(frozen=True)
class Folders:
    """The folders of pictures; each of them may be left out.

    `foregrounds`: cut-outs with transparency. `veils`: cut-outs of which only the alpha is used
    (hair cards, smoke); colours are made. `backgrounds`: photographs without a subject. `alphas`
    and `masks`: (images, mattes) folders with the same names in both; a mask is a binary matte.
    """

    foregrounds: Sequence[Path] = ()
    veils: Sequence[Path] = ()
    backgrounds: Sequence[Path] = ()
    alphas: Sequence[tuple[Path, Path]] = ()
    masks: Sequence[tuple[Path, Path]] = ()


@dataclass
class Library:
    """Pictures by folder. A folder is drawn first, so that a large one does not dominate.

    Any list may be empty: `edgematte.training.pictures.procedural` needs no files. `skipped` holds
    one line for each file that could not be used.
    """

    people: list[Sequence[Photo]] = field(default_factory=list)
    pairs: list[Sequence[Photo]] = field(default_factory=list)
    cutouts: list[Sequence[Image.Image]] = field(default_factory=list)
    veils: list[Sequence[Image.Image]] = field(default_factory=list)
    backgrounds: list[Sequence[Image.Image]] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def held_out(name: str, fraction: float) -> bool:
    """Whether a picture belongs to validation, by a hash of its name.

    All variants of a subject (`name_00`, `name_01`; `name_crop0`, `name_crop1`) belong to
    validation, or none does.
    """
    subject = re.sub(r"_(\d\d|crop\d+)$", "", Path(name).stem)
    return crc32(subject.encode()) / 2**32 < fraction


def shrink(picture: Image.Image, side_px: int = SIDE_PX) -> Image.Image:
    """The picture with its longest side at most `side_px`."""
    scale = side_px / max(picture.size)
    if scale >= 1:
        return picture
    width, height = (max(1, round(side * scale)) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.BOX, reducing_gap=None)


def read_subject(file: Path) -> Image.Image | None:
    """An RGBA cut-out trimmed to its visible part; None if nothing is visible.

    Raises:
        UnfitError: it has no transparency, so that it is no cut-out.
    """
    pixels = read_cutout(file)
    if pixels[..., 3].min() == 255:
        raise UnfitError(
            f"{file} has no transparency: a foreground is a cut-out; for photographs with "
            "alphas beside them give images and alphas"
        )
    picture = Image.fromarray(pixels)
    box = picture.getchannel("A").point([0] * 8 + [255] * 248).getbbox()
    return None if box is None else shrink(picture.crop(box))


def read_background(file: Path) -> Image.Image:
    """An RGB photograph."""
    return shrink(Image.fromarray(read_picture(file)))


def read_photo(mattes: dict[str, Path], is_mask: bool, file: Path) -> Photo | None:
    """A photograph with the alpha or mask of the same stem; None if there is no subject.

    Raises:
        UnfitError: the matte has another size than the photograph.
    """
    image = Image.fromarray(read_picture(file))
    alpha = Image.fromarray(read_grey(mattes[file.stem]))
    if image.size != alpha.size:
        sizes = " and ".join(f"{p.width}x{p.height}" for p in (image, alpha))
        raise UnfitError(f"{file} and {mattes[file.stem]} are {sizes}: they must be of one size")
    return photo_of(shrink(image), shrink(alpha), is_mask)


def photo_of(
    image: Image.Image, alpha: Image.Image, is_mask: bool, band_px: int = MASK_BAND_PX
) -> Photo | None:
    """A photograph (RGB) with its alpha or mask (L) of the same size; None without a subject.

    A mask is not reliable within `band_px` of its edge; an alpha is reliable everywhere.
    """
    known = Image.new("L", alpha.size, 255)
    if is_mask:
        alpha = alpha.point([0] * 128 + [255] * 128)
        blurred = alpha.filter(ImageFilter.BoxBlur(band_px))  # 0 or 255 only away from edges
        known = blurred.point([255] + [0] * 254 + [255])
    box = alpha.getbbox()
    return None if box is None else Photo(image, alpha, known, box)


def match(images: Sequence[Path], mattes: Path) -> dict[str, Path]:
    """The mattes of these images by stem.

    Raises:
        UnfitError: an image has no matte; the message names the first such image.
    """
    by_stem = {file.stem: file for file in picture_files(mattes)}
    alone = [file.name for file in images if file.stem not in by_stem]
    if alone:
        raise UnfitError(
            f"{len(alone)} of {len(images)} pictures in {images[0].parent} have no matte of the "
            f"same name in {mattes}: {', '.join(alone[:3])}{', ...' if len(alone) > 3 else ''}"
        )
    extra = len(by_stem.keys() - {file.stem for file in images})
    if extra:
        log.warning("%d mattes in %s have no picture and are not used", extra, mattes)
    return by_stem


def _photo_bytes(photo: Photo) -> int:
    return 6 * photo.image.width * photo.image.height  # Pillow keeps RGB in four bytes


def _picture_bytes(picture: Image.Image) -> int:
    return 4 * picture.width * picture.height


def load_library(
    folders: Folders,
    *,
    hold_out: float = 0.0,
    validation: bool = False,
    reading: Reading | None = None,
) -> Library:
    """Read every folder; a file that cannot be read is skipped, named and counted.

    Args:
        hold_out: the share of the pictures, by a hash of their names, kept for validation.
        validation: take that share instead of the rest.

    Raises:
        PictureError: a folder that is missing or has no pictures, or none that can be used; a
            foreground without transparency; an image without a matte or with one of another size.
    """
    reading = reading or Reading()

    def mine(folder: Path) -> list[Path]:
        files = picture_files(folder)
        return [f for f in files if held_out(f.name, hold_out) == validation]

    def photos(pairs: Sequence[tuple[Path, Path]], is_mask: bool) -> list[Sequence[Photo]]:
        read = []
        for images, mattes in pairs:
            matte_of = match(picture_files(images), mattes)
            reader = partial(read_photo, matte_of, is_mask)
            read.append(read_all(mine(images), reader, _photo_bytes, reading))
        return [pictures for pictures in read if len(pictures)]

    def subjects(sources: Sequence[Path]) -> list[Sequence[Image.Image]]:
        read = [read_all(mine(f), read_subject, _picture_bytes, reading) for f in sources]
        return [pictures for pictures in read if len(pictures)]

    behind = [
        read_all(mine(f), read_background, _picture_bytes, reading) for f in folders.backgrounds
    ]
    return Library(
        people=photos(folders.masks, True),
        pairs=photos(folders.alphas, False),
        cutouts=subjects(folders.foregrounds),
        veils=subjects(folders.veils),
        backgrounds=[pictures for pictures in behind if len(pictures)],
        skipped=reading.skipped,
    )


def count(library: Library) -> dict[str, int]:
    """How many pictures there are of each kind."""
    kinds = ("people", "pairs", "cutouts", "veils", "backgrounds")
    return {kind: sum(len(pictures) for pictures in getattr(library, kind)) for kind in kinds}
