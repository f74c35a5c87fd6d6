"""Every target, precision and cut: the file is what was promised, and the check passes."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from edgematte.export.report import size_of
from edgematte.manifest import Manifest
from edgematte.runtime.bundle import open_bundle
from edgematte.runtime.proof.tolerances import TOLERANCES

pytestmark = pytest.mark.export
Export = Callable[..., Path]

ALL = [
    ("onnx", "fp32", "fused"),
    ("onnx", "fp16", "split"),
    ("openvino", "fp32", "split"),
    ("openvino", "fp16", "fused"),
    ("coreml", "fp32", "fused"),
    ("coreml", "fp16", "split"),
    ("litert", "fp32", "fused"),
]
PACKAGES = {"coreml": "coremltools", "litert": "litert_torch"}


@pytest.fixture(params=ALL, ids="-".join)
def bundle(request: pytest.FixtureRequest, exported: Export) -> Path:
    target, precision, graphs = request.param
    if target != "onnx":
        pytest.importorskip(PACKAGES.get(target, target))
    return exported(target, precision=precision, graphs=graphs)


def test_an_export_is_within_the_stated_tolerance(bundle: Path) -> None:
    manifest = open_bundle(bundle).manifest
    limit = TOLERANCES[manifest.precision]
    deciding = [d for d in manifest.accuracy.differences if d.equality in ("export", "end-to-end")]
    assert {d.where for d in deciding} == {"alpha"} | {
        f"{g.name}.{t.name}" for g in manifest.graphs for t in g.outputs
    }
    for d in deciding:
        if d.tolerance_max is not None:
            assert (d.tolerance_max, d.tolerance_mean) == (limit.max_abs, limit.mean_abs)
        assert d.max_abs <= limit.max_abs or d.tolerance_max is None
    assert manifest.accuracy.ok
    cut = [d for d in manifest.accuracy.differences if d.equality == "cut"]
    assert cut and cut[0].max_abs < 5e-5  # float32 rounding of two orders of the same sums


def test_every_graph_file_says_what_it_is(bundle: Path) -> None:
    opened = open_bundle(bundle)
    for graph in opened.manifest.graphs:
        text = embedded_in(opened.file(graph))
        found = Manifest.from_json(text)
        assert found.weights == opened.manifest.weights
        assert found.host == opened.manifest.host
        assert [g.name for g in found.graphs] == [g.name for g in opened.manifest.graphs]


def embedded_in(file: Path) -> str:
    if file.suffix == ".onnx":
        import onnx

        return str({p.key: p.value for p in onnx.load(file).metadata_props}["edgematte"])
    if file.suffix == ".xml":
        import openvino

        return str(openvino.Core().read_model(file).get_rt_info("edgematte").astype(str))
    if file.suffix == ".tflite":
        from edgematte.export.litert import file as tflite

        return str(tflite.metadata(tflite.read(file)))
    from edgematte.export.mil import MilProgram

    return MilProgram.load(file).metadata["edgematte"]


def test_the_report_shows_the_figures_and_a_picture(bundle: Path) -> None:
    text = (bundle / "REPORT.md").read_text()
    assert "| end-to-end | alpha |" in text and "unknown band" in text
    assert (bundle / "report.png").stat().st_size > 500
    for graph in open_bundle(bundle).manifest.graphs:
        assert f"{size_of(bundle / graph.file):,}" in text


def test_fp16_halves_the_weights(exported: Export) -> None:
    pytest.importorskip("openvino")
    full = exported("openvino", precision="fp32", graphs="split")
    half = exported("openvino", precision="fp16", graphs="fused")
    whole = sum(f.stat().st_size for f in full.glob("*.bin"))
    assert 0.4 < sum(f.stat().st_size for f in half.glob("*.bin")) / whole < 0.6


def test_shapes_are_static_and_opset_is_the_one_asked_for(exported: Export) -> None:
    import onnx

    model = onnx.load(exported("onnx", precision="fp32", graphs="fused") / "matte.onnx")
    assert model.opset_import[0].version == 18
    for value in [*model.graph.input, *model.graph.output]:
        dims = value.type.tensor_type.shape.dim
        assert all(d.dim_value > 0 for d in dims)
    assert [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim] == [1, 3, 64, 128]


def test_core_ml_pictures_in_and_out(exported: Export) -> None:
    ct = pytest.importorskip("coremltools")
    from coremltools.proto import FeatureTypes_pb2 as features

    for bits, layout in ((8, "GRAYSCALE"), (16, "GRAYSCALE_FLOAT16")):
        bundle = exported("coreml", io="image", alpha_bits=bits, graphs="fused")
        spec = ct.models.MLModel(str(bundle / "matte.mlpackage"), skip_model_load=True).get_spec()
        picture = spec.description.input[0].type.imageType
        assert (picture.width, picture.height) == (128, 64)
        assert picture.colorSpace == features.ImageFeatureType.ColorSpace.Value("RGB")
        alpha = next(o for o in spec.description.output if o.name == "alpha").type.imageType
        assert alpha.colorSpace == features.ImageFeatureType.ColorSpace.Value(layout)
        graph = open_bundle(bundle).manifest.graphs[0]
        assert graph.image_io and graph.inputs[0].range == (0, 255)
        assert graph.outputs[0].range == ((0, 255) if bits == 8 else (0, 1))


def test_min_ios_sets_the_specification_version(exported: Export) -> None:
    ct = pytest.importorskip("coremltools")
    bundle = exported("coreml", precision="fp32", graphs="fused")
    newer = exported("coreml", precision="fp32", graphs="fused", min_ios=17)
    versions = [
        ct.models.MLModel(str(b / "matte.mlpackage"), skip_model_load=True)
        .get_spec()
        .specificationVersion
        for b in (bundle, newer)
    ]
    assert versions == [7, 8]  # iOS 16, iOS 17


def test_core_ml_says_what_it_is_and_carries_nothing_else(exported: Export) -> None:
    """Xcode shows the description; coremltools leaves a debugger's file as large as the model."""
    ct = pytest.importorskip("coremltools")
    bundle = exported("coreml", io="image", alpha_bits=8, graphs="fused")
    spec = ct.models.MLModel(str(bundle / "matte.mlpackage"), skip_model_load=True).get_spec()
    said = spec.description.metadata
    assert "lightweight" in said.shortDescription and "BMVC 2021" in said.shortDescription
    manifest = open_bundle(bundle).manifest
    assert manifest.weights.sha256[:12] in said.versionString and said.author and said.license
    assert said.userDefined["com.apple.coreml.model.preview.type"] == "depthEstimation"
    features = [*spec.description.input, *spec.description.output]
    assert {f.name: f.shortDescription for f in features} == {
        "image": "RGB bytes; 0 to 255",
        "alpha": "alpha, eq. 5; 0 to 255",
        "trimap": "P(background), P(foreground), P(unknown); 0 to 1",
    }
    files = {f.name for f in (bundle / "matte.mlpackage").rglob("*") if f.is_file()}
    assert files == {"Manifest.json", "model.mlmodel", "weight.bin"}


