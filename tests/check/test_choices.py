"""End to end where the host chooses: numbers on PyTorch's choices, flipped choices beside them."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgematte.arrays import Bytes, Floats
from edgematte.check.choices import Replay, flips
from edgematte.check.compare import compare_whole
from edgematte.errors import BundleError
from edgematte.manifest import Difference, Quality
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.nets.regional.host import RegionsHost
from edgematte.runtime.nets.regional.pipeline import Regions, pipeline
from edgematte.runtime.proof.goldens import Goldens
from edgematte.runtime.proof.tolerances import TOLERANCES

PICTURE = np.zeros((32, 32, 3), np.uint8)
TRIMAP = np.full((32, 32), 128, np.uint8)


class Chooser:
    """Alpha is 1 in the chosen rows and 0 elsewhere, all of it off by a little."""

    def __init__(self, rows: list[int], off: float = 0.0) -> None:
        self.rows, self.off = rows, off

    def __call__(self, picture: Bytes, trimap: Bytes | None, clock: Clock) -> tuple[Floats, Bytes]:
        chosen = clock.choose("rows", np.array(self.rows, np.int32)[:, None])
        alpha = np.full((32, 32), self.off, np.float32)
        alpha[chosen[:, 0]] += 1 - 2 * self.off
        return alpha, TRIMAP


def goldens(rows: list[int]) -> Goldens:
    clock = Clock()
    alpha, trimap = Chooser(rows)(PICTURE, None, clock)
    return Goldens({}, {}, PICTURE, trimap, alpha, clock.choices)


def compared(one: Chooser) -> tuple[dict[str, Difference], list[Quality]]:
    found, quality = compare_whole(goldens([3, 5, 9]), one, "x", TOLERANCES["fp16"])
    return {f"{d.equality}: {d.where}": d for d in found}, quality


def test_a_flipped_choice_is_counted_and_does_not_hide_the_numbers() -> None:
    found, quality = compared(Chooser([3, 5, 8], off=0.0005))
    judged = found["end-to-end: alpha"]
    assert judged.ok and judged.max_abs == pytest.approx(0.0005, rel=0.01)
    counted = found["choices: rows, 2 of 4 chosen by one only"]
    assert counted.mean_abs == 0.5 and counted.ok and counted.tolerance_max is None
    seen = found["choices: alpha, as chosen"]
    assert seen.max_abs > 0.99 and seen.mean_abs == pytest.approx(2 / 32, rel=0.05)
    assert quality[0].mad == pytest.approx(2 / 32, rel=0.05)  # what a person sees


def test_numbers_that_are_off_fail_whatever_is_chosen() -> None:
    for rows in ([3, 5, 9], [1], []):
        assert not compared(Chooser(rows, off=0.03))[0]["end-to-end: alpha"].ok


def test_the_same_choice_is_no_flip() -> None:
    found, _ = compared(Chooser([3, 5, 9]))
    assert found["choices: rows, 0 of 3 chosen by one only"].max_abs == 0
    assert found["choices: alpha, as chosen"].max_abs == 0


def test_nothing_chosen_on_either_side() -> None:
    (row,) = flips({"rows": np.zeros((0, 2), int)}, {"rows": np.zeros((0, 2), int)}, "x")
    assert row.mean_abs == row.max_abs == 0 and "0 of 0" in row.where


def test_without_choices_there_is_one_comparison() -> None:
    alpha = np.zeros((32, 32), np.float32)

    def plain(picture: Bytes, trimap: Bytes | None, clock: Clock) -> tuple[Floats, Bytes]:
        return alpha, TRIMAP

    found, _ = compare_whole(Goldens({}, {}, PICTURE, TRIMAP, alpha), plain, "x", None)
    assert [d.equality for d in found] == ["end-to-end"]


def test_a_choice_that_is_not_recorded_stays_the_engines_own() -> None:
    clock = Replay({})
    np.testing.assert_array_equal(clock.choose("cells", np.arange(3)), np.arange(3))


@pytest.mark.parametrize(
    "cells",
    [
        np.array([[0, 4]]),
        np.array([[-1, 0]]),
        np.array([[4, 0]]),
        np.array([0, 1]),
        np.array([[0.0, 1.0]]),
    ],
)
def test_recorded_cells_outside_of_the_frame_are_refused(cells: NDArray[Any]) -> None:
    def coarse(image: Floats) -> dict[str, Floats]:
        return {
            "alpha": np.zeros((1, 1, 32, 32), np.float32),
            "cell_alpha": np.zeros((1, 1, 4, 4), np.float32),
            "cell_trimap": np.full((1, 3, 4, 4), 1 / 3, np.float32),
        }

    def refine(region: Floats) -> dict[str, Floats]:
        return {"cell": region[:, :1]}

    table: dict[str, Any] = {"coarse": coarse, "refine": refine}
    made = pipeline(RegionsHost(size=(32, 32), regions=2), table)
    assert isinstance(made, Regions)
    with pytest.raises(BundleError, match="recorded cells"):
        made(PICTURE, None, Replay({"cells": cells}))
