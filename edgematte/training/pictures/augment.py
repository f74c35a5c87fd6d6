"""Cheap random changes of pictures: framing, colour, placing on a canvas, camera faults."""

import io
import math

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from edgematte.training.pictures.sources import Photo

Rng = np.random.Generator
Box = tuple[float, float, float, float]
BILINEAR = Image.Resampling.BILINEAR


def _inside(box: Box, size: tuple[int, int]) -> Box:
    width, height = size
    left, top = min(max(box[0], 0), width - 8), min(max(box[1], 0), height - 8)
    return left, top, max(left + 8, min(box[2], width)), max(top + 8, min(box[3], height))


def frame_person(rng: Rng, photo: Photo) -> Box:
    """Choose the part of a standing person's photo to show: all, the body, a half, or the head.

    A head takes about an eighth of the body, so head and shoulders are its upper 15 to 35 %.
    """
    left, top, right, bottom = photo.box
    width, height = right - left, bottom - top
    if height < 1.2 * width:  # not a standing person: frame it as any other thing
        return frame_any(rng, photo.image.size, 0.5)
    kind = rng.random()
    if kind < 0.3:  # the whole picture, a little cut
        cut = rng.uniform(0, 0.15, 4)
        w, h = photo.image.size
        return w * cut[0], h * cut[1], w * (1 - cut[2]), h * (1 - cut[3])
    if kind < 0.45:  # the body
        m = rng.uniform(-0.05, 0.4, 4) * (width, height * 0.4, width, height * 0.4)
        return _inside((left - m[0], top - m[1], right + m[2], bottom + m[3]), photo.image.size)
    if kind < 0.52:  # anywhere on it
        side = rng.uniform(0.3, 0.8) * height
        x, y = rng.uniform(left, right), rng.uniform(top, bottom)
        return _inside((x - side / 2, y - side / 2, x + side / 2, y + side / 2), photo.image.size)
    part = rng.uniform(0.15, 0.35) if kind < 0.8 else rng.uniform(0.35, 0.65)
    # The middle of the mask's upper part, so that outstretched arms do not count.
    upper = photo.alpha.crop((left, top, right, top + max(8, round(height * min(part, 0.16)))))
    bounds = upper.getbbox() or (0, 0, width, 1)
    middle = left + (bounds[0] + bounds[2]) / 2
    y0 = top - rng.uniform(-0.03, 0.35) * part * height
    y1 = top + part * height
    side = (y1 - y0) * np.exp(rng.uniform(-0.35, 0.6))  # aspect: 0.7 to 1.8
    x0 = middle - side * rng.uniform(0.3, 0.7)
    return _inside((x0, y0, x0 + side, y1), photo.image.size)


def frame_any(rng: Rng, size: tuple[int, int], least: float = 0.6) -> Box:
    """A random part of a picture, each side at least `least` of the whole."""
    width, height = size
    part = rng.uniform(least, 1, 2)
    x, y = rng.uniform(0, 1 - part[0]) * width, rng.uniform(0, 1 - part[1]) * height
    return x, y, x + part[0] * width, y + part[1] * height


def colour_table(rng: Rng, strength: float = 1.0) -> list[int]:
    """A 768-entry lookup for RGB: random gamma, contrast, brightness and colour cast."""
    x = np.arange(256, dtype=np.float32) / 255
    gamma = np.exp(rng.normal(0, 0.25 * strength))
    contrast = np.exp(rng.normal(0, 0.2 * strength))
    bias = rng.normal(0, 0.06 * strength)
    casts = np.exp(rng.normal(0, 0.08 * strength, 3))
    curve = ((x**gamma) - 0.5) * contrast + 0.5 + bias
    table = np.clip(curve[None] * casts[:, None] * 255, 0, 255).astype(np.uint8)
    return [int(v) for v in table.ravel()]


def colour(rng: Rng, picture: Image.Image) -> Image.Image:
    """Change hue, saturation and values of an RGB or RGBA picture; alpha stays."""
    table = colour_table(rng)
    saturation = float(rng.uniform(0.4, 1.5)) if rng.random() < 0.5 else 1.0
    if rng.random() < 0.04:
        saturation = 0.0
    alpha = picture.getchannel("A") if picture.mode == "RGBA" else None
    changed = picture.convert("RGB").point(table)
    if saturation != 1.0:
        changed = ImageEnhance.Color(changed).enhance(saturation)
    if rng.random() < 0.3:
        changed = turn_hue(changed, float(rng.normal(0, 20)))
    if alpha is not None:
        changed.putalpha(alpha)
    return changed


