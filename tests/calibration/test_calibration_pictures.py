"""Which pictures calibrate: seeded, streamed, counted."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from edgematte.arrays import Bytes
from edgematte.calibration.pictures import calibration_set
from edgematte.errors import OptionError


def numbered(count: int) -> Iterator[Bytes]:
    for number in range(count):
        yield np.full((4, 5, 3), number, np.uint8)


def values(pictures: tuple[Bytes, ...]) -> set[int]:
    return {int(p[0, 0, 0]) for p in pictures}


def test_the_same_seed_takes_the_same_pictures_and_keeps_some_apart() -> None:
    first, again = (calibration_set(numbered(100), limit=12, seed=3) for _ in range(2))
    other = calibration_set(numbered(100), limit=12, seed=4)
    assert first.sha256 == again.sha256 != other.sha256
    assert len(first.calibrating) == 9 and len(first.held_out) == 3
    assert not values(first.calibrating) & values(first.held_out)


def test_a_choice_reaches_the_end_of_a_long_stream() -> None:
    taken = calibration_set(numbered(250), limit=20, seed=0)
    assert max(values(taken.calibrating) | values(taken.held_out)) > 125


def test_one_changed_byte_is_another_set() -> None:
    pictures = list(numbered(8))
    before = calibration_set(pictures).sha256
    pictures[7] = pictures[7].copy()
    pictures[7][3, 4, 2] += 1
    assert calibration_set(pictures).sha256 != before


def test_damaged_files_are_skipped_and_named(png: Callable[..., Path], tmp_path: Path) -> None:
    for number in range(8):
        png(f"folder/p{number}.png", 20 + number, 16)
    (tmp_path / "folder" / "bad.png").write_bytes(b"not a picture")
    found = calibration_set(tmp_path / "folder")
    assert len(found.calibrating) + len(found.held_out) == 8
    assert len(found.skipped) == 1 and "bad.png" in found.skipped[0]


def test_few_pictures_warn_and_none_are_refused(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="calibrating with 3 pictures"):
        calibration_set(numbered(3))
    with pytest.raises(OptionError, match="at least 2 pictures"):
        calibration_set(numbered(1))
    with pytest.raises(OptionError, match="no folder"):
        calibration_set(tmp_path / "missing")


def test_made_pictures_differ_from_one_another() -> None:
    made = calibration_set(None)
    every = [p.tobytes() for p in (*made.calibrating, *made.held_out)]
    assert len(set(every)) == len(every) == 12
