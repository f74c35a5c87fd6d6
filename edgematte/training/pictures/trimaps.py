"""Trimaps as inputs of nets, and random numbers that depend only on the samples."""

from torch import Generator, Tensor, stack


def chance(image: Tensor, alpha: Tensor) -> Generator:
    """A generator seeded by a batch, so that a resumed run draws the same numbers."""
    pixels = (image.double().sum() + alpha.double().sum()) * 255
    return Generator().manual_seed(int(pixels))


def one_hot(trimap: Tensor, order: tuple[int, int, int]) -> Tensor:
    """Trimaps (..., H, W) of 0, 128, 255 -> (..., 3, H, W), one plane for each value of `order`."""
    return stack([trimap == value for value in order], dim=-3).float()


def grey(trimap: Tensor, unknown: float = 0.5) -> Tensor:
    """Background, unknown, foreground (B, 3, H, W) as one plane of 0, ``unknown`` and 1."""
    return unknown * trimap[:, 1:2] + trimap[:, 2:3]
