"""Changes of colour, focus and grain of a batch, with a sample's own numbers for each of them.

Every number is drawn on the processor, and grain comes from a hash of the pixel, so that all
devices make the same pictures from equal seeds, up to rounding.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

Rng = np.random.Generator
GREY = (0.299, 0.587, 0.114)
LARGE = 0x7FFFFFFF


@dataclass(frozen=True)
class Tone:
    """Gamma, contrast, brightness, casts of red, green, blue, then a matrix for hue and saturation.

    The same distributions as `edgematte.training.pictures.augment.colour` draws from.
    """

    gamma: float
    contrast: float
    bias: float
    casts: NDArray[np.float64]
    matrix: NDArray[np.float64]


def draw_tone(rng: Rng) -> Tone:
    """A random change of colours."""
    gamma, contrast = np.exp(rng.normal(0, 0.25)), np.exp(rng.normal(0, 0.2))
    bias, casts = rng.normal(0, 0.06), np.exp(rng.normal(0, 0.08, 3))
    saturation = rng.uniform(0.4, 1.5) if rng.random() < 0.5 else 1.0
    if rng.random() < 0.04:
        saturation = 0.0
    angle = math.radians(rng.normal(0, 20)) if rng.random() < 0.3 else 0.0
    grey = np.tile(np.array(GREY), (3, 1))
    matrix = _turn(angle) @ (grey + saturation * (np.eye(3) - grey))
    return Tone(float(gamma), float(contrast), float(bias), casts, matrix)


def _turn(angle: float) -> NDArray[np.float64]:
    """The matrix that turns colours about the axis of greys."""
    axis = np.full(3, 3**-0.5)
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    about: NDArray[np.float64] = (
        np.cos(angle) * np.eye(3)
        + np.sin(angle) * cross
        + (1 - np.cos(angle)) * np.outer(axis, axis)
    )
    return about


def toned(image: Tensor, tones: list[Tone]) -> Tensor:
    """Images (B, 3, H, W) in [0, 1] with each sample's tone."""

    def numbers(values: object) -> Tensor:
        array = np.asarray(values, dtype=np.float32)
        return torch.from_numpy(array).to(image.device).reshape(len(tones), -1, 1, 1)

    curve = image.clamp_min(1e-6) ** numbers([t.gamma for t in tones]) - 0.5
    curve = curve * numbers([t.contrast for t in tones]) + 0.5 + numbers([t.bias for t in tones])
    curve = (curve * numbers([t.casts for t in tones])).clamp(0, 1)
    matrices = np.stack([t.matrix for t in tones]).astype(np.float32)
    matrix = torch.from_numpy(matrices).to(image.device)
    return torch.einsum("bij,bjhw->bihw", matrix, curve).clamp(0, 1)


def blurred(image: Tensor, radii_px: list[float]) -> Tensor:
    """Images (B, C, H, W), each with a Gaussian of its own radius; 0 leaves an image as it is."""
    rows = [i for i, radius in enumerate(radii_px) if radius > 0]
    if not rows:
        return image
    reach = math.ceil(2.5 * max(radii_px))
    across = torch.arange(-reach, reach + 1, device=image.device, dtype=torch.float32)
    radii = torch.tensor([radii_px[i] for i in rows], device=image.device)[:, None]
    weights = torch.exp(-0.5 * (across / radii) ** 2)
    weights = weights / weights.sum(dim=1, keepdim=True)
    at = torch.tensor(rows, device=image.device)
    part = image[at]
    number, channels, height, width = part.shape
    flat = part.reshape(1, number * channels, height, width)
    each = weights.repeat_interleave(channels, dim=0)[:, None]
    for kernel, pad in (
        (each[:, :, :, None], (0, 0, reach, reach)),
        (each[:, :, None], (reach,) * 2 + (0, 0)),
    ):
        padded = F.pad(flat, pad, mode="replicate")
        flat = F.conv2d(padded, kernel, groups=number * channels)
    changed = image.clone()
    changed[at] = flat.reshape(part.shape)
    return changed


def grained(image: Tensor, strengths: list[float], seeds: list[int]) -> Tensor:
    """Images in [0, 1] with noise of these standard deviations, about normal, the same anywhere."""
    number, channels, height, width = image.shape
    pixel = torch.arange(channels * height * width, device=image.device)
    start = torch.tensor(seeds, device=image.device)[:, None]
    total = torch.zeros(number, len(pixel), device=image.device)
    for turn in range(4):  # the sum of four uniform numbers has a variance of a third
        mixed = (pixel * 0x9E3779B1 + start * 0x85EBCA77 + turn * 0xC2B2AE3D) & LARGE
        for shift in (15, 13):
            mixed = ((mixed ^ (mixed >> shift)) * 0x2C1B3C6D) & LARGE
        mixed = mixed ^ (mixed >> 16)
        total = total + mixed.float() / LARGE - 0.5
    scale = torch.tensor(strengths, device=image.device)[:, None] * 3**0.5
    return (image + (total * scale).reshape(image.shape)).clamp(0, 1)
