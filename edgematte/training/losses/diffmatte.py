"""DiffMatte's training: noise, two self-aligned passes with uniform time intervals, the loss.

"Diffusion for Natural Image Matting" (ECCV 2024). Mattes are x = 2 alpha - 1 in
[-1, 1]; times are in [0, 1], 1 is noise alone. Nothing here knows the network: a denoiser is any
function of (standardised x_t (B, 1, H, W), t (B,)) that gives x_0 in [-1, 1].
"""

from collections.abc import Callable, Iterator

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from edgematte.training.losses.vitmatte import vitmatte_loss

Denoiser = Callable[[Tensor, Tensor], Tensor]

SCALE = 0.2  # b: a weaker signal, because neighbouring pixels tell what one pixel's noise hides
LEAST_SIGNAL, LEAST_DEVIATION, LEAST_NOISE = 1e-9, 1e-5, 1e-10


def signal_and_noise(time: Tensor) -> tuple[Tensor, Tensor]:
    """b sqrt(gamma) and sqrt(1 - gamma), gamma = max(1 - t, 1e-9); (B,) -> two (B, 1, 1, 1)."""
    gamma = (1 - time).clamp_min(LEAST_SIGNAL)[:, None, None, None]
    return SCALE * gamma.sqrt(), (1 - gamma).sqrt()


def add_noise(matte: Tensor, time: Tensor, noise: Tensor) -> Tensor:
    """x_t = b sqrt(gamma_t) x_0 + sqrt(1 - gamma_t) eps; all (B, 1, H, W) but time (B,)."""
    signal, deviation = signal_and_noise(time)
    return signal * matte + deviation * noise


def standardise(noisy: Tensor) -> Tensor:
    """x_t / max(std(x_t), 1e-5), the population's deviation of each picture: what a denoiser sees.

    The mean stays.
    """
    deviation = noisy.std(dim=(1, 2, 3), keepdim=True, unbiased=False)
    return noisy / deviation.clamp_min(LEAST_DEVIATION)


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


def sample(denoise: Denoiser, noise: Tensor, steps: int) -> Iterator[Tensor]:
    """x_0 in [-1, 1] after each step of the deterministic sampler, from noise (B, 1, H, W).

    Steps of equal length from time 1 to 0; x_t' = b sqrt(gamma') x_0 + sqrt(1 - gamma') eps, where
    eps is what is left of x_t without x_0.
    """
    noisy, times = noise, torch.linspace(1, 0, steps + 1, device=noise.device)
    for now, following in zip(times[:-1], times[1:], strict=True):
        time, later = now.expand(len(noise)), following.expand(len(noise))
        matte = denoise(standardise(noisy), time).clamp(-1, 1)
        yield matte
        signal, deviation = signal_and_noise(time)
        eps = (noisy - signal * matte) / deviation.clamp_min(LEAST_NOISE)
        signal, deviation = signal_and_noise(later)
        noisy = signal * matte + deviation * eps


def diffmatte_loss(
    denoise: Denoiser, alpha: Tensor, unknown: Tensor, noise: Tensor, later: Tensor, time: Tensor
) -> dict[str, Tensor]:
    """Mean squared error and ViTMatte's terms, in [-1, 1] as in the authors' code, and `total`.

    Args: alpha (B, 1, H, W) in [0, 1]; unknown 1 where the trimap is, else 0; noise of alpha's
    shape from a standard normal; later, time (B,) from `draw_times`.
    """
    matte = 2 * alpha - 1
    found = self_aligned_passes(denoise, matte, noise, later, time)
    parts = {"mse": F.mse_loss(found, matte), **vitmatte_loss(found, matte, unknown)}
    return {**parts, "total": parts["mse"] + parts["total"]}
