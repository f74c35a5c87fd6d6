"""The report's seam score is taken at the borders where each net's host side really stitches."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgematte.arrays import Bytes, Floats

pytest.importorskip("torch")

from edgematte.export.report import seam_lines
from edgematte.host import Host
from edgematte.runtime.bundle import open_bundle
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.nets.diffmatte import host as diffmatte
from edgematte.runtime.nets.diffmatte.pipeline import pipeline
from edgematte.runtime.nets.vitmatte import host as vitmatte
from edgematte.runtime.nets.vitmatte import steps as vitmatte_steps
from edgematte.runtime.proof.goldens import Goldens

SLOPE = 0.001  # of alpha along x, so that there is something inside
FRAME: dict[str, Any] = {"size": (192, 128), "feature_px": 16, "steps": 1, "seed": 0}
FRAME |= {"clamp_foreground": False}
DIFFUSION = diffmatte.TilesHost(**FRAME, patch=64, overlap=0)
VIT = vitmatte.TilesHost(size=(64, 48), overlap=16, padding=(0.5, 0.5, 0.5))


def score(model: str, host: Host, alpha: Floats, trimap: Bytes) -> tuple[float, str]:
    """The figure of the report, and its line."""
    manifest = replace(open_bundle().manifest, model=model, host=host)
    picture = np.zeros((*trimap.shape, 3), np.uint8)
    line = seam_lines(manifest, Goldens({}, {}, picture, trimap, alpha))[2]
    found = re.search(r"region: ([\d.]+|inf) \(", line)
    assert found is not None
    return float(found[1]), line


def with_step(shape: tuple[int, int], x: int) -> Floats:
    """Rises by ``SLOPE`` a pixel and by 0.3 more between x - 1 and x."""
    across = np.arange(shape[1]) * SLOPE + 0.3 * (np.arange(shape[1]) >= x)
    return np.broadcast_to(across, shape).astype(np.float32)


def ratio(steps: int, plain: int, inside_x: int, inside_y: int) -> float:
    """By construction: mean energy of a border's pairs, of which some have the step, over that of
    the pairs inside, of which those along x have the slope and those along y nothing."""
    across = (steps * (0.3 + SLOPE) ** 2 + plain * 0.0) / (steps + plain)
    return across / (inside_x * SLOPE**2 / (inside_x + inside_y))


class Constants:
    """DiffMatte's graphs; every tile answers with a constant of its own."""

    def __init__(self) -> None:
        self.calls = 0

    def encode(self, image: Floats, trimap: Floats) -> dict[str, Floats]:
        return {"feature": np.zeros((1, 1, image.shape[2] // 16, image.shape[3] // 16), np.float32)}

    def denoise(self, feature: Floats, condition: Floats, time: Floats) -> dict[str, Floats]:
        self.calls += 1
        return {"matte": np.full((1, 1, *condition.shape[2:]), -0.5 * self.calls, np.float32)}

    def table(self) -> dict[str, Any]:
        return {"encode": self.encode, "denoise": self.denoise}


def test_diffmatte_s_tiles_lie_where_the_unknown_pixels_are() -> None:
    """Unknown from x = 32 to 160: two tiles that meet at 96, where no grid has a border."""
    trimap = np.zeros((128, 192), np.uint8)
    trimap[64:, 32:160] = 128
    graphs = Constants()
    picture = np.zeros((128, 192, 3), np.uint8)
    found, _ = pipeline(DIFFUSION, graphs.table())(picture, trimap, Clock())
    assert graphs.calls == 2
    assert np.flatnonzero(np.diff(found[100, 32:160])).tolist() == [63]  # it steps at 96
    value, line = score("diffmatte-vits", DIFFUSION, with_step((128, 192), 96), trimap)
    assert "2 patches of 64x64" in line
    assert value == pytest.approx(ratio(64, 0, 126 * 64, 128 * 63), rel=1e-3)
    beside, _ = score("diffmatte-vits", DIFFUSION, with_step((128, 192), 128), trimap)
    assert beside < 0.1


def test_frames_of_a_larger_picture_are_borders_too() -> None:
    """Two frames of 192 in a picture of 320: the second begins at 128, the first ends at 192."""
    host = diffmatte.WholeHost(**FRAME, context=64)
    trimap = np.full((128, 320), 128, np.uint8)
    value, line = score("diffmatte-vits", host, with_step((128, 320), 128), trimap)
    assert "2 patches of 192x128" in line
    across = (128 * (0.3 + SLOPE) ** 2 + 128 * SLOPE**2) / 256
    inside = 317 * 128 * SLOPE**2 / (317 * 128 + 127 * 320)
    assert value == pytest.approx(across / inside, rel=1e-3)


def test_a_reduced_picture_has_no_borders_between_pixels() -> None:
    manifest = replace(open_bundle().manifest, model="diffmatte-vits", host=DIFFUSION)
    trimap = np.full((256, 384), 128, np.uint8)
    picture = np.zeros((256, 384, 3), np.uint8)
    goldens = Goldens({}, {}, picture, trimap, np.zeros((256, 384), np.float32))
    assert seam_lines(manifest, goldens) == []


def test_vitmatte_s_tiles_are_spread_evenly_over_the_picture() -> None:
    """Three tiles of 64 in 150 pixels begin at 0, 43 and 86 and end at 64, 107 and 150; of 48 in
    48 there is one."""
    trimap = np.full((48, 150), 128, np.uint8)
    boxes = vitmatte_steps.tiles(VIT, trimap=trimap)["tiles"]
    assert boxes[:, 0].tolist() == [0, 43, 86]
    value, line = score("vitmatte-tiny", VIT, with_step((48, 150), 107), trimap)
    assert "3 patches of 64x48" in line
    across = ((0.3 + SLOPE) ** 2 + 3 * SLOPE**2) / 4  # 43, 64, 86, 107
    inside = 145 * 48 * SLOPE**2 / (145 * 48 + 150 * 47)
    assert value == pytest.approx(across / inside, rel=1e-3)
    beside, _ = score("vitmatte-tiny", VIT, with_step((48, 150), 96), trimap)
    assert beside < 0.1


def test_vitmatte_s_tiles_are_no_squares() -> None:
    """Two tiles of 64x48 above each other in 64x80: a border at 32 and one at 48, none at 64."""
    trimap = np.full((80, 64), 128, np.uint8)
    across = ((0.3 + SLOPE) ** 2 + SLOPE**2) / 2
    inside = 77 * 64 * SLOPE**2 / (77 * 64 + 80 * 63)
    down = np.ascontiguousarray(with_step((64, 80), 48).T)
    value, _ = score("vitmatte-tiny", VIT, down, trimap)
    assert value == pytest.approx(across / inside, rel=1e-3)
    elsewhere = np.ascontiguousarray(with_step((64, 80), 64).T)
    assert score("vitmatte-tiny", VIT, elsewhere, trimap)[0] < 0.1
