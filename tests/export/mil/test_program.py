from typing import Any

import numpy as np
import pytest

from edgematte.errors import EngineError

pytest.importorskip("coremltools")
torch = pytest.importorskip("torch")
pytestmark = pytest.mark.export


def two_inputs(x: Any, table: Any) -> Any:
    from coremltools.converters.mil import Builder as mb

    doubled = mb.mul(x=x, y=2.0, name="doubled")
    positive = mb.relu(x=doubled, name="positive")
    rows = mb.gather(x=positive, indices=table, axis=0, name="rows")
    return rows, mb.add(x=table, y=np.int32(1), name="next")


@pytest.fixture
def program(bench: Any) -> Any:
    inputs = [np.zeros((4, 3), np.float32), np.zeros(2, np.int32)]
    return bench.load(bench.build(two_inputs, inputs))


@pytest.fixture
def feed(random: np.random.Generator) -> dict[str, Any]:
    return {
        "x": random.normal(size=(4, 3)).astype(np.float32),
        "table": np.array([3, 1], np.int32),
    }


def test_signature_and_results(program: Any, feed: dict[str, Any]) -> None:
    assert program.inputs == {
        "x": ((4, 3), np.dtype("float32")),
        "table": ((2,), np.dtype("int32")),
    }
    assert program.outputs == {
        "rows": ((2, 3), np.dtype("float32")),
        "next": ((2,), np.dtype("int32")),
    }
    got = program.run(feed)
    assert list(got) == ["rows", "next"]
    np.testing.assert_array_equal(got["rows"], np.maximum(2 * feed["x"], 0)[[3, 1]])
    np.testing.assert_array_equal(got["next"], np.array([4, 2], np.int32), strict=True)


def test_metadata(bench: Any) -> None:
    from coremltools.converters.mil import Builder as mb

    model = bench.build(lambda x: mb.relu(x=x), [np.zeros((1, 2), np.float32)])
    model.user_defined_metadata["edgematte"] = '{"model": "lightweight"}'
    assert bench.load(model).metadata["edgematte"] == '{"model": "lightweight"}'


def test_observe_sees_inputs_and_every_float_result(program: Any, feed: dict[str, Any]) -> None:
    seen: dict[str, Any] = {}

    def observe(name: str, value: Any) -> None:
        assert name not in seen
        seen[name] = value

    got = program.run(feed, observe=observe)
    assert list(seen) == ["x", "doubled", "positive", "rows"]
    assert all(value.dtype == np.float32 for value in seen.values())
    np.testing.assert_array_equal(seen["positive"], np.maximum(2 * feed["x"], 0))
    np.testing.assert_array_equal(seen["rows"], got["rows"])


def test_runs_do_not_disturb_each_other(program: Any, feed: dict[str, Any]) -> None:
    before = {name: value.copy() for name, value in feed.items()}
    first = program.run(feed)
    kept = {name: value.copy() for name, value in first.items()}
    for value in first.values():
        value[...] = -1
    second = program.run(feed)
    for name, value in kept.items():
        np.testing.assert_array_equal(second[name], value)
    for name, value in before.items():
        np.testing.assert_array_equal(feed[name], value)


def test_an_output_that_is_an_input_or_a_constant_is_a_copy(bench: Any) -> None:
    from coremltools.converters.mil import Builder as mb

    stored = np.arange(6, dtype=np.float32).reshape(2, 3)
    model = bench.build(
        lambda x: (mb.identity(x=x), mb.identity(x=mb.const(val=stored))),
        [np.zeros((2, 3), np.float32)],
    )
    program = bench.load(model)
    x = np.ones((2, 3), np.float32)
    for _ in range(2):
        same, constant = program.run({"x": x}).values()
        np.testing.assert_array_equal(constant, stored)
        same += 1
        constant += 1
    np.testing.assert_array_equal(x, 1)


def test_wrong_inputs_are_named(program: Any, feed: dict[str, Any]) -> None:
    with pytest.raises(EngineError, match=r"takes the inputs \['x', 'table'\] and got \['x'\]"):
        program.run({"x": feed["x"]})
    with pytest.raises(EngineError, match="'image'"):
        program.run({**feed, "image": feed["x"]})
    with pytest.raises(EngineError, match=r"input x has shape \(4, 3\) and got \(3, 4\)"):
        program.run({**feed, "x": feed["x"].T})
    with pytest.raises(EngineError, match=r"input x has shape \(4, 3\) and got \(1, 4, 3\)"):
        program.run({**feed, "x": feed["x"][None]})
    with pytest.raises(EngineError, match="input table takes int32 and got float64 values"):
        program.run({**feed, "table": np.array([0.0, 1.0])})
    with pytest.raises(EngineError, match="input x takes float32 and got complex"):
        program.run({**feed, "x": feed["x"] * 1j})
    with pytest.raises(EngineError, match="input x takes float32 and got object"):
        program.run({**feed, "x": np.full((4, 3), None)})


