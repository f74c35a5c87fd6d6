"""Whether class probabilities are what they say: reliability, and the temperature that mends it.

Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from edgematte.errors import OptionError
from edgematte.training.evaluation.matte import Checkpoint, Scored
from edgematte.training.losses.lightweight import UNKNOWN, trimap_target
from edgematte.training.pictures.sources import Photo

BINS = 15  # of equal width, as in the paper
STEP_PX = 4  # every fourth pixel of every fourth row: an eighth is what the net resolves
RADIUS_PX = 3  # how far the unknown band of the truth is grown: the middle of what training takes
RANGE = (0.25, 4.0)  # of temperatures

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Samples:
    """Pixels of pictures: logits (N, 3), and their true classes (N,)."""

    logits: Floats
    classes: NDArray[np.int64]


@dataclass(frozen=True)
class Bin:
    """Pixels of about one probability: its mean, how often it came true, and their share."""

    said: float
    true: float
    share: float


def samples_of(net: Scored, photos: Iterable[Photo]) -> list[Samples]:
    """Some pixels of each photograph: what the net says of their classes, and what is true.

    Raises:
        OptionError: the net is a bundle, which gives its probabilities to the host alone.
    """
    if not isinstance(net, Checkpoint):
        raise OptionError(
            "the confidence of a bundle cannot be scored: give weights of the lightweight net"
        )
    parts = []
    for photo in photos:
        logits = net.logits(photo.image)
        size = logits.shape[2], logits.shape[1]
        alpha = photo.alpha.resize(size, Image.Resampling.BILINEAR)
        parts.append(some_pixels(logits, np.asarray(alpha, np.float32) / np.float32(255)))
    return parts


def some_pixels(logits: Floats, alpha: Floats) -> Samples:
    """Logits (3, h, w) and true alpha (h, w) of one picture -> pixels of a coarse grid."""
    plane = torch.from_numpy(alpha)[None, None]
    classes = trimap_target(plane, torch.ones_like(plane), RADIUS_PX)[0].numpy()
    some = slice(STEP_PX // 2, None, STEP_PX)
    return Samples(logits[:, some, some].reshape(3, -1).T, classes[some, some].reshape(-1))


def joined(parts: Sequence[Samples]) -> Samples:
    """The pixels of several pictures."""
    return Samples(
        np.concatenate([part.logits for part in parts]),
        np.concatenate([part.classes for part in parts]),
    )


def log_probabilities(logits: Floats, temperature: float) -> NDArray[np.float64]:
    """Logits (N, 3) over a temperature -> log probabilities (N, 3)."""
    scaled = logits.astype(np.float64) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    scaled -= np.log(np.exp(scaled).sum(axis=1, keepdims=True))
    return scaled


def likelihood(samples: Samples, temperature: float) -> float:
    """Mean negative log likelihood of the true classes."""
    found = log_probabilities(samples.logits, temperature)
    return float(-found[np.arange(len(found)), samples.classes].mean())


def fitted_temperature(samples: Samples) -> float:
    """The temperature of the largest likelihood, within 0.1 %.

    The likelihood is concave in 1 / temperature, so that a search by thirds finds it.
    """
    low, high = (math.log(value) for value in RANGE)
    while high - low > 1e-3:
        third = (high - low) / 3
        left, right = (likelihood(samples, math.exp(x)) for x in (low + third, high - third))
        low, high = (low, high - third) if left < right else (low + third, high)
    return math.exp((low + high) / 2)


def reliability(said: NDArray[np.floating[Any]], true: NDArray[np.bool_]) -> list[Bin]:
    """Probabilities (N,) and what came true (N,), in bins; empty ones are left out."""
    number = np.minimum((said * BINS).astype(np.int64), BINS - 1)
    counts = np.bincount(number, minlength=BINS)
    sums = (np.bincount(number, values, BINS) for values in (said, true))
    return [
        Bin(float(mean / count), float(often / count), float(count / len(said)))
        for mean, often, count in zip(*sums, counts, strict=True)
        if count
    ]


def calibration_error(bins: Sequence[Bin]) -> float:
    """Expected calibration error: how far the bins are from what they say, by their shares."""
    return sum(b.share * abs(b.said - b.true) for b in bins)


def confidence(parts: Sequence[Samples]) -> dict[str, Any]:
    """Every second picture fits the temperature, the others are reported on.

    `likeliest` is about the likeliest class and how often it is the true one, `unknown` about
    P(unknown); each has its calibration error and its bins. `nll` is the mean negative log
    likelihood.

    Raises:
        OptionError: there are fewer than two pictures.
    """
    if len(parts) < 2:
        raise OptionError(
            "a confidence takes two pictures with alphas or more, to fit a temperature on some and "
            f"report on the others; there are {len(parts)}"
        )
    temperature = fitted_temperature(joined(parts[::2]))
    rest = joined(parts[1::2])
    ways = {"plain": 1.0, "tempered": temperature}
    rows = {name: _believed(rest, divisor) for name, divisor in ways.items()}
    return {"pictures": len(parts[1::2]), "temperature": temperature, **rows}


def _believed(samples: Samples, temperature: float) -> dict[str, Any]:
    found = np.exp(log_probabilities(samples.logits, temperature))
    tables = {
        "likeliest": reliability(found.max(axis=1), found.argmax(axis=1) == samples.classes),
        "unknown": reliability(found[:, UNKNOWN], samples.classes == UNKNOWN),
    }
    told = {
        name: {"ece": calibration_error(bins), "bins": [asdict(b) for b in bins]}
        for name, bins in tables.items()
    }
    return {"nll": likelihood(samples, temperature), **told}
