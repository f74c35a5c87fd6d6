"""The page of samples/web in a headless Chromium: Node's tests, and its alpha beside Python's."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import edgematte
from edgematte.errors import EngineError
from edgematte.pictures import open_picture
from edgematte.runtime.engines.browser import places

ROOT = Path(__file__).parents[1]
WEB = ROOT / "samples" / "web"
APART = 0.01
"""Mean difference of alpha: the browser decodes the JPEG by another library, a level or two apart,
and the PNG holds bytes."""


@pytest.fixture(scope="module")
def node() -> str:
    """Where Node is; skips where it, the packages or Chromium are missing."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("node is not installed: no test of the page")
    if not (WEB / "node_modules" / "playwright-core").is_dir():
        pytest.skip("npm ci was not run in samples/web: no test of the page")
    try:
        places.chromium()
    except EngineError as error:
        pytest.skip(str(error))
    return found


def test_the_page_does_what_it_says_and_its_alpha_is_pythons(
    node: str, tmp_path: Path, tiny_bundle: Path
) -> None:
    pytest.importorskip("onnxruntime")
    run("npm", "run", "--silent", "build")
    folders = {"EDGEMATTE_OUT": str(tmp_path), "EDGEMATTE_TINY": str(tiny_bundle)}
    run(node, "--test", "tests/page.test.mjs", **folders)
    assert (tmp_path / "page.png").stat().st_size > 100_000, "a screenshot of the cut-out"
    photo = open_picture(ROOT / "samples" / "astronaut.jpg")
    expected = edgematte.load()(photo.image).alpha
    with Image.open(tmp_path / "cutout.png") as saved:
        actual = np.asarray(saved.convert("RGBA"))[..., 3] / np.float32(255)
    assert np.abs(actual - expected).mean() <= APART


def run(*command: str, **environment: str) -> None:
    """Run a command in samples/web; fails with what it printed where the command does."""
    done = subprocess.run(
        command,
        cwd=WEB,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
