import dataclasses
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgematte.errors import BundleError
from edgematte.manifest import (
    FILE,
    FORMAT,
    Accuracy,
    Difference,
    Graph,
    Manifest,
    Quality,
    Tensor,
    Weights,
)
from edgematte.runtime.bundle import open_bundle
from edgematte.runtime.nets.lightweight.host import FusedHost

IMAGE = Tensor("image", (1, 3, 4, 6), "uint8", "NCHW", (0.0, 255.0), "RGB bytes")
ALPHA = Tensor("alpha", (1, 1, 4, 6), "float32", "NCHW", (0.0, 1.0), "alpha")
MANIFEST = Manifest(
    FORMAT,
    "lightweight",
    "onnx",
    "fp32",
    {"k": 16, "ena": 1},
    FusedHost(size=(6, 4), unknown_threshold=0.35, band_px=4),
    (Graph("matte", (IMAGE,), (ALPHA,), "matte.onnx", 1234),),
    Weights("shipped", "0" * 64),
    {"torch": "2.13.0", "edgematte": "0.1.0"},
    {"opset": "18"},
    Accuracy(
        (Difference("export", "matte.alpha", "onnxruntime", 1e-7, 1e-8, 1e-4, 1e-5),),
        (Quality(0.1, 0.2, 0.3, 0.4, 0.5, 6, "unknown band", "onnxruntime"),),
    ),
    {"matte.onnx": "0" * 64},
)


def test_json_comes_back_as_the_same_manifest() -> None:
    assert Manifest.from_json(MANIFEST.to_json()) == MANIFEST


def test_the_text_is_the_same_each_time_whatever_the_order_of_maps() -> None:
    turned = dataclasses.replace(
        MANIFEST, config={"ena": 1, "k": 16}, tools=dict(reversed(MANIFEST.tools.items()))
    )
    assert turned.to_json() == MANIFEST.to_json()
    assert MANIFEST.to_json().endswith("}\n")


def test_what_travels_inside_a_graph_is_all_that_is_known_before_its_file() -> None:
    inside = Manifest.from_json(MANIFEST.embedded())
    assert inside == dataclasses.replace(MANIFEST, accuracy=Accuracy(), files={})
    assert "\n" not in MANIFEST.embedded()


def test_a_newer_format_is_refused_before_its_fields_are_read() -> None:
    value = {"format": FORMAT + 1, "unheard": "of"}
    with pytest.raises(BundleError, match=f"there.json has format version {FORMAT + 1}"):
        Manifest.from_json(json.dumps(value), "there.json")


def test_a_damaged_text_is_named() -> None:
    with pytest.raises(BundleError, match=f"{FILE} is not JSON"):
        Manifest.from_json(MANIFEST.to_json()[:-5])


@settings(max_examples=60, deadline=None)
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_no_json_value_is_a_traceback(value: object) -> None:
    with pytest.raises(BundleError):
        Manifest.from_json(json.dumps(value))
    with pytest.raises(BundleError):
        Manifest.from_json(json.dumps({"format": FORMAT, "model": value}))
    for name in ("model", "package", "host", "trimap_stage"):
        with pytest.raises(BundleError):
            damaged = json.loads(MANIFEST.to_json()) | {name: [value]}
            Manifest.from_json(json.dumps(damaged))
    for section in ("host", "trimap_stage"):
        damaged = json.loads(MANIFEST.to_json())
        damaged[section] = damaged["host"] | {"kind": [value]}
        with pytest.raises(BundleError):
            Manifest.from_json(json.dumps(damaged))


def test_lists_in_lists_without_end_are_no_traceback() -> None:
    with pytest.raises(BundleError, match="is not JSON .it is nested too deep"):
        Manifest.from_json("[" * 100_000)


@pytest.mark.parametrize(
    ("worst", "mean", "ok"),
    [
        (1e-4, 1e-5, True),  # the tolerance itself is inside
        (1.1e-4, 1e-5, False),
        (1e-4, 1.1e-5, False),
        (0, 0, True),
        (math.nan, 0, False),
        (0, math.nan, False),
        (math.inf, math.inf, False),
    ],
)
def test_a_difference_is_inside_only_if_both_figures_are(
    worst: float, mean: float, ok: bool
) -> None:
    difference = Difference("export", "matte.alpha", "onnxruntime", worst, mean, 1e-4, 1e-5)
    assert difference.ok is ok
    assert Accuracy((MANIFEST.accuracy.differences[0], difference)).ok is ok


def test_a_figure_without_tolerances_cannot_fail() -> None:
    assert Difference("export", "x", "openvino, shipped hint", 0.5, 0.5).ok


def test_the_manifest_that_ships_is_written_by_this_code() -> None:
    bundle = open_bundle()
    text = (bundle.path / FILE).read_text()
    assert json.loads(bundle.manifest.to_json()) == json.loads(text)
    assert bundle.manifest.accuracy.ok and bundle.manifest.accuracy.differences
