"""The page of samples/web in a headless Chromium: Node's tests, and its alpha beside Python's."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from web import node_with, run

import edgematte
from edgematte.errors import EngineError
from edgematte.pictures import open_picture
from edgematte.runtime.engines.browser import places

ROOT = Path(__file__).parents[1]
APART = 0.01
"""Mean difference of alpha: the browser decodes the JPEG by another library, a level or two apart,
and the PNG holds bytes."""


@pytest.fixture(scope="module")
def node() -> str:
    """Where Node is; skips where it, the packages or Chromium are missing."""
    found = node_with("playwright-core", "the page")
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
