"""A bundle as a model repository: Triton's schema reads it, and its Python model mattes alike."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgematte
from edgematte.cli import main
from edgematte.errors import OptionError
from edgematte.export.triton.config import graph_config, host_config
from edgematte.export.triton.repository import lay_out
from edgematte.manifest import Graph, Tensor
from edgematte.runtime.bundle import open_bundle
from edgematte.testcard import testcard as card

pytest.importorskip("tritonclient.grpc", reason='needs pip install "edgematte[remote]"')
pytest.importorskip("onnxruntime")

from google.protobuf import text_format
from triton_stub import Request, Triton, TritonModelException, config_of
from tritonclient.grpc import model_config_pb2


@pytest.fixture
def repository(tiny_bundle: Path, tmp_path: Path) -> Path:
    place = tmp_path / "models"
    assert main(["repository", str(tiny_bundle), "-o", str(place), "--name", "portrait"]) == 0
    return place


def tensors(answer: Any) -> dict[str, Any]:
    return {tensor.name(): tensor.as_numpy() for tensor in answer.tensors}


def test_a_repository_has_a_model_for_every_graph_and_one_for_the_host(
    repository: Path, tiny_bundle: Path
) -> None:
    names = ["portrait", "portrait-refine", "portrait-segment"]
    assert sorted(f.name for f in repository.iterdir()) == ["README.md", *names]
    for graph in open_bundle(tiny_bundle).manifest.graphs:
        config = config_of(repository / f"portrait-{graph.name}")
        assert (config.name, config.backend) == (f"portrait-{graph.name}", "onnxruntime")
        assert config.max_batch_size == 0 and not config.HasField("dynamic_batching")
        for said, declared in ((config.input, graph.inputs), (config.output, graph.outputs)):
            assert [(t.name, tuple(t.dims)) for t in said] == [(t.name, t.shape) for t in declared]
            assert {t.data_type for t in said} == {model_config_pb2.TYPE_FP32}
        file = repository / config.name / "1" / "model.onnx"
        assert file.read_bytes() == (tiny_bundle / graph.file).read_bytes()
    host = config_of(repository / "portrait")
    assert host.backend == "python" and [t.name for t in host.input] == ["image", "trimap"]
    assert [t.optional for t in host.input] == [False, True]
    assert "not run by what wrote it" in (repository / "README.md").read_text().lower()


def test_the_python_model_gives_what_a_matter_gives(repository: Path, tiny_bundle: Path) -> None:
    triton = Triton(repository)
    model = triton.load("portrait")
    matter = edgematte.load(tiny_bundle, engine="onnxruntime", threads=1)
    given = np.full((45, 60), 128, np.uint8)
    requests = [Request(image=card(90, 70)), Request(image=card(60, 45), trimap=given)]
    answers = [tensors(answer) for answer in model.execute(requests)]
    for answer, matte in zip(
        answers, (matter(card(90, 70)), matter(card(60, 45), given)), strict=True
    ):
        assert np.array_equal(answer["alpha"], matte.alpha), "the same file on the same engine"
        assert answer["alpha"].dtype == np.float32
        assert np.array_equal(answer["used_trimap"], matte.trimap)
    assert {name for name, _ in triton.calls} == {"portrait-segment", "portrait-refine"}


def test_a_bad_request_is_answered_with_a_sentence_and_the_others_go_on(repository: Path) -> None:
    model = Triton(repository).load("portrait")
    small = np.zeros((4, 4), np.uint8)
    bad, good = model.execute(
        [Request(image=card(60, 45), trimap=small), Request(image=card(9, 9))]
    )
    assert "trimap" in bad.error().message() and not bad.tensors
    assert tensors(good)["alpha"].shape == (9, 9)


def test_another_graph_than_the_bundles_is_refused_when_the_model_is_loaded(
    repository: Path,
) -> None:
    file = repository / "portrait-refine" / "1" / "model.onnx"
    file.write_bytes(file.read_bytes()[:-1] + b"\0")
    with pytest.raises(TritonModelException, match="is not the graph refine of this bundle"):
        Triton(repository).load("portrait")


@pytest.mark.parametrize("dynamic", [True, None])
def test_every_dtype_and_a_dynamic_batch_are_what_the_schema_says(dynamic: bool | None) -> None:
    kinds = {
        "float32": model_config_pb2.TYPE_FP32,
        "float16": model_config_pb2.TYPE_FP16,
        "uint8": model_config_pb2.TYPE_UINT8,
        "int32": model_config_pb2.TYPE_INT32,
    }
    inputs = tuple(Tensor(f"in_{k}", (1, 3, 8, 6), k, "NCHW", (0, 1), "") for k in kinds)
    graph = Graph("refine", inputs, (replace(inputs[0], name="alpha"),), dynamic_batch=dynamic)
    config = model_config_pb2.ModelConfig()
    text_format.Parse(graph_config("n-refine", graph, "openvino", 8), config)
    assert config.backend == "openvino"
    assert config.max_batch_size == (8 if dynamic else 0)
    assert config.HasField("dynamic_batching") == bool(dynamic)
    assert [t.data_type for t in config.input] == list(kinds.values())
    assert {tuple(t.dims) for t in (*config.input, *config.output)} == {
        (3, 8, 6) if dynamic else (1, 3, 8, 6)
    }
    text_format.Parse(host_config("n", True, 8), model_config_pb2.ModelConfig())


def test_what_cannot_be_laid_out_is_refused(
    tiny_bundle: Path,
    tmp_path: Path,
    edit_manifest: Callable[[Path, Callable[[dict[str, Any]], object]], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    bundle = open_bundle(tiny_bundle)
    place = tmp_path / "models"
    with pytest.raises(OptionError, match="batch has no meaning"):
        lay_out(bundle, place, batch=4)
    with pytest.raises(OptionError, match="name 'a/b'"):
        lay_out(bundle, place, name="a/b")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(OptionError, match="full exists: give a new folder"):
        lay_out(bundle, tmp_path / "full")
    edit_manifest(tiny_bundle, lambda manifest: manifest.update(target="coreml"))
    assert main(["repository", str(tiny_bundle), "-o", str(place)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "onnx and openvino, not those for coreml" in said
    assert not place.exists()


def test_an_export_refuses_before_it_begins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--repository", str(tmp_path / "models")]
    one = ["export", "--model", "lightweight", "--output", str(tmp_path / "b")]
    assert main([*one, "--target", "coreml", *where]) == 2
    assert "not those for coreml" in capsys.readouterr().err
    assert main([*one, "--target", "litert", "--layout", "triton"]) == 2
    assert "not those for litert" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    (tmp_path / "b-triton").mkdir()  # where --layout triton would lay the repository out
    (tmp_path / "b-triton" / "mine.txt").write_text("mine")
    assert main([*one, "--target", "onnx", "--layout", "triton"]) == 2
    assert "b-triton exists: give a new folder" in capsys.readouterr().err
    assert not (tmp_path / "b").exists()
