"""Engine litert, on a graph of one operator that is written here, without the converter."""

import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgematte.errors import EngineError
from edgematte.manifest import Graph, Tensor
from edgematte.runtime.engines import EngineOptions, open_engine

pytest.importorskip("ai_edge_litert", reason='pip install "edgematte[litert]"')

SHAPE = (1, 6, 4, 3)
GRAPH = Graph(
    "half",
    (Tensor("image", SHAPE, "float32", "NCHW", (0.0, 1.0), "of the tests"),),
    (Tensor("alpha", SHAPE, "float32", "NCHW", (0.0, 1.0), "of the tests"),),
    "half.tflite",
)


def written(file: Path, given: str = "image", gives: str = "alpha") -> Path:
    """A file that computes the logistic function, with these names."""
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools.flatbuffer_utils import convert_object_to_bytearray

    def tensor(name: str) -> Any:
        made = schema.TensorT()
        made.name, made.shape, made.type, made.buffer = name, list(SHAPE), 0, 0
        return made

    model, graph, op = schema.ModelT(), schema.SubGraphT(), schema.OperatorT()
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.LOGISTIC
    op.opcodeIndex, op.inputs, op.outputs = 0, [0], [1]
    graph.tensors, graph.operators = [tensor(given), tensor(gives)], [op]
    graph.inputs, graph.outputs = [0], [1]
    model.version, model.subgraphs, model.operatorCodes = 3, [graph], [code]
    model.buffers = [schema.BufferT()]
    file.write_bytes(convert_object_to_bytearray(model))
    return file


@pytest.fixture
def half(tmp_path: Path) -> Path:
    return written(tmp_path / "half.tflite")


def feed(seed: int) -> dict[str, Any]:
    return {"image": np.random.default_rng(seed).normal(size=SHAPE).astype(np.float32)}


def expected(inputs: dict[str, Any]) -> Any:
    return 1 / (1 + np.exp(-inputs["image"]))


@pytest.mark.parametrize("threads", [None, 1, 2])
def test_it_answers_by_the_declared_names(half: Path, threads: int | None) -> None:
    engine = open_engine("litert", half, GRAPH, EngineOptions(threads=threads))
    first = engine.run(feed(0))
    kept = first["alpha"].copy()
    engine.run(feed(1))
    np.testing.assert_allclose(kept, expected(feed(0)), atol=1e-6)  # float32 of a value below 1
    np.testing.assert_array_equal(first["alpha"], kept)  # the answer is the caller's


def test_calls_of_several_threads_do_not_mix(half: Path) -> None:
    engine = open_engine("litert", half, GRAPH)
    wrong: list[int] = []

    def work(seed: int) -> None:
        inputs = feed(seed)
        for _ in range(50):
            if np.abs(engine.run(inputs)["alpha"] - expected(inputs)).max() > 1e-6:
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("kept", [0, 3, 20, 200])
def test_a_file_that_is_not_whole_is_one_sentence(half: Path, kept: int) -> None:
    half.write_bytes(half.read_bytes()[:kept])
    with pytest.raises(EngineError, match="litert cannot load half.tflite: ") as caught:
        open_engine("litert", half, GRAPH)
    assert "\n" not in str(caught.value)


def test_a_file_that_edgematte_did_not_write_is_told_by_its_names(tmp_path: Path) -> None:
    file = written(tmp_path / "other.tflite", "serving_default_args_0", "StatefulPartitionedCall:0")
    with pytest.raises(EngineError, match="inputs serving_default_args_0.*declares image: .*again"):
        open_engine("litert", file, GRAPH)


def test_another_shape_than_the_declared_one_is_told_before_the_first_call(half: Path) -> None:
    larger = replace(GRAPH.inputs[0], shape=(1, 12, 4, 3))
    with pytest.raises(EngineError, match=r"image is float32 \[1, 6, 4, 3\], and the manifest"):
        open_engine("litert", half, replace(GRAPH, inputs=(larger,)))


def test_another_device_is_an_error_and_never_the_cpu(half: Path) -> None:
    with pytest.raises(EngineError, match="device 'gpu': engine litert runs here on the cpu only"):
        open_engine("litert", half, GRAPH, EngineOptions(device="gpu"))


PROGRAM = """
import os, sys
from pathlib import Path
import numpy as np
from edgematte.manifest import Graph, Tensor
from edgematte.runtime.engines import EngineOptions, open_engine
shape = (1, 6, 4, 3)
one, other = (Tensor(n, shape, "float32", "NCHW", (0, 1), "") for n in ("image", "alpha"))
graph = Graph("half", (one,), (other,))
engine = open_engine("litert", Path(sys.argv[1]), graph, EngineOptions(threads=2))
image = np.zeros(shape, np.float32)
assert (engine.run({"image": image})["alpha"] == 0.5).all()
os.chdir("/")
child = os.fork()
if child == 0:
    assert (engine.run({"image": image})["alpha"] == 0.5).all()
    sys.exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert (engine.run({"image": image})["alpha"] == 0.5).all()
assert "torch" not in sys.modules
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_opens_it_again_and_nothing_is_written_to_standard_error(half: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(half)], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
