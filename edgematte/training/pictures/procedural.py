"""Subjects made without any file: solid and soft blobs, smoke, lace, strands of hair and fur."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Rng = np.random.Generator
Array = NDArray[np.uint8]


def noise(rng: Rng, size: tuple[int, int], cells: int) -> NDArray[np.float32]:
    """Smooth noise in [0, 1] of (width, height) `size` with about `cells` bumps a side."""
    small = rng.integers(0, 256, (cells + 1, cells + 1), dtype=np.uint8)
    picture = Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)
    return np.asarray(picture, dtype=np.float32) / np.float32(255)


def texture(rng: Rng, size: tuple[int, int]) -> Image.Image:
    """An RGB picture of two colours mixed by noise of two scales."""
    mix = 0.7 * noise(rng, size, int(rng.integers(2, 6)))
    mix = mix + 0.3 * noise(rng, size, int(rng.integers(8, 64)))
    first, second = rng.integers(0, 256, (2, 3)).astype(np.float32)
    pixels = first + (second - first) * np.clip(mix, 0, 1)[..., None]
    return Image.fromarray(pixels.astype(np.uint8))


def blob(rng: Rng, side_px: int, softness: float = 0.0) -> Image.Image:
    """An RGBA blob of random outline; `softness` 0 is a solid, 1 a cloud."""
    y, x = np.mgrid[-1 : 1 : side_px * 1j, -1 : 1 : side_px * 1j].astype(np.float32)
    field = noise(rng, (side_px, side_px), int(rng.integers(3, 8))) - 0.5
    distance = 0.75 - np.hypot(x, y) + 0.7 * field
    edge = 2 / side_px + 0.5 * softness
    alpha = np.clip(distance / edge + 0.5 * (softness == 0), 0, 1)
    if softness:
        alpha *= 0.4 + 0.6 * noise(rng, (side_px, side_px), int(rng.integers(4, 24)))
    picture = texture(rng, (side_px, side_px))
    picture.putalpha(Image.fromarray((alpha * 255).astype(np.uint8)))
    return picture


def strand_mask(
    rng: Rng,
    size: tuple[int, int],
    roots: NDArray[np.float32],
    directions: NDArray[np.float32],
    length_px: float,
    curl: float,
    supersample: int = 2,
) -> Image.Image:
    """Draw one tapering curve per root: L picture of (width, height) `size`.

    Args:
        roots: (N, 2) x, y in pixels.
        directions: (N, 2) unit vectors.
        length_px: mean length; each strand gets 0.4 to 1.6 of it.
        curl: how far, in radians, a strand turns on its way.
    """
    count, points = len(roots), 7
    lengths = length_px * rng.uniform(0.4, 1.6, count)
    turns = np.cumsum(rng.normal(0, curl / points**0.5, (count, points)), axis=1)
    turns += rng.normal(0, curl, (count, 1)) * np.linspace(0, 1, points)
    angles = np.arctan2(directions[:, 1], directions[:, 0])[:, None] + turns
    steps = np.stack([np.cos(angles), np.sin(angles)], axis=-1) * (lengths / points)[:, None, None]
    paths = roots[:, None] + np.concatenate([np.zeros((count, 1, 2)), steps.cumsum(1)], axis=1)
    canvas = Image.new("L", (size[0] * supersample, size[1] * supersample))
    draw = ImageDraw.Draw(canvas)
    width = max(1, round(rng.uniform(0.6, 1.4) * supersample * max(size) / 512))
    for path, value in zip(paths * supersample, rng.integers(90, 256, count), strict=True):
        flat = path.ravel().tolist()
        draw.line(flat[:10], fill=int(value), width=width)
        draw.line(flat[8:], fill=int(value), width=max(1, width // 2))
    return canvas.resize(size, Image.Resampling.BOX)


def attach_strands(rng: Rng, subject: Image.Image, fur: bool = False) -> Image.Image:
    """Let hair (from the upper part) or fur (all around) grow from an RGBA subject's outline.

    The strands lie under the subject and take their colour from near their roots.
    """
    pixels = np.asarray(subject)
    solid = pixels[..., 3] > 200
    edge = solid[1:-1, 1:-1] & ~(
        solid[:-2, 1:-1] & solid[2:, 1:-1] & solid[1:-1, :-2] & solid[1:-1, 2:]
    )
    ys, xs = np.nonzero(edge)
    if len(ys) < 16:
        return subject
    top, bottom = ys.min(), ys.max()
    middle_x, middle_y = xs.mean(), ys.mean()
    if not fur:  # an arc of the outline below the subject's highest point
        depth = rng.uniform(0.08, 0.5) * (bottom - top + 1)
        keep = ys <= top + depth
        ys, xs = ys[keep], xs[keep]
        middle_x, middle_y = xs.mean(), top + depth * rng.uniform(0.5, 1.0)
    count = int(rng.integers(150, 500) if fur else rng.integers(40, 260))
    picked = rng.integers(0, len(ys), count)
    roots = np.stack([xs[picked] + 1, ys[picked] + 1], axis=1).astype(np.float32)
    outward = roots - np.array([middle_x, middle_y], dtype=np.float32)
    outward /= np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1)
    if not fur and rng.random() < 0.5:  # gravity, or wind
        outward += rng.normal(0, 0.5, 2).astype(np.float32) + np.array([0, 0.5], np.float32)
    outward += rng.normal(0, 0.25, outward.shape).astype(np.float32)
    outward /= np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-3)
    length = subject.width * (rng.uniform(0.02, 0.07) if fur else rng.uniform(0.05, 0.3))
    mask = strand_mask(rng, subject.size, roots, outward, length, rng.uniform(0.1, 1.0))
    inside = (roots - 0.03 * subject.width * outward).astype(int)
    inside = np.clip(inside, 0, np.array(subject.size) - 1)
    colours = pixels[inside[:, 1], inside[:, 0], :3]
    colour = np.median(colours, axis=0) * rng.uniform(0.6, 1.3)
    shade = 0.7 + 0.6 * noise(rng, subject.size, int(rng.integers(8, 32)))
    rgb = np.clip(colour * shade[..., None], 0, 255).astype(np.uint8)
    strands = Image.fromarray(np.dstack([rgb, np.asarray(mask)]))
    return Image.alpha_composite(strands, subject)


def smoke(rng: Rng, side_px: int) -> Image.Image:
    """An RGBA cloud of nearly one colour: noise of four scales that fades towards its outline."""
    size, cells = (side_px, side_px), int(rng.integers(2, 5))
    octaves = [0.5**i * (noise(rng, size, cells * 2**i) - 0.5) for i in range(4)]
    density = np.sum(octaves, axis=0)
    y, x = np.mgrid[-1 : 1 : side_px * 1j, -1 : 1 : side_px * 1j].astype(np.float32)
    fade = np.clip(1.3 * (1 - np.hypot(x, y)), 0, 1)
    alpha = fade * np.clip(rng.uniform(0.6, 0.9) + rng.uniform(0.8, 2.0) * density, 0, 1)
    grey = rng.integers(60, 256) + rng.normal(0, 8, 3)
    pixels = np.clip(grey + 60 * (density[..., None] - 0.2), 0, 255)
    return Image.fromarray(np.dstack([pixels, alpha * 255]).astype(np.uint8))


def lace(rng: Rng, side_px: int) -> Image.Image:
    """An RGBA cloth full of holes: a warped mesh of threads, see-through, with a solid hem."""
    size = (side_px, side_px)
    y, x = np.mgrid[-1 : 1 : side_px * 1j, -1 : 1 : side_px * 1j].astype(np.float32)
    warp = [0.3 * (noise(rng, size, int(rng.integers(2, 5))) - 0.5) for _ in range(2)]
    turn, period = rng.uniform(0, np.pi), side_px / rng.uniform(5, 14)  # in pixels
    u = (x + warp[0]) * np.cos(turn) + (y + warp[1]) * np.sin(turn)
    v = (y + warp[1]) * np.cos(turn) - (x + warp[0]) * np.sin(turn)
    to_thread = [
        np.abs((w * side_px / (2 * period) + 0.5) % 1 - 0.5) * period  # pixels to the next thread
        for w in (u, v)
    ]
    thread = np.clip(rng.uniform(0.08, 0.22) * period - np.minimum(*to_thread) + 0.5, 0, 1)
    outline = 0.75 - np.hypot(x, y) + 0.5 * (noise(rng, size, int(rng.integers(3, 7))) - 0.5)
    inside = np.clip(outline * side_px / 4 + 0.5, 0, 1)
    hem = np.clip((0.06 - np.abs(outline - 0.06)) * side_px / 4 + 0.5, 0, 1)
    cloth = np.maximum(thread, rng.uniform(0, 0.35))  # a thin net between the threads
    picture = texture(rng, size)
    alpha = inside * np.maximum(cloth, hem)
    picture.putalpha(Image.fromarray((alpha * 255).astype(np.uint8)))
    return picture


def procedural_subject(rng: Rng, side_px: int) -> Image.Image:
    """An RGBA subject of about `side_px`: a solid with or without strands, a cloud, smoke, lace."""
    kind = rng.random()
    if kind < 0.1:
        return blob(rng, side_px, float(rng.uniform(0.3, 1.0)))
    if kind < 0.2:
        return smoke(rng, side_px)
    if kind < 0.3:
        return lace(rng, side_px)
    body = blob(rng, side_px)
    return attach_strands(rng, body, fur=kind < 0.5) if kind < 0.8 else body
