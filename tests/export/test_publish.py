"""The layout of a repository, read by others: transformers, ONNX Runtime, OpenVINO."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from PIL import Image

import edgematte
from edgematte.errors import OptionError
from edgematte.publish.layout import lay_out
from edgematte.runtime.bundle import open_bundle
from edgematte.testcard import testcard as picture_of

Export = Callable[..., Path]


def test_others_make_the_same_alpha_of_what_is_published(exported: Export, tmp_path: Path) -> None:
    image_processing = pytest.importorskip("transformers.models.vit.image_processing_pil_vit")
    bundle = open_bundle(exported("onnx", precision="fp32", graphs="fused"))
    lay_out([bundle], "me/net", tmp_path)
    picture = picture_of(128, 64)
    settings = json.loads((tmp_path / "preprocessor_config.json").read_text())
    processor = image_processing.ViTImageProcessorPil(**settings)
    pixels = processor(Image.fromarray(picture), return_tensors="np")["pixel_values"]
    session = onnxruntime.InferenceSession(tmp_path / "onnx" / "model.onnx")
    (only,) = session.get_inputs()
    first = session.run(None, {only.name: pixels})[0]
    assert session.get_outputs()[0].name == "alpha"
    expected = edgematte.load(bundle.path)(picture).alpha
    np.testing.assert_allclose(first[0, 0], expected, atol=1e-5)  # byte / 255 is rounded elsewhere
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == "modnet"
    card = (tmp_path / "README.md").read_text()
    for line in ("library_name: edgematte", "pipeline_tag: image-segmentation", "license: mit"):
        assert f"\n{line}\n" in card
    assert 'edgematte.load("hf:me/net@main")' in card and "| onnx | fp32 | onnxruntime |" in card


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_alpha_is_never_outside_of_0_and_1(exported: Export, precision: str) -> None:
    # Values above 1 + 1e-5 make transformers.js take alpha for logits, and apply a sigmoid to it.
    folder = exported("onnx", precision=precision, graphs="fused")
    session = onnxruntime.InferenceSession(folder / "matte.onnx")
    rng = np.random.default_rng(0)
    for picture in (picture_of(128, 64), rng.integers(0, 256, (64, 128, 3), np.uint8)):
        image = (picture.transpose(2, 0, 1)[None] / np.float32(255)).astype(np.float32)
        alpha = session.run(["alpha"], {"image": image})[0]
        assert alpha.min() >= 0 and alpha.max() <= 1
    assert onnx.load(folder / "matte.onnx").graph.output[0].name == "alpha"


def test_metadata_says_how_a_picture_becomes_the_input(exported: Export) -> None:
    model = onnx.load(exported("onnx", precision="fp32", graphs="fused") / "matte.onnx")
    texts = {entry.key: entry.value for entry in model.metadata_props}
    assert texts["model_type"] == "lightweight" and texts["normalize_std"] == "1,1,1"
    assert texts["model_info scale_values"] == "255 255 255"
    openvino = pytest.importorskip("openvino")
    read = openvino.Core().read_model(
        exported("openvino", precision="fp16", graphs="fused") / "matte.xml"
    )
    told: Any = {key: read.get_rt_info(["model_info", key]).astype(str) for key in KEYS}
    assert told == {
        "model_type": "ImageModel",
        "scale_values": "255 255 255",
        "reverse_input_channels": "True",  # Model API gives pictures as OpenCV does, BGR
    }


KEYS = ("model_type", "scale_values", "reverse_input_channels")


def test_bundles_that_do_not_belong_together_are_refused(
    exported: Export, regional: Path, tmp_path: Path
) -> None:
    one = open_bundle(exported("onnx", precision="fp32", graphs="fused"))
    with pytest.raises(OptionError, match="both are onnx-fp32"):
        lay_out([one, one], "me/net", tmp_path)
    with pytest.raises(OptionError, match="one net with one set of weights"):
        lay_out([one, open_bundle(regional)], "me/net", tmp_path)
    assert not any(tmp_path.iterdir())


def test_a_net_of_several_graphs_is_published_as_a_bundle_alone(
    regional: Path, tmp_path: Path
) -> None:
    lay_out([open_bundle(regional)], "me/net", tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {"README.md", "bundle.edgematte"}
    assert open_bundle(tmp_path / "bundle.edgematte").manifest.model == "regional-tiny"
    card = (tmp_path / "README.md").read_text()
    assert "this is none" in card and 'license_name: "unknown"' in card
