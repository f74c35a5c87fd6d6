"""The sampler of DiffMatte: times, noise levels, and one deterministic step (DDIM).

"Diffusion for Natural Image Matting" (ECCV 2024). A noisy matte at time t is

    x_t = b sqrt(gamma) x_0 + sqrt(1 - gamma) noise,    gamma = max(1 - t, 1e-9),    b = 0.2

with x_0 = 2 alpha - 1. The network sees x_t divided by its deviation and answers with x_0.
"""

import math
from dataclasses import dataclass

import numpy as np

from edgematte.arrays import Floats
from edgematte.ranges import check
from edgematte.runtime.nets.diffmatte.host import STEPS_RANGE

SIGNAL = 0.2  # b: a weak signal, because neighbouring pixels show what the noise of one hides
LEAST_GAMMA = 1e-9
LEAST_DEVIATION = 1e-5
LEAST_NOISE = 1e-10
STEPS = 10


@dataclass(frozen=True)
class Step:
    """One step of the sampler, from a time to an earlier one; both in [0, 1], at 1 all is noise."""

    time: float
    following: float


def schedule(steps: int) -> tuple[Step, ...]:
    """``steps`` steps of equal length from time 1 to time 0.

    Raises:
        OptionError: not 1 to 50 steps.
    """
    check_steps(steps)
    times = [1 - i / steps for i in range(steps)] + [0.0]
    return tuple(Step(times[i], times[i + 1]) for i in range(steps))


def levels(time: float) -> tuple[float, float]:
    """The factors of matte and noise at a time: b sqrt(gamma) and sqrt(1 - gamma)."""
    gamma = max(1 - time, LEAST_GAMMA)
    return SIGNAL * math.sqrt(gamma), math.sqrt(1 - gamma)


def standardised(noisy: Floats) -> Floats:
    """x_t divided by its population deviation, at least 1e-5; its mean is not subtracted.

    ``noisy`` (h, w) is without padding, so that the deviation is that of the picture alone.
    """
    deviation = max(float(np.std(noisy, dtype=np.float64)), LEAST_DEVIATION)
    return noisy / np.float32(deviation)


def advance(noisy: Floats, matte: Floats, step: Step) -> Floats:
    """x at the end of the step, from x at its start and the network's x_0, clamped to [-1, 1]:

    noise = (x_t - b sqrt(gamma) x_0) / max(sqrt(1 - gamma), 1e-10);
    x_t' = b sqrt(gamma') x_0 + sqrt(1 - gamma') noise.
    """
    signal, deviation = levels(step.time)
    next_signal, next_deviation = levels(step.following)
    ratio = next_deviation / max(deviation, LEAST_NOISE)
    return np.float32(ratio) * noisy + np.float32(next_signal - ratio * signal) * clamped(matte)


def clamped(matte: Floats) -> Floats:
    """x_0 limited to [-1, 1]."""
    return np.clip(matte, np.float32(-1), np.float32(1))


def check_steps(steps: int) -> None:
    """Refuse a number of steps that the sampler cannot take.

    Raises:
        OptionError: not a whole number from 1 to 50.
    """
    check("steps", steps, STEPS_RANGE)
