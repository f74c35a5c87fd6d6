"""The host side in TypeScript, proven in Node on bundles of every cut that it knows."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch")

from web import WEB, node_with, run

from edgematte.cli import main

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
