"""Scenes: real photos and composites, drawn by source, with their mattes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from PIL import Image, ImageFilter

from edgematte.training.pictures.augment import (
    BILINEAR,
    Box,
    colour,
    frame_any,
    frame_person,
    place,
    sharpen_alpha,
)
from edgematte.training.pictures.foliage import plant
from edgematte.training.pictures.procedural import attach_strands, blob, procedural_subject, texture
from edgematte.training.pictures.sources import Library, Photo

Rng = np.random.Generator
T = TypeVar("T")

# Shares of the sources; the share of a source that a library lacks goes to the others.
SCENES = {"people": 0.42, "pairs": 0.1, "composite": 0.45, "empty": 0.03}
SUBJECTS = {"person": 0.34, "cutout": 0.44, "veil": 0.1, "procedural": 0.12}
SECOND = 0.15  # share of composites with two subjects


@dataclass(frozen=True)
class Scene:
    """A square picture with its matte; foreground and background where it was composed."""

    image: Image.Image
    alpha: Image.Image
    known: Image.Image
    foreground: Image.Image | None = None
    background: Image.Image | None = None


def choose(rng: Rng, weights: dict[str, float], missing: Sequence[str] = ()) -> str:
    """A key, drawn by weight among those that are not missing."""
    there = {key: weight for key, weight in weights.items() if key not in missing}
    shares = np.array(list(there.values()))
    return list(there)[int(rng.choice(len(shares), p=shares / shares.sum()))]


def pick(rng: Rng, folders: Sequence[Sequence[T]]) -> T:
    """A random picture: first a folder is drawn, then a picture of it."""
    pictures = folders[int(rng.integers(len(folders)))]
    return pictures[int(rng.integers(len(pictures)))]


def compose(foreground: Image.Image, alpha: Image.Image, background: Image.Image) -> Image.Image:
    """I = alpha F + (1 - alpha) B, rounded; RGB and L pictures of one size."""
    a = np.asarray(alpha, dtype=np.float32)[..., None] / 255
    f, b = (np.asarray(p, dtype=np.float32) for p in (foreground, background))
    return Image.fromarray((b + a * (f - b) + 0.5).astype(np.uint8))


def layered(
    foreground: Image.Image,
    alpha: Image.Image,
    background: Image.Image,
    known: Image.Image | None = None,
) -> Scene:
    """The scene that `compose` makes; without `known` its alpha is known everywhere."""
    known = Image.new("L", alpha.size, 255) if known is None else known
    return Scene(compose(foreground, alpha, background), alpha, known, foreground, background)


def photo_scene(rng: Rng, photo: Photo, box: Box, side_px: int) -> Scene:
    """A part of a photo stretched to a square, with changed colours, sometimes mirrored."""
    size = (side_px, side_px)
    image, alpha, known = (
        plane.resize(size, BILINEAR, box=box) for plane in (photo.image, photo.alpha, photo.known)
    )
    known = known.point([0] * 250 + [255] * 6)
    if rng.random() < 0.5:
        flip = Image.Transpose.FLIP_LEFT_RIGHT
        image, alpha, known = (plane.transpose(flip) for plane in (image, alpha, known))
    return Scene(colour(rng, image), alpha, known)


def background_scene(rng: Rng, library: Library, side_px: int) -> Image.Image:
    """A background square: a photograph, often out of focus, or now and then a plain texture."""
    size = (side_px, side_px)
    if not library.backgrounds or rng.random() < 0.06:
        return texture(rng, size)
    picture = pick(rng, library.backgrounds)
    picture = picture.resize(size, BILINEAR, box=frame_any(rng, picture.size, 0.4))
    if rng.random() < 0.5:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if rng.random() < 0.45:
        radius = float(side_px * rng.uniform(0.002, 0.025))
        picture = picture.filter(ImageFilter.GaussianBlur(radius))
    return colour(rng, picture)


def _veil(rng: Rng, mask: Image.Image, side_px: int) -> Image.Image:
    """A strand card or smoke in colours of a texture, usually behind a solid of the same."""
    veil = texture(rng, mask.size)
    veil.putalpha(mask.getchannel("A"))
    canvas = place(rng, veil, side_px)
    if rng.random() < 0.75:
        canvas = Image.alpha_composite(canvas, place(rng, blob(rng, side_px // 2), side_px))
    return canvas


def subject_scene(rng: Rng, library: Library, side_px: int) -> Image.Image:
    """An RGBA square with one subject and no background."""
    has = {"person": library.people, "cutout": library.cutouts, "veil": library.veils}
    kind = choose(rng, SUBJECTS, [name for name, pictures in has.items() if not pictures])
    if kind == "person":
        photo = pick(rng, library.people)
        cutout = photo.image.copy()
        cutout.putalpha(photo.alpha.filter(ImageFilter.BoxBlur(2)))
        box = frame_person(rng, photo)
        canvas = cutout.resize((side_px, side_px), BILINEAR, box=box)
        canvas = sharpen_alpha(rng, canvas)
        hairy, fur = rng.random() < 0.6, False
        if rng.random() < 0.5:
            canvas = canvas.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    elif kind == "cutout":
        canvas = place(rng, pick(rng, library.cutouts), side_px)
        hairy, fur = rng.random() < 0.35, rng.random() < 0.6
    elif kind == "veil":
        canvas, hairy, fur = _veil(rng, pick(rng, library.veils), side_px), False, False
    else:
        canvas = place(rng, procedural_subject(rng, side_px // 2), side_px)
        hairy, fur = False, False
    if hairy:
        canvas = attach_strands(rng, canvas, fur)
    if rng.random() < 0.12:  # out of focus
        radius = float(side_px * rng.uniform(0.002, 0.012))
        canvas = canvas.convert("RGBa").filter(ImageFilter.GaussianBlur(radius)).convert("RGBA")
    return canvas


def composite_scene(rng: Rng, library: Library, side_px: int) -> Scene:
    """One subject, or one before another, over a background; alpha is exact and known everywhere.

    For two subjects alpha = a + (1 - a) b, and colours are mixed by Porter and Duff's "over".
    """
    subject = colour(rng, subject_scene(rng, library, side_px))
    if rng.random() < SECOND:
        behind = colour(rng, subject_scene(rng, library, side_px))
        subject = Image.alpha_composite(behind, subject)
    return before_background(rng, library, subject)


def plant_scene(rng: Rng, library: Library, side_px: int) -> Scene:
    """A plant made without files over a background; otherwise as `composite_scene`."""
    subject = plant(rng, side_px)
    subject = place(rng, subject.crop(subject.getbbox()), side_px)
    return before_background(rng, library, colour(rng, subject))


def before_background(rng: Rng, library: Library, subject: Image.Image) -> Scene:
    """A scene of an RGBA square over a background of the same size."""
    background = background_scene(rng, library, subject.width)
    return layered(subject.convert("RGB"), subject.getchannel("A"), background)


def make_scene(
    rng: Rng, library: Library, side_px: int, shares: dict[str, float] = SCENES
) -> Scene:
    """A scene from a source drawn by `shares`, not by the number of its files."""
    has = {"people": library.people, "pairs": library.pairs}
    kind = choose(rng, shares, [name for name, pictures in has.items() if not pictures])
    if kind == "people":
        photo = pick(rng, library.people)
        return photo_scene(rng, photo, frame_person(rng, photo), side_px)
    if kind == "pairs":
        photo = pick(rng, library.pairs)
        return photo_scene(rng, photo, frame_any(rng, photo.image.size, 0.5), side_px)
    if kind == "empty":
        size = (side_px, side_px)
        image = background_scene(rng, library, side_px)
        return Scene(image, Image.new("L", size), Image.new("L", size, 255))
    make = plant_scene if kind == "plant" else composite_scene
    return make(rng, library, side_px)