def test_ort_files_for_phones_run_and_list_their_operators(exported: Export) -> None:
    import onnxruntime

    from edgematte.export.targets.ort_format import usability

    bundle = exported("onnx", graphs="fused", ort=True)
    config = (bundle / "matte.required_operators.config").read_text()
    assert "ai.onnx;18;" in config and "Conv" in config
    session = onnxruntime.InferenceSession(bundle / "matte.ort")
    plain = onnxruntime.InferenceSession(bundle / "matte.onnx")
    image = np.random.default_rng(0).random((1, 3, 64, 128), np.float32)
    for a, b in zip(
        session.run(None, {"image": image}), plain.run(None, {"image": image}), strict=True
    ):
        np.testing.assert_allclose(a, b, atol=1e-5)
    assert "matte.ort" in open_bundle(bundle).manifest.files
    assert str(bundle) not in config and "#" not in config
    verdict = usability(bundle / "matte.onnx")
    for engine in ("NNAPI", "CoreML MLProgram"):  # every node, in one piece
        found = re.search(rf"{engine} yes \((\d+) of (\d+) nodes\)", verdict)
        assert found is not None and found[1] == found[2]
    assert "\n" not in verdict and verdict in (bundle / "REPORT.md").read_text()


def test_two_exports_of_the_same_weights_are_the_same(exported: Export) -> None:
    from edgematte.manifest import VARYING

    for target in ("onnx", "openvino", "coreml"):
        pytest.importorskip(PACKAGES.get(target, target))
        first = exported(target, graphs="fused", precision="fp16")
        second = exported(target, graphs="fused", precision="fp16", force=True)
        assert first != second
        manifests = [json.loads((b / "edgematte.json").read_text()) for b in (first, second)]
        for manifest in manifests:
            for field in VARYING:
                _drop(manifest, field)
        assert manifests[0] == manifests[1]


def _drop(manifest: dict[str, Any], field: str) -> None:
    head, _, rest = field.partition(".")
    if rest:
        manifest[head].pop(rest)
    else:
        manifest.pop(head)
