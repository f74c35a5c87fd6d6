import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from edgematte.check.doctor import examine, first_departing
from edgematte.check.engines import CheckEngine
from edgematte.cli import main
from edgematte.errors import EngineError
from edgematte.manifest import Graph
from edgematte.runtime.bundle import open_bundle, sha256_file
from edgematte.runtime.engines import Engine, open_engine
from edgematte.runtime.engines.graph import to_file
from edgematte.runtime.proof.goldens import read
from edgematte.runtime.proof.tolerances import TOLERANCES

Capture = pytest.CaptureFixture[str]
Edit = Callable[[Path, Callable[[dict[str, Any]], object]], None]
Change = Callable[[NDArray[Any]], NDArray[Any]]


class Liar:
    """An engine whose answers are changed."""

    def __init__(self, inner: Engine, change: Change) -> None:
        self.inner, self.change = inner, change

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        return {name: self.change(value) for name, value in self.inner.run(inputs).items()}


def lying(graph_name: str, change: Change) -> CheckEngine:
    def opened(file: Path, graph: Graph) -> Engine:
        inner = open_engine("onnxruntime", file, graph)
        return Liar(inner, change) if graph.name == graph_name else inner

    return CheckEngine("liar", opened)


def one_nan(value: NDArray[Any]) -> NDArray[Any]:
    changed = value.copy()
    changed[..., 3, 5] = np.nan
    return changed


def test_a_whole_bundle_is_well(tiny_bundle: Path, capsys: Capture) -> None:
    assert main(["doctor", str(tiny_bundle)]) == 0
    out = capsys.readouterr().out
    assert "every stage is well" in out
    assert "host step stitch" in out and "graph refine" in out


LIES: dict[str, Change] = {
    "scaled": lambda value: value * np.float32(1.01),
    "shifted": lambda value: value + np.float32(0.5),
    "one NaN": one_nan,
    "swapped channels": lambda value: np.ascontiguousarray(value[:, ::-1]),
}
CASES = [(graph, lie) for graph in ("segment", "refine") for lie in LIES]
CASES.remove(("refine", "swapped channels"))  # it has one channel


@pytest.mark.parametrize(("name", "lie"), CASES)
def test_the_graph_that_departs_is_named_and_no_other(
    name: str, lie: str, tiny_bundle: Path
) -> None:
    bundle = open_bundle(tiny_bundle)
    goldens = read(bundle.path, {g.name: g for g in bundle.manifest.graphs})
    stages = examine(bundle, lying(name, LIES[lie]), goldens)
    guilty = first_departing(stages)
    assert guilty is not None and (guilty.kind, guilty.name) == ("graph", name)
    assert [stage.name for stage in stages if not stage.well] == [name]


