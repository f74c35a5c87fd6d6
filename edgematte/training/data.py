"""Training samples: scenes from real photos and composites, cut as the network is used."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from torch import Tensor
from torch.utils.data import Dataset

from edgematte.training.augment import (
    BILINEAR,
    Box,
    colour,
    degrade,
    frame_any,
    frame_person,
    place,
    sharpen_alpha,
)
from edgematte.training.procedural import attach_strands, blob, procedural_subject, texture
from edgematte.training.sources import Library, Photo

Rng = np.random.Generator
Plane = NDArray[np.uint8]
T = TypeVar("T")

SCENES = {"people": 0.38, "pairs": 0.1, "composite": 0.49, "empty": 0.03}
SUBJECTS = {"person": 0.34, "photo": 0.2, "fluent": 0.24, "veil": 0.1, "procedural": 0.12}
FUSED, SPLIT, GIVEN = 0.7, 0.15, 0.15
MAX_CANVAS_PX = 1024
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class Scene:
    """A square picture with its matte; foreground and background where it was composed."""

    image: Image.Image
    alpha: Image.Image
    known: Image.Image
    foreground: Image.Image | None = None
    background: Image.Image | None = None


@dataclass(frozen=True)
class Sample:
    """What one training step shows of one scene.

    `image` (S, S, 3), `alpha`, `known` (S, S): the whole scene, for SN; uint8, `known` 0 or 255.
    `crop_image`, `crop_alpha`, `crop_known`: what MRN sees, the same when fused.
    `box`: left, top, right, bottom of the crop as fractions of the scene.
    `given_px`: MRN is given a true trimap grown by this radius in place of SN's probabilities;
    -1 where it is not.
    """

    image: Plane
    alpha: Plane
    known: Plane
    crop_image: Plane
    crop_alpha: Plane
    crop_known: Plane
    box: Box
    given_px: int


def choose(rng: Rng, weights: dict[str, float]) -> str:
    """A key, drawn by weight."""
    shares = np.array(list(weights.values()))
    return list(weights)[int(rng.choice(len(shares), p=shares / shares.sum()))]


def compose(foreground: Image.Image, alpha: Image.Image, background: Image.Image) -> Image.Image:
    """I = alpha F + (1 - alpha) B, rounded; RGB and L pictures of one size."""
    a = np.asarray(alpha, dtype=np.float32)[..., None] / 255
    f, b = (np.asarray(p, dtype=np.float32) for p in (foreground, background))
    return Image.fromarray((b + a * (f - b) + 0.5).astype(np.uint8))


def photo_scene(rng: Rng, photo: Photo, box: Box, side_px: int) -> Scene:
    """A part of a photo stretched to the square, maybe mirrored, its colours changed."""
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
    picture = library.backgrounds[int(rng.integers(len(library.backgrounds)))]
    picture = picture.resize(size, BILINEAR, box=frame_any(rng, picture.size, 0.4))
    if rng.random() < 0.5:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if rng.random() < 0.45:
        radius = float(side_px * rng.uniform(0.002, 0.025))
        picture = picture.filter(ImageFilter.GaussianBlur(radius))
    return colour(rng, picture)


def _pick(rng: Rng, items: Sequence[T]) -> T:
    return items[int(rng.integers(len(items)))]


def _veil(rng: Rng, mask: Image.Image, side_px: int) -> Image.Image:
    """A strand card or smoke in a texture's colours, usually behind a solid it belongs to."""
    veil = texture(rng, mask.size)
    veil.putalpha(mask.getchannel("A"))
    canvas = place(rng, veil, side_px)
    if rng.random() < 0.75:
        canvas = Image.alpha_composite(canvas, place(rng, blob(rng, side_px // 2), side_px))
    return canvas


def subject_scene(rng: Rng, library: Library, side_px: int) -> Image.Image:
    """An RGBA square with one subject on nothing."""
    kind = choose(rng, SUBJECTS)
    if kind == "person" and library.people:
        photo = _pick(rng, library.people)
        cutout = photo.image.copy()
        cutout.putalpha(photo.alpha.filter(ImageFilter.BoxBlur(2)))
        box = frame_person(rng, photo)
        canvas = cutout.resize((side_px, side_px), BILINEAR, box=box)
        canvas = sharpen_alpha(rng, canvas)
        hairy, fur = rng.random() < 0.6, False
        if rng.random() < 0.5:
            canvas = canvas.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    elif kind in library.solids:
        canvas = place(rng, _pick(rng, library.solids[kind]), side_px)
        hairy, fur = rng.random() < 0.35, rng.random() < 0.6
    elif kind == "veil" and library.veils:
        mask = _pick(rng, library.veils[_pick(rng, sorted(library.veils))])
        canvas, hairy, fur = _veil(rng, mask, side_px), False, False
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
    """A subject over a background; alpha is exact and known everywhere."""
    subject = colour(rng, subject_scene(rng, library, side_px))
    background = background_scene(rng, library, side_px)
    foreground, alpha = subject.convert("RGB"), subject.getchannel("A")
    image = compose(foreground, alpha, background)
    return Scene(image, alpha, Image.new("L", alpha.size, 255), foreground, background)


def make_scene(rng: Rng, library: Library, side_px: int) -> Scene:
    """A scene from a source drawn by `SCENES`, not by the number of its files."""
    kind = choose(rng, SCENES)
    if kind == "people" and library.people:
        photo = _pick(rng, library.people)
        return photo_scene(rng, photo, frame_person(rng, photo), side_px)
    if kind == "pairs" and library.pairs:
        photo = _pick(rng, library.pairs)
        return photo_scene(rng, photo, frame_any(rng, photo.image.size, 0.5), side_px)
    if kind == "empty":
        size = (side_px, side_px)
        image = background_scene(rng, library, side_px)
        return Scene(image, Image.new("L", size), Image.new("L", size, 255))
    return composite_scene(rng, library, side_px)


def _arrays(
    image: Image.Image, alpha: Image.Image, known: Image.Image
) -> tuple[Plane, Plane, Plane]:
    return np.asarray(image), np.asarray(alpha), np.asarray(known)


def make_sample(rng: Rng, library: Library, side_px: int) -> Sample:
    """One sample: fused (MRN sees what SN saw), split (a crop, SN's), or with a given trimap."""
    mode = rng.random()
    if mode < FUSED:
        scene = make_scene(rng, library, side_px)
        whole = _arrays(degrade(rng, scene.image), scene.alpha, scene.known)
        return Sample(*whole, *whole, WHOLE, -1)
    largest = max(1.25, min(3.0, MAX_CANVAS_PX / side_px))
    canvas_px = round(side_px * rng.uniform(1.25, largest))
    scene = composite_scene(rng, library, canvas_px)
    image = degrade(rng, scene.image)
    size = (side_px, side_px)
    whole = _arrays(
        image.resize(size, BILINEAR), scene.alpha.resize(size, BILINEAR), Image.new("L", size, 255)
    )
    alpha = np.asarray(scene.alpha)
    ys, xs = np.nonzero((alpha > 5) & (alpha < 250))
    if len(ys):
        pick = int(rng.integers(len(ys)))
        y, x = int(ys[pick]), int(xs[pick])
    else:
        y, x = (int(v) for v in rng.integers(0, canvas_px, 2))
    left, top = (min(max(v - side_px // 2, 0), canvas_px - side_px) for v in (x, y))
    box = (left, top, left + side_px, top + side_px)
    crop = _arrays(image.crop(box), scene.alpha.crop(box), scene.known.crop(box))
    fractions = (box[0] / canvas_px, box[1] / canvas_px, box[2] / canvas_px, box[3] / canvas_px)
    given = int(rng.integers(1, 13)) if mode < FUSED + GIVEN else -1
    return Sample(*whole, *crop, fractions, given)


class Samples(Dataset[Sample]):
    """Endless samples by index; the same seed, index and library give the same sample."""

    def __init__(self, library: Library, side_px: int, seed: int) -> None:
        self.library, self.side_px, self.seed = library, side_px, seed

    def __getitem__(self, index: int) -> Sample:
        """The sample of this index."""
        return make_sample(np.random.default_rng((self.seed, index)), self.library, self.side_px)


@dataclass(frozen=True)
class Batch:
    """Samples as float tensors in [0, 1]: images (B, 3, S, S), planes (B, 1, S, S)."""

    image: Tensor
    alpha: Tensor
    known: Tensor
    crop_image: Tensor
    crop_alpha: Tensor
    crop_known: Tensor
    box: Tensor
    given_px: list[int]


def collate(samples: Sequence[Sample]) -> Batch:
    """Stack samples of one size."""

    def images(arrays: Sequence[Plane]) -> Tensor:
        stacked = torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2)
        return stacked.float().div_(255)

    def planes(arrays: Sequence[Plane]) -> Tensor:
        return torch.from_numpy(np.stack(arrays)).unsqueeze(1).float().div_(255)

    return Batch(
        image=images([s.image for s in samples]),
        alpha=planes([s.alpha for s in samples]),
        known=planes([s.known for s in samples]),
        crop_image=images([s.crop_image for s in samples]),
        crop_alpha=planes([s.crop_alpha for s in samples]),
        crop_known=planes([s.crop_known for s in samples]),
        box=torch.tensor([s.box for s in samples]),
        given_px=[s.given_px for s in samples],
    )
