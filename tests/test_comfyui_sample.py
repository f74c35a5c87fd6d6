"""samples/comfyui, loaded and called as ComfyUI does, with stand-ins for its modules."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import edgematte  # noqa: E402
from edgematte import testcard  # noqa: E402
from edgematte.pictures import cutout  # noqa: E402
from edgematte.runtime.host.foreground import estimate_foreground  # noqa: E402

SAMPLE = Path(__file__).parents[1] / "samples" / "comfyui"
TYPES = {"IMAGE", "MASK", "BOOLEAN", "INT"}


class Interrupted(Exception):
    """What ComfyUI raises where a person stops it."""


class Bar:
    """ComfyUI's bar of progress."""

    moved: list[int] = []

    def __init__(self, total: int) -> None:
        Bar.moved = [0, total]

    def update(self, value: int) -> None:
        Bar.moved[0] += value


@pytest.fixture
def comfy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The modules of ComfyUI that nodes may import: ``stopped`` of what is returned stops it."""
    paths, root, utils, management = (
        ModuleType(n) for n in ("folder_paths", "comfy", "comfy.utils", "comfy.model_management")
    )

    def throw() -> None:
        if getattr(root, "stopped", False):
            raise Interrupted

    values: dict[ModuleType, dict[str, Any]] = {
        paths: {"models_dir": str(tmp_path / "models")},
        root: {"utils": utils, "model_management": management},
        utils: {"ProgressBar": Bar},
        management: {"throw_exception_if_processing_interrupted": throw},
    }
    for module, attributes in values.items():
        vars(module).update(attributes)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return root


@pytest.fixture
def nodes(comfy: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The package, imported from its folder under a name of ComfyUI's making."""
    name = "custom_nodes_edgematte"
    spec = importlib.util.spec_from_file_location(
        name, SAMPLE / "__init__.py", submodule_search_locations=[str(SAMPLE)]
    )
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


def test_every_node_has_what_comfyui_asks_of_one(nodes: Any) -> None:
    assert nodes.NODE_DISPLAY_NAME_MAPPINGS.keys() == nodes.NODE_CLASS_MAPPINGS.keys()
    for node in nodes.NODE_CLASS_MAPPINGS.values():
        inputs = node.INPUT_TYPES()
        assert inputs.keys() <= {"required", "optional", "hidden"}
        for kind, *_ in [entry for group in inputs.values() for entry in group.values()]:
            assert isinstance(kind, list) or kind in TYPES
        assert set(node.RETURN_TYPES) <= TYPES and len(node.RETURN_TYPES) == len(node.RETURN_NAMES)
        assert isinstance(node.CATEGORY, str) and callable(getattr(node(), node.FUNCTION))


def call(node: Any, **inputs: Any) -> Any:
    """A node's answer, its inputs by name, as ComfyUI calls it."""
    made = node()
    return getattr(made, node.FUNCTION)(**inputs)


def test_a_batch_is_matted_as_python_does_it(nodes: Any, comfy: ModuleType) -> None:
    node = nodes.NODE_CLASS_MAPPINGS["EdgematteMatte"]
    pictures = np.stack([testcard.testcard(96, 64), testcard.testcard(96, 64)[:, ::-1]])
    image = torch.from_numpy(pictures.copy()).float() / 255
    bundle = node.INPUT_TYPES()["required"]["bundle"][0][0]
    cut, alpha, trimap = call(node, image=image, bundle=bundle, foreground=True)
    assert cut.shape == (2, 64, 96, 4) and alpha.shape == trimap.shape == (2, 64, 96)
    assert Bar.moved == [2, 2]
    matter = edgematte.load()
    for number, picture in enumerate(pictures):
        wanted = matter(np.ascontiguousarray(picture))
        np.testing.assert_array_equal(alpha[number], wanted.alpha)
        colours = estimate_foreground(np.ascontiguousarray(picture), wanted.alpha)
        made = cutout(colours, wanted.alpha)
        np.testing.assert_array_equal((cut[number] * 255).round().byte(), made)
    comfy.stopped = True  # type: ignore[attr-defined]
    with pytest.raises(Interrupted):
        call(node, image=image, bundle=bundle, foreground=False)


def test_a_mask_and_the_trimap_of_it_give_the_same(nodes: Any) -> None:
    node, of_mask = (nodes.NODE_CLASS_MAPPINGS[f"Edgematte{n}"] for n in ("Matte", "Trimap"))
    image = torch.from_numpy(testcard.testcard(96, 64)).float()[None] / 255
    mask = torch.zeros(1, 64, 96)
    mask[:, 16:48, 24:72] = 1
    (trimap,) = call(of_mask, mask=mask, band_px=-1)
    assert {*(trimap * 255).round().int().unique().tolist()} == {0, 128, 255}
    given = {"image": image, "bundle": node.INPUT_TYPES()["required"]["bundle"][0][0]}
    pairs = zip(call(node, mask=mask, **given), call(node, trimap=trimap, **given), strict=True)
    for one, other in pairs:
        np.testing.assert_array_equal(one, other)


def test_bundles_of_the_folder_of_models_are_listed(
    nodes: Any, tmp_path: Path, tiny_bundle: Path
) -> None:
    (tmp_path / "models" / "edgematte").mkdir(parents=True)
    (tmp_path / "models" / "edgematte" / "tiny.edgematte").symlink_to(tiny_bundle)
    node = nodes.NODE_CLASS_MAPPINGS["EdgematteMatte"]
    assert node.INPUT_TYPES()["required"]["bundle"][0][1:] == ["tiny.edgematte"]
    image = torch.from_numpy(testcard.testcard(60, 45)).float()[None] / 255
    alpha = call(node, image=image, bundle="tiny.edgematte", foreground=False)[1]
    wanted = edgematte.load(tiny_bundle)(testcard.testcard(60, 45)).alpha
    np.testing.assert_array_equal(alpha[0], wanted)
