"""DiffMatte's diffusion: adding noise to a matte, and the sampler that removes it.

"Diffusion for Natural Image Matting" (ECCV 2024). Mattes are x = 2 alpha - 1 in
[-1, 1]; times are in [0, 1], and at 1 all is noise. Nothing here depends on the network: a denoiser
is any function of (standardised x_t (B, 1, H, W), t (B,)) that gives x_0 in [-1, 1].
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

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
    """x_t / max(std(x_t), 1e-5), with the population deviation of each picture, for a denoiser.

    The mean is not subtracted.
    """
    deviation = noisy.std(dim=(1, 2, 3), keepdim=True, unbiased=False)
    return noisy / deviation.clamp_min(LEAST_DEVIATION)


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
