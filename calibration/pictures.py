"""Calibration pictures: a seeded subset of a folder or iterable, of which a part is held out."""

import hashlib
import itertools
import random
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edgematte.arrays import Bytes
from edgematte.errors import OptionError, PictureError
from edgematte.pictures import read_picture
from edgematte.pictures.folders import sort_files
from edgematte.runtime.host.resize import resize_picture
from edgematte.testcard import testcard

FEWEST = 8
MOST = 32
LONGEST_PX = 2048  # larger pictures are reduced, because all are kept in memory


@dataclass(frozen=True)
class CalibrationSet:
    """Pictures (H, W, 3) uint8 RGB: those that calibrate, those that judge, and skipped files."""

    calibrating: tuple[Bytes, ...]
    held_out: tuple[Bytes, ...]
    skipped: tuple[str, ...] = field(default=())  # files that could not be read, and why

    @property
    def sha256(self) -> str:
        """The sha256 of the shapes and bytes of all pictures, in order."""
        digest = hashlib.sha256()
        for picture in (*self.calibrating, *self.held_out):
            digest.update(f"{picture.shape}".encode())
            digest.update(np.ascontiguousarray(picture).tobytes())
        return digest.hexdigest()


def calibration_set(
    source: Path | str | Iterable[Bytes] | None, *, limit: int = MOST, seed: int = 0
) -> CalibrationSet:
    """Take pictures for calibration and for judging the result.

    Args:
        source: a folder (with all folders in it, in the order of names); an iterable of pictures,
            which is streamed; or None for a few pictures made of formulas, which calibrate worse
            than real pictures of the kind that the app will see.
        limit: how many pictures are taken at most, chosen at random from all.
        seed: seed of the choice.

    Raises:
        OptionError: there is no such folder, or too few pictures that can be read.
    """
    skipped: list[str] = []
    if source is None:
        taken = list(itertools.islice(_made(), limit))
    elif isinstance(source, Path | str):
        taken = _read(Path(source), limit, seed, skipped)
    else:
        taken = [_reduced(picture) for _, picture in _chosen(source, limit, seed)]
    if len(taken) < 2:
        raise OptionError(
            f"calibration needs at least 2 pictures, better {FEWEST}; found {len(taken)}"
            + (f" ({skipped[0]})" if skipped else "")
        )
    if len(taken) < FEWEST:
        warnings.warn(
            f"calibrating with {len(taken)} pictures; with fewer than {FEWEST} the ranges may miss "
            "what other pictures need",
            stacklevel=2,
        )
    held = min(8, max(1, len(taken) // 4))
    return CalibrationSet(tuple(taken[held:]), tuple(taken[:held]), tuple(skipped))


def _read(folder: Path, limit: int, seed: int, skipped: list[str]) -> list[Bytes]:
    if not folder.is_dir():
        why = ", which is a file: unpack archives, and give the folder" if folder.exists() else ""
        raise OptionError(f"no folder of calibration pictures at {folder}{why}")
    files, _ = sort_files(folder.rglob("*"))
    random.Random(seed).shuffle(files)
    taken: list[Bytes] = []
    for file in files:
        if len(taken) == limit:
            break
        try:
            taken.append(_reduced(read_picture(file)))
        except PictureError as error:
            skipped.append(str(error))
    return taken


def _chosen(source: Iterable[Bytes], limit: int, seed: int) -> list[tuple[int, Bytes]]:
    """A seeded choice from a stream of unknown length, in the stream's order (algorithm R)."""
    kept: list[tuple[int, Bytes]] = []
    chance = random.Random(seed)
    for number, picture in enumerate(source):
        if len(kept) < limit:
            kept.append((number, picture))
            continue
        place = chance.randrange(number + 1)
        if place < limit:
            kept[place] = (number, picture)
    return sorted(kept, key=lambda pair: pair[0])


def _reduced(picture: Bytes) -> Bytes:
    height, width = picture.shape[:2]
    factor = min(1.0, LONGEST_PX / max(height, width))
    if factor == 1.0:
        return picture
    return resize_picture(picture, (max(1, round(width * factor)), max(1, round(height * factor))))


def _made() -> Iterable[Bytes]:
    """Variations of the test card: mirrored, turned, darker, tinted, of several sizes."""
    sides = ((512, 512), (640, 480), (352, 224), (480, 640))
    for number in range(12):
        card = testcard(*sides[number % 4])
        if number % 3 == 1:
            card = card[:, ::-1]
        if number % 3 == 2:
            card = card[::-1].transpose(1, 0, 2)
        gain = 1 - 0.12 * (number // 4) * np.array([1, 0.5, 2])[np.roll(np.arange(3), number)]
        yield np.ascontiguousarray((card * gain).astype(np.uint8))
