"""Writing golden records; :mod:`edgematte.runtime.proof.goldens` describes and reads them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgematte.runtime.proof.goldens import (
    FOLDER,
    ROWS,
    SHARED,
    Arrays,
    Goldens,
    from_bytes,
    repeated,
)

SAMPLES = 48 * 48  # kept of one output plane at most


def stride_for(shape: tuple[int, ...]) -> int:
    """The smallest power of two that keeps a plane within ``SAMPLES``; 1 if it is not a plane."""
    stride = 1
    while len(shape) > 2 and shape[-1] * shape[-2] / stride**2 > SAMPLES:
        stride *= 2
    return stride


def to_bytes(unit: NDArray[Any]) -> NDArray[np.uint8]:
    """Values in [0, 1] -> the nearest bytes."""
    rounded: NDArray[np.uint8] = np.rint(np.clip(unit, 0, 1) * 255).astype(np.uint8)
    return rounded


def coarse(planes: NDArray[Any]) -> NDArray[np.uint8]:
    """Probabilities (.., 3, H, W) rounded to few different bytes, so that records stay small.

    The bytes are multiples of 16 plus the class's number. So two classes are never equally likely,
    and no port has to break ties as NumPy does.
    """
    levels = np.rint(np.clip(planes, 0, 1) * 15).astype(np.uint8) * np.uint8(16)
    shifted: NDArray[np.uint8] = levels + np.arange(3, dtype=np.uint8)[:, None, None]
    return shifted


def pack(value: NDArray[np.float32]) -> NDArray[Any]:
    """A graph's input in the smallest form that loses nothing; ``unpack`` is the inverse."""
    rows = value[:ROWS]
    if np.array_equal(repeated(rows, len(value)), value):
        value = rows
    if np.array_equal(from_bytes(to_bytes(value)), value):
        return to_bytes(value)
    half = value.astype(np.float16)
    return half if np.array_equal(half.astype(np.float32), value) else value


def save(goldens: Goldens, bundle: Path) -> None:
    """Write the records under ``bundle/golden``."""
    folder = bundle / FOLDER
    folder.mkdir()
    for name, record in goldens.graphs.items():
        arrays: Arrays = {f"in.{k}": pack(v) for k, v in record.inputs.items()}
        arrays["stride"] = np.array(record.stride, np.int32)
        arrays |= {f"out.{k}": v for k, v in record.outputs.items()}
        _store(folder / f"{name}.npz", arrays)
    shared = {"picture": goldens.picture, "trimap": goldens.trimap}
    once = {
        k: v
        for k, v in goldens.host.items()
        if k not in SHARED or not np.array_equal(v, shared[k])  # its trimap may be rounded
    }
    _store(folder / "host.npz", once)
    whole: Arrays = {"picture": goldens.picture, "trimap": goldens.trimap}
    whole["alpha"] = _to_words(goldens.alpha)
    if goldens.clip is not None:
        whole["clip"] = _to_words(goldens.clip)
    whole |= {f"choice.{name}": rows for name, rows in goldens.choices.items()}
    _store(folder / "end_to_end.npz", whole)


def _store(file: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    np.savez_compressed(file, allow_pickle=False, **arrays)


def _to_words(alpha: NDArray[np.float32]) -> NDArray[np.uint16]:
    words: NDArray[np.uint16] = np.rint(alpha * 65535).astype(np.uint16)
    return words
