"""The host side in TypeScript, proven in Node on bundles of every cut that it knows."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from web import WEB, node_with, run

from edgematte.cli import main
from edgematte.runtime.host.foreground import estimate_foreground

pytestmark = pytest.mark.export


@pytest.fixture(scope="module")
def node() -> str:
    """Where Node is; the packages of samples/web must be installed."""
    return node_with("typescript", "the TypeScript host")


def test_every_host_step_and_alpha_is_as_recorded(
    node: str, exported: Callable[..., Path], regional: Path, cascade: Path, tmp_path: Path
) -> None:
    """Node's own tests run on the shipped bundle and on these: both cuts, regional, a cascade."""
    lightweight = [exported("onnx", graphs=cut) for cut in ("fused", "split")]
    made = [*lightweight, regional, cascade]
    records = [tmp_path / f"goldens-{number}" for number in range(len(made))]
    for bundle, folder in zip(made, records, strict=True):
        assert main(["goldens", str(bundle), "--to", str(folder)]) == 0
    run(node, "node_modules/typescript/bin/tsc", "-p", "host")
    tests = sorted(str(file) for file in (WEB / "host" / "tests").glob("*.test.mjs"))
    printed = run(
        node,
        "--test",
        *tests,
        EDGEMATTE_BUNDLES=os.pathsep.join(map(str, made)),
        EDGEMATTE_GOLDENS=os.pathsep.join(map(str, records)),
    )
    for bundle, folder in zip(made, records, strict=True):
        assert f"- {bundle.name}: from picture to alpha" in printed, printed
        assert f"- {folder.name}, larger: " in printed, printed


def test_foreground_colours_are_those_of_the_python_host(node: str, tmp_path: Path) -> None:
    """A soft disc over stripes, larger than a block, with sides that are not powers of two.

    The same steps in other arithmetic (Node's sums are of doubles): a level apart at most.
    """
    height, width = 150, 211
    rows, columns = np.mgrid[:height, :width]
    radius = np.hypot(rows - 70, columns - 100)
    alpha = np.clip((60 - radius) / 25, 0, 1).astype(np.float32)
    stripes = np.stack([columns * 9, rows * 5, 255 - columns], -1) % 256
    disc = np.array([200, 40, 90])
    mixed = alpha[..., None] * disc + (1 - alpha[..., None]) * stripes
    picture = np.rint(mixed).astype(np.uint8)
    (tmp_path / "picture").write_bytes(picture.tobytes())
    (tmp_path / "alpha").write_bytes(alpha.tobytes())
    run(node, "node_modules/typescript/bin/tsc", "-p", "host")
    run(node, "host/tests/foreground.mjs", str(tmp_path), str(width), str(height))
    found = np.fromfile(tmp_path / "foreground", np.uint8).reshape(picture.shape)
    difference = np.abs(found.astype(int) - estimate_foreground(picture, alpha))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 1e-3
    soft = (alpha > 0.2) & (alpha < 1)
    assert np.abs(found[soft] - disc).mean() < np.abs(picture[soft] - disc).mean()
