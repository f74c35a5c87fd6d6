"""A disk that is full while a library writes a model: one sentence, whatever the library says."""

from pathlib import Path

import numpy as np
import pytest

from edgematte.errors import ExportError
from edgematte.manifest import Graph, Tensor

resource = pytest.importorskip("resource", reason="this system has no limits of files' sizes")
ENDS = tuple(Tensor(name, (1, 3, 64, 64), "float32", "NCHW", (0.0, 1.0), "") for name in ("x", "y"))
GRAPH = Graph("g", ENDS[:1], ENDS[1:], "")


@pytest.mark.parametrize("most", [1000, 20_000])
def test_openvino(most: int, tmp_path: Path) -> None:
    """A limit of files' sizes fails a write as a full disk does; there are 49 kB of weights."""
    openvino = pytest.importorskip("openvino", reason="the extra `openvino` is not installed")
    pytest.importorskip("onnx", reason="the extra `export` is not installed")
    from openvino import opset13 as ops

    from edgematte.export.openvino_file import save_openvino

    given = ops.parameter([1, 3, 64, 64], np.float32, name="x")
    weights = np.random.default_rng(1).normal(size=(1, 3, 64, 64)).astype(np.float32)
    made = ops.add(given, ops.constant(weights))
    for node, name in ((given, "x"), (made, "y")):
        node.output(0).get_tensor().set_names({name})
    model = openvino.Model([made], [given], "g")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
        with pytest.raises((ExportError, OSError)) as caught:
            save_openvino(model, GRAPH, tmp_path, "", half=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    if isinstance(caught.value, ExportError):
        assert "openvino cannot write g.xml; is the disk full? (" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
