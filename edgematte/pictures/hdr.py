"""HDR pictures of AVIF and HEIF: what their values mean by ITU-T H.273, as light."""

import struct
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edgematte.pictures.primaries import SRGB, Chromaticities

TRANSFERS = {16: "PQ", 18: "HLG"}
BT2020: Chromaticities = (0.708, 0.292, 0.17, 0.797, 0.131, 0.046, 0.3127, 0.329)
P3: Chromaticities = (0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.329)
PRIMARIES = {1: SRGB, 9: BT2020, 12: P3}
HEAD = 1 << 16  # bytes in which a file describes its pictures
WHITE_NITS, PQ_NITS, HLG_NITS = 203.0, 10_000.0, 1000.0
"""Diffuse white (BT.2408), the brightest of PQ (BT.2100), of HLG's usual screen."""


@dataclass(frozen=True)
class Coding:
    """Numbers of H.273."""

    primaries: int
    transfer: int

    @property
    def words(self) -> str:
        """As people call it."""
        return f"HDR ({TRANSFERS[self.transfer]})"

    @property
    def chromaticities(self) -> Chromaticities:
        """Of the primaries; BT.2020's where the number is none that HDR has."""
        return PRIMARIES.get(self.primaries, BT2020)


def coding_of(data: bytes) -> Coding | None:
    """The coding of an AVIF or HEIF file by its first box of that; None where it is no HDR."""
    place = data.find(b"colrnclx", 0, HEAD)
    if place < 0 or len(data) < place + 12:
        return None
    primaries, transfer = struct.unpack_from(">HH", data, place + 8)
    return Coding(primaries, transfer) if transfer in TRANSFERS else None


def light_of(colours: NDArray[np.unsignedinteger], coding: Coding) -> NDArray[np.float32]:
    """Stored values (H, W, 3), uint8 or uint16 -> light on a screen, 1 being diffuse white."""
    levels = int(np.iinfo(colours.dtype).max) + 1
    if coding.transfer == 16:
        return np.asarray(_pq(levels)[colours])
    scene = _hlg(levels)[colours]
    bright = scene @ np.array([0.2627, 0.678, 0.0593], np.float32)
    return np.asarray((bright**0.2 * (HLG_NITS / WHITE_NITS))[..., None] * scene, np.float32)


@lru_cache(4)
def _pq(levels: int) -> NDArray[np.float32]:
    """The EOTF of BT.2100, table 4, of each of so many levels."""
    powers = np.linspace(0, 1, levels) ** (4096 / 2523 / 128)
    below = np.maximum(powers - 3424 / 4096, 0)
    share = below / (2413 / 128 - 2392 / 128 * powers)
    return np.asarray(share ** (16_384 / 2610) * (PQ_NITS / WHITE_NITS), np.float32)


@lru_cache(4)
def _hlg(levels: int) -> NDArray[np.float32]:
    """The light of the scene by BT.2100, table 5, of each of so many levels."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    values = np.linspace(0, 1, levels)
    scene = np.where(values <= 0.5, values * values / 3, (np.exp((values - c) / a) + b) / 12)
    return np.asarray(scene, np.float32)
