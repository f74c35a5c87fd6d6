"""DiffMatte's training: two self-aligned passes with uniform time intervals, and the loss.

Mattes, times and denoisers are those of :mod:`edgematte.models.diffmatte.diffusion`.
"""

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from edgematte.models.diffmatte.diffusion import Denoiser, add_noise, standardise
from edgematte.training.losses.vitmatte import vitmatte_loss


def draw_times(batch: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """A later time t + d and the time t to train at, both (B,): d ~ U(0, 1), t ~ U(0, 1) (1 - d).

    Uniform intervals: sampling steps of any length have been trained for.
    """
    interval = torch.rand(batch, generator=generator)
    time = torch.rand(batch, generator=generator) * (1 - interval)
    return time + interval, time


def self_aligned_passes(
    denoise: Denoiser, matte: Tensor, noise: Tensor, later: Tensor, time: Tensor
) -> Tensor:
    """x_0 as the second pass finds it, with a gradient for that pass alone; (B, 1, H, W).

    First pass, at the later time: x_0' = denoise(x_(t+d)), from the truth, as in plain training.
    Second pass, at t: denoise(x_t) where x_t is formed from x_0' in the truth's place with the
    same noise, as a sampler does, which never has the truth.
    """
    with torch.no_grad():
        guess = denoise(standardise(add_noise(matte, later, noise)), later)
    return denoise(standardise(add_noise(guess.detach(), time, noise)), time)


def diffmatte_loss(
    denoise: Denoiser, alpha: Tensor, unknown: Tensor, noise: Tensor, later: Tensor, time: Tensor
) -> dict[str, Tensor]:
    """Mean squared error and ViTMatte's terms, in [-1, 1] as in the authors' code, and `total`.

    Args: alpha (B, 1, H, W) in [0, 1]; unknown 1 where the trimap is, else 0; noise of alpha's
    shape from a standard normal; later, time (B,) from `draw_times`.
    """
    matte = 2 * alpha - 1
    predicted = self_aligned_passes(denoise, matte, noise, later, time)
    parts = {"mse": F.mse_loss(predicted, matte), **vitmatte_loss(predicted, matte, unknown)}
    return {**parts, "total": parts["mse"] + parts["total"]}