def test_a_host_step_that_departs_is_named(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """As a NumPy or Pillow that resizes otherwise would make it."""
    from edgematte.runtime.host.resize import resize_picture
    from edgematte.runtime.nets.lightweight import steps

    monkeypatch.setattr(steps, "resize_picture", lambda *a, **k: 255 - resize_picture(*a, **k))
    assert main(["doctor", str(tiny_bundle), "--json"]) == 1
    (found,) = json.loads(capsys.readouterr().out)["engines"]
    assert found["departs"] == {"kind": "host step", "name": "reduce"}


def test_a_file_that_was_changed_is_told_from_an_engine_that_errs(
    tiny_bundle: Path, edit_manifest: Edit, capsys: Capture
) -> None:
    """Sealed again after its weights were changed: every node does what the file says."""
    onnx = pytest.importorskip("onnx", reason="the extra `export` is not installed")
    file = tiny_bundle / "refine.onnx"
    model = onnx.load(str(file))
    values = onnx.numpy_helper.to_array(model.graph.initializer[0])
    changed = onnx.numpy_helper.from_array(values * 2 + 1, model.graph.initializer[0].name)
    model.graph.initializer[0].CopyFrom(changed)
    onnx.save(model, str(file))
    edit_manifest(tiny_bundle, lambda m: m["files"].update({"refine.onnx": sha256_file(file)}))
    assert main(["doctor", str(tiny_bundle)]) == 1
    out = capsys.readouterr().out
    assert "the first that departs: graph refine" in out
    assert "the file itself departs from what was recorded" in out


@pytest.fixture
def chain(tmp_path: Path) -> tuple[Path, Graph]:
    """Sixty nodes in a row, more than are looked at at once, each of which keeps values near 1."""
    onnx = pytest.importorskip("onnx", reason="the extra `export` is not installed")
    from edgematte.manifest import Tensor

    make = onnx.helper
    nodes = []
    for number in range(60):
        kind = ("Sigmoid", "Relu", "Sqrt")[number % 3]
        name = "out" if number == 59 else f"v{number}"
        nodes.append(
            make.make_node(kind, [f"v{number - 1}" if number else "x"], [name], f"n{number}")
        )
    shape, real = [1, 1, 6, 8], onnx.TensorProto.FLOAT
    ends = [make.make_tensor_value_info(name, real, shape) for name in ("x", "out")]
    model = make.make_model(
        make.make_graph(nodes, "chain", ends[:1], ends[1:]),
        opset_imports=[make.make_opsetid("", 18)],
        ir_version=9,
    )
    file = tmp_path / "chain.onnx"
    onnx.save(model, str(file))
    plane = [Tensor(n, (1, 1, 6, 8), "float32", "NCHW", (0.0, 1.0), "") for n in ("x", "out")]
    return file, Graph("chain", (plane[0],), (plane[1],), "chain.onnx")


@pytest.mark.parametrize("wrong", [0, 31, 32, 47, 59])
def test_the_first_node_that_departs_is_found(wrong: int, chain: tuple[Path, Graph]) -> None:
    """An engine whose kernel of one node adds a hundredth, so that all after it are off, too."""
    onnx = pytest.importorskip("onnx", reason="the extra `export` is not installed")
    from edgematte.check.onnx_nodes import first_node

    file, graph = chain

    def opened(place: Path, declared: Graph) -> Engine:
        model = onnx.load(str(place))
        nodes = list(model.graph.node)
        guilty = next(node for node in nodes if node.name == f"n{wrong}")
        given = guilty.input[0]
        error = onnx.numpy_helper.from_array(np.array(0.01, np.float32), "error")
        model.graph.initializer.append(error)
        right = f"{guilty.output[0]}.right"
        name, guilty.output[0] = guilty.output[0], right
        assert given
        added = onnx.helper.make_node("Add", [right, "error"], [name])
        model.graph.node.insert(nodes.index(guilty) + 1, added)
        other = place.with_name("other.onnx")
        onnx.save(model, str(other))
        return open_engine("onnxruntime", other, declared)

    value = np.linspace(0, 1, 48, dtype=np.float32).reshape(1, 1, 6, 8)
    node = first_node(file, graph, {"x": value}, opened, TOLERANCES["fp32"])
    assert node is not None and node.name == f"n{wrong}"
    assert node.apart.max_abs == pytest.approx(0.01, rel=1e-3)
    right = first_node(
        file,
        graph,
        {"x": value},
        lambda place, declared: open_engine("onnxruntime", place, declared),
        TOLERANCES["fp32"],
    )
    assert right is None


def test_an_engine_that_fails_is_told(tiny_bundle: Path) -> None:
    class Fails:
        def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
            raise EngineError("out of memory")

    bundle = open_bundle(tiny_bundle)
    goldens = read(bundle.path, {g.name: g for g in bundle.manifest.graphs})
    stages = examine(bundle, CheckEngine("fails", lambda file, graph: Fails()), goldens)
    failed = [stage for stage in stages if not stage.well]
    assert all("out of memory" in stage.failure for stage in failed) and len(failed) == 2


def test_a_failing_engine_is_named_with_all_stages(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """Its nodes fail as well: that is a remark, and no reason to say nothing of the others."""
    from edgematte.runtime.engines import ENGINES, EngineRow

    monkeypatch.setitem(ENGINES, "fails", EngineRow("lying_engines:Fails", "", ("onnx",)))
    assert main(["doctor", str(tiny_bundle), "--engine", "fails"]) == 1
    out = capsys.readouterr().out
    assert "ok  host step stitch" in out and "!!  graph segment" in out
    assert "the first that departs: graph segment" in out
    assert "nodes cannot be looked into: " in out


def test_the_engine_may_be_the_one_that_is_taken_here(tiny_bundle: Path, capsys: Capture) -> None:
    assert main(["doctor", str(tiny_bundle), "--engine", "auto"]) == 0
    assert "every stage is well" in capsys.readouterr().out
    assert main(["doctor", str(tiny_bundle), "--engine", "auto", "--device", "cpu"]) == 2
    assert "chooses" in capsys.readouterr().err


def test_arithmetic_that_decides_nothing_is_told_apart(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """Such as the one OpenVINO takes by itself, which may be bf16."""
    from edgematte.check import engines

    right = CheckEngine("right", lambda file, graph: open_engine("onnxruntime", file, graph))
    rough = dataclasses.replace(lying("refine", LIES["scaled"]), label="rough", decides=False)
    monkeypatch.setattr(engines, "check_engines", lambda *_, **__: [right, rough])
    assert main(["doctor", str(tiny_bundle)]) == 0
    out = capsys.readouterr().out
    assert "\nright\n" in out and "\nrough, which decides nothing\n" in out
    assert "the first that departs: graph refine" in out
    assert out.rstrip().endswith("every stage is well in the arithmetic that decides")


def test_inputs_of_nodes_are_what_the_file_takes(tiny_bundle: Path) -> None:
    bundle = open_bundle(tiny_bundle)
    goldens = read(bundle.path, {g.name: g for g in bundle.manifest.graphs})
    for graph in bundle.manifest.graphs:
        for tensor in graph.inputs:
            value = to_file(goldens.graphs[graph.name].inputs[tensor.name], tensor, None)
            assert value.dtype == tensor.dtype and value.shape == tensor.shape


def test_a_picture_of_ones_own_is_looked_at(
    tiny_bundle: Path,
    png: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    """An engine that is wrong in what is dark alone: the bundle's own picture need not show it."""
    pytest.importorskip("onnx", reason="the extra `export` is not installed")
    import lying_engines

    from edgematte.runtime.engines import ENGINES, EngineRow

    class Dark(lying_engines.Right):
        def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
            outputs = super().run(inputs)
            if inputs["image"].mean() > 0.1:
                return outputs
            return {name: value * np.float32(0.9) for name, value in outputs.items()}

    monkeypatch.setattr(lying_engines, "Dark", Dark, raising=False)
    monkeypatch.setitem(ENGINES, "dark", EngineRow("lying_engines:Dark", "", ("onnx",)))
    assert main(["doctor", str(tiny_bundle), "--engine", "dark"]) == 0
    assert "reference: what was recorded at export" in capsys.readouterr().out
    photo = png("dark.png", 60, 45)
    Image.fromarray(np.asarray(Image.open(photo)) // 16).save(photo)
    assert main(["doctor", str(tiny_bundle), "--engine", "dark", "--image", str(photo)]) == 1
    out = capsys.readouterr().out
    assert "reference: onnxruntime without optimisations" in out
    assert "the first that departs: graph segment" in out and "host step" not in out
    assert main(["doctor", str(tiny_bundle), "--image", str(photo)]) == 0


def test_pictures_that_cannot_be_looked_at_are_one_sentence(
    tiny_bundle: Path, png: Callable[..., Path], edit_manifest: Edit, capsys: Capture
) -> None:
    photo = str(png())
    for arguments in (
        ["--trimap", photo],
        ["--image", photo, "--trimap", photo],  # it finds its own
        ["--image", f"{photo}.none"],
    ):
        assert main(["doctor", str(tiny_bundle), *arguments]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
