"""The bundles inside the wheel are what the weights inside the wheel export to."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import onnx
from onnx import numpy_helper

from edgematte.builtin import FOR_TRIMAPS
from edgematte.export import export
from edgematte.manifest import Manifest
from edgematte.runtime.bundle import open_bundle
from edgematte.runtime.proof.goldens import read

pytestmark = pytest.mark.export


def test_the_committed_default_is_what_the_weights_export_to(tmp_path: Path) -> None:
    committed = open_bundle()
    fresh = export("lightweight", target="onnx", graphs="split", output=tmp_path / "b.edgematte")
    assert described(fresh.manifest) == described(committed.manifest)
    for graph in committed.manifest.graphs:
        ours, theirs = (onnx.load(b.file(graph)) for b in (committed, fresh))
        assert [n.op_type for n in ours.graph.node] == [n.op_type for n in theirs.graph.node]
        for a, b in zip(ours.graph.initializer, theirs.graph.initializer, strict=True):
            # Folded weights are rounded once from float64: equal, whatever the processor.
            np.testing.assert_array_equal(numpy_helper.to_array(a), numpy_helper.to_array(b))
    names = {g.name: g for g in committed.manifest.graphs}
    recorded, now = (read(b.path, names) for b in (committed, fresh))
    # PyTorch's float32 sums differ between processors by some 1e-6.
    np.testing.assert_allclose(recorded.alpha, now.alpha, atol=5e-5)


def test_the_committed_bundle_for_trimaps_is_what_the_weights_export_to(tmp_path: Path) -> None:
    committed = open_bundle(FOR_TRIMAPS)
    fresh = export(
        FOR_TRIMAPS,
        target="onnx",
        cascade="lightweight-wide",
        unknown_threshold=0.3,
        output=tmp_path / "b.edgematte",
    )
    ours, theirs = committed.manifest, fresh.manifest
    assert (ours.model, ours.precision, ours.config) == (FOR_TRIMAPS, "int8-weights", theirs.config)
    assert (ours.host, ours.weights) == (theirs.host, theirs.weights)
    stages = [(m.trimap_stage, m.stage_weights) for m in (ours, theirs)]
    assert stages[0] == stages[1] and None not in stages[0]
    assert [g.inputs for g in ours.graphs] == [g.inputs for g in theirs.graphs]
    recorded, now = (read(b.path, {g.name: g for g in ours.graphs}) for b in (committed, fresh))
    # The records are PyTorch's, of float weights; its sums differ between processors by some 1e-6.
    np.testing.assert_allclose(recorded.alpha, now.alpha, atol=5e-5)


def described(manifest: Manifest) -> tuple[object, ...]:
    m = manifest
    return m.model, m.target, m.precision, m.config, m.host, m.graphs, m.weights, m.options