def test_other_number_types_are_taken(program: Any, feed: dict[str, Any]) -> None:
    whole = np.arange(12, dtype=np.uint8).reshape(4, 3)
    got = program.run({"x": whole, "table": np.array([3, 1], np.int64)})
    np.testing.assert_array_equal(got["rows"], 2.0 * whole[[3, 1]])
    wide = program.run({**feed, "x": feed["x"].astype(np.float64)})
    np.testing.assert_array_equal(wide["rows"], program.run(feed)["rows"])


def test_an_op_that_fails_is_named(program: Any, feed: dict[str, Any]) -> None:
    with pytest.raises(EngineError, match="the op gather 'rows' could not be evaluated"):
        program.run({**feed, "table": np.array([0, 9], np.int32)})


def test_values_are_freed_after_their_last_reader(bench: Any) -> None:
    import tracemalloc

    from coremltools.converters.mil import Builder as mb

    side = 256

    def body(x: Any) -> Any:
        for _ in range(40):
            x = mb.mul(x=x, y=1.01)
        return mb.reduce_mean(x=x, keep_dims=False)

    program = bench.load(bench.build(body, [np.zeros((side, side), np.float32)]))
    x = np.ones((side, side), np.float32)
    tracemalloc.start()
    program.run({"x": x})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * x.nbytes
    graph = program._graph
    released = [slot for operation in graph.operations for slot in operation.releases]
    made = [tensor.slot for operation in graph.operations for tensor in operation.outputs]
    made += [tensor.slot for tensor in graph.inputs]
    assert len(released) == len(set(released))
    assert set(made) - set(released) == {tensor.slot for tensor in graph.outputs}


def test_unknown_sides_take_any_size(bench: Any) -> None:
    import coremltools as ct

    module = torch.nn.Conv2d(3, 2, 3, padding=1).eval()
    traced = torch.jit.trace(module, torch.zeros(1, 3, 8, 8))
    shape = ct.Shape((1, 3, ct.RangeDim(4, 64, default=8), 8))
    model = ct.convert(
        traced,
        inputs=[ct.TensorType(name="x", shape=shape)],
        convert_to="mlprogram",
        compute_precision=ct.precision.FLOAT32,
        skip_model_load=True,
    )
    program = bench.load(model)
    assert program.inputs["x"][0] == (1, 3, -1, 8)
    for height in (5, 20):
        x = torch.randn(1, 3, height, 8)
        (got,) = program.run({"x": x.numpy()}).values()
        np.testing.assert_allclose(got, module(x).detach().numpy(), rtol=1e-5, atol=1e-6)
    with pytest.raises(EngineError, match=r"has shape \(1, 3, -1, 8\) and got \(1, 3, 8, 9\)"):
        program.run({"x": np.zeros((1, 3, 8, 9), np.float32)})


def test_what_cannot_be_evaluated_is_one_sentence(bench: Any) -> None:
    """Whatever a damaged program's arguments make NumPy raise, its want of memory too."""
    from coremltools.converters.mil import Builder as mb

    program = bench.load(
        bench.build(lambda sides: mb.fill(shape=sides, value=1.0), [np.ones(2, np.int32)])
    )
    for sides in ((2**22, 2**23), (1, -1)):  # 128 TiB, more than a processor addresses; negative
        with pytest.raises(EngineError, match="the op fill .* could not be evaluated") as caught:
            program.run({"sides": np.array(sides, np.int32)})
        assert "\n" not in str(caught.value)


def test_a_program_with_other_tensors_than_the_manifest_says(bench: Any) -> None:
    from coremltools.converters.mil import Builder as mb

    from edgematte.export.mil.engine import MilEngine
    from edgematte.manifest import Graph, Tensor

    file = bench.save(bench.build(lambda x: mb.relu(x=x, name="y"), [np.zeros((1, 2), np.float32)]))

    def graph(name: str, width: int) -> Graph:
        return Graph(
            "g",
            (Tensor("x", (1, 2), "float32", "", (0.0, 1.0), ""),),
            (Tensor(name, (1, width), "float32", "", (0.0, 1.0), ""),),
        )

    MilEngine(file, graph("y", 2), arithmetic="fp32")
    with pytest.raises(EngineError, match="no tensor 'z'"):
        MilEngine(file, graph("z", 2), arithmetic="fp32")
    with pytest.raises(EngineError, match="y has the shape"):
        MilEngine(file, graph("y", 3), arithmetic="fp32")