def turn_hue(picture: Image.Image, angle_deg: float) -> Image.Image:
    """Turn all hues of an RGB picture; greys stay."""
    hue, saturation, value = picture.convert("HSV").split()
    shift = round(angle_deg * 256 / 360)
    hue = hue.point([(i + shift) % 256 for i in range(256)])
    return Image.merge("HSV", (hue, saturation, value)).convert("RGB")


def affine(picture: Image.Image, angle_deg: float, shear: float) -> Image.Image:
    """Shear a picture sideways, then turn it, on a canvas that holds all of it."""
    angle = math.radians(angle_deg)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    forward = turn @ np.array([[1, shear], [0, 1]])
    size = np.array(picture.size)
    corners = forward @ (np.array([[-1, 1, 1, -1], [-1, -1, 1, 1]]) * size[:, None] / 2)
    width, height = (max(1, math.ceil(float(np.ptp(row)))) for row in corners)
    back = np.linalg.inv(forward)  # maps the new canvas to the picture, centre to centre
    offset = size / 2 - back @ np.array([width / 2, height / 2])
    rows = [float(v) for row, o in zip(back, offset, strict=True) for v in (*row, o)]
    return picture.transform((width, height), Image.Transform.AFFINE, tuple(rows), BILINEAR)


def place(rng: Rng, subject: Image.Image, side_px: int) -> Image.Image:
    """Put a trimmed RGBA subject on an empty square: random size, stretch, turn, shear, position.

    It may reach beyond the square on any side; one third of subjects stand on the lower border.
    """
    fraction = rng.uniform(0.4, 1.25) if rng.random() < 0.85 else rng.uniform(0.2, 0.4)
    stretch = np.exp(rng.uniform(-0.25, 0.25))
    scale = fraction * side_px / max(subject.size)
    width = max(8, round(subject.width * scale * stretch))
    height = max(8, round(subject.height * scale / stretch))
    if rng.random() < 0.5:
        subject = subject.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    subject = subject.resize((width, height), BILINEAR)
    if rng.random() < 0.4:
        subject = affine(subject, float(rng.normal(0, 25)), float(rng.normal(0, 0.1)))
    x = rng.uniform(0.25, 0.75) * side_px - subject.width / 2
    y = rng.uniform(0.3, 0.75) * side_px - subject.height / 2
    if rng.random() < 0.35:
        y = side_px - subject.height * rng.uniform(0.6, 1.0)
    canvas = Image.new("RGBA", (side_px, side_px))
    canvas.paste(subject, (round(x), round(y)))
    return canvas


def sharpen_alpha(rng: Rng, subject: Image.Image) -> Image.Image:
    """Steepen an upscaled cut-out's alpha and pull it inwards, away from its old background."""
    gain, middle = rng.uniform(1.5, 5.0), rng.uniform(0.55, 0.8)
    ramp = np.clip((np.arange(256) / 255 - middle) * gain + 0.5, 0, 1)
    ramp = np.clip((ramp - ramp[0]) / (ramp[255] - ramp[0]), 0, 1)
    subject.putalpha(subject.getchannel("A").point([round(float(v) * 255) for v in ramp]))
    return subject


def degrade(rng: Rng, picture: Image.Image) -> Image.Image:
    """Add faults of a camera to an RGB picture: blur, JPEG, noise; often none of them."""
    if rng.random() < 0.15:
        picture = picture.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 1.2))))
    if rng.random() < 0.25:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=int(rng.integers(35, 92)))
        picture = Image.open(file).convert("RGB")
    if rng.random() < 0.35:
        pixels = np.asarray(picture, dtype=np.float32)
        grain = rng.standard_normal(pixels.shape, dtype=np.float32) * rng.uniform(1, 10)
        picture = Image.fromarray(np.clip(pixels + grain, 0, 255).astype(np.uint8))
    return picture
