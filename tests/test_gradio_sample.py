"""samples/gradio_app.py: strokes change the trimap, and alpha around them alone."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import edgematte
from edgematte import testcard

SCRIPT = Path(__file__).parents[1] / "samples" / "gradio_app.py"


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("gradio_app", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "gradio_app", module)
    spec.loader.exec_module(module)
    return module


def test_strokes_are_of_three_kinds_and_faint_ones_are_none(app: ModuleType) -> None:
    trimap = np.full((20, 30), 255, np.uint8)
    layer = np.zeros((20, 30, 4), np.uint8)
    layer[2:4, 5:9] = 0, 0, 0, 255
    layer[10, 20] = 131, 131, 131, 255  # an edge of the brush
    layer[15, 25] = 0, 0, 0, 90
    new, box = app.stroked(trimap, layer)
    assert (new[2:4, 5:9] == 0).all() and new[10, 20] == 128 and new[15, 25] == 255
    assert box == (5, 2, 21, 11)
    assert app.stroked(trimap, np.zeros_like(layer))[1] is None


def test_only_what_lies_around_strokes_is_matted_again(
    app: ModuleType, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    matter = edgematte.load(tiny_bundle, threads=1)
    work = app.begun(matter, testcard.testcard(600, 400))
    layer = np.zeros((400, 600, 4), np.uint8)
    layer[140:150, 100:130] = 128, 128, 128, 255
    layer[115:125, 100:130] = 255, 255, 255, 255
    layer[130:135, 100:130] = 0, 0, 0, 255
    again = app.corrected(matter, work, layer)
    assert (again.trimap[140:150, 100:130] == 128).all()
    assert (again.alpha[115:125, 100:130] == 1).all()
    assert (again.alpha[130:135, 100:130] == 0).all()
    assert 0 < again.ran < 0.4 * work.alpha.size
    far = np.ones_like(work.alpha, bool)
    far[100 - app.AROUND_PX : 150 + app.AROUND_PX, 100 - app.AROUND_PX : 130 + app.AROUND_PX] = 0
    np.testing.assert_array_equal(again.alpha[far], work.alpha[far])
    # Of the tiny net alpha of an unknown pixel depends on that pixel alone.
    left, top, right, bottom = app.stroked(work.trimap, layer)[1]
    place = slice(top, bottom), slice(left, right)
    unknown = again.trimap[place] == 128
    whole = matter(work.picture, again.trimap).alpha
    assert unknown.any()
    np.testing.assert_allclose(again.alpha[place][unknown], whole[place][unknown], atol=1e-6)
    assert app.corrected(matter, again, np.zeros_like(layer)) is again


def test_the_page_is_built(app: ModuleType, make_tiny: Callable[..., Path]) -> None:
    pytest.importorskip("gradio", reason="pip install gradio")
    page = app.build(edgematte.load(make_tiny(), threads=1))
    labels = {block.label for block in page.blocks.values() if getattr(block, "label", None)}
    assert {"Photograph", "Before and after", "Trimap", "Cut-out"} <= labels
