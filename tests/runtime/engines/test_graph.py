from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgematte.errors import EngineError
from edgematte.manifest import Graph, Tensor
from edgematte.runtime.engines.graph import RunnableGraph
from edgematte.runtime.host.planes import to_input

SHAPE = (1, 3, 4, 6)
Arrays = dict[str, NDArray[Any]]


def tensor(name: str, dtype: str = "float32", top: float = 1.0) -> Tensor:
    return Tensor(name, SHAPE, dtype, "NCHW", (0.0, top), "")


class Echo:
    """Gives every input back under the name of an output; remembers what it was given."""

    def __init__(self, answer: NDArray[Any] | None = None) -> None:
        self.answer = answer
        self.given: Arrays = {}

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> Arrays:
        self.given = dict(inputs)
        return {"alpha": inputs["image"] if self.answer is None else self.answer}


def graph(source: Tensor, result: Tensor) -> Graph:
    return Graph("matte", (source,), (result,), "matte.onnx")


def unit(seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).random(SHAPE, np.float32)


def test_unit_range_float_goes_through_unchanged() -> None:
    engine = Echo()
    run = RunnableGraph(graph(tensor("image"), tensor("alpha")), engine)
    found = run(image=unit())["alpha"]
    np.testing.assert_array_equal(found, unit())
    assert engine.given["image"].flags.c_contiguous


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_byte_ranges_are_converted_to_and_fro(dtype: str) -> None:
    engine = Echo()
    source, result = (
        replace(tensor(name, dtype, 255), shape=(1, 3, 16, 16)) for name in ("image", "alpha")
    )
    run = RunnableGraph(graph(source, result), engine)
    picture = np.arange(256).astype(np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    found = run(image=to_input(picture))["alpha"]
    assert engine.given["image"].dtype == np.dtype(dtype)
    for plane in engine.given["image"][0]:
        np.testing.assert_array_equal(plane, picture[..., 0])  # every byte exactly as it was
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0, 0], picture[..., 0] / 255, atol=6e-8)  # one rounding


def test_the_engines_own_array_is_not_written_to() -> None:
    answer = np.full(SHAPE, 255, np.float32)
    run = RunnableGraph(graph(tensor("image"), tensor("alpha", "float32", 255)), Echo(answer))
    for _ in range(2):  # an engine may hand out the same buffer twice
        assert (run(image=unit())["alpha"] == 1).all()


def test_half_precision_graphs_get_and_give_half_precision() -> None:
    engine = Echo()
    run = RunnableGraph(graph(tensor("image", "float16"), tensor("alpha", "float16")), engine)
    found = run(image=unit())["alpha"]
    assert engine.given["image"].dtype == np.float16 and found.dtype == np.float32
    np.testing.assert_allclose(found, unit(), atol=2**-12)  # half a step of float16 below 1


def test_an_input_of_another_shape_is_refused_with_both_shapes() -> None:
    run = RunnableGraph(graph(tensor("image"), tensor("alpha")), Echo())
    with pytest.raises(EngineError, match=r"image has shape \[1, 3, 6, 4\].*\[1, 3, 4, 6\]"):
        run(image=unit().transpose(0, 1, 3, 2))


def test_an_output_of_another_shape_is_refused_with_both_shapes() -> None:
    run = RunnableGraph(graph(tensor("image"), tensor("alpha")), Echo(np.zeros((3, 4, 6))))
    with pytest.raises(EngineError, match=r"alpha of shape \[3, 4, 6\].*\[1, 3, 4, 6\]"):
        run(image=unit())


@pytest.mark.parametrize("bad", [[np.nan], [np.inf], [-np.inf], [np.inf, -np.inf]])
def test_values_that_are_not_finite_are_refused(bad: list[float]) -> None:
    answer = unit()
    answer.flat[: len(bad)] = bad
    run = RunnableGraph(graph(tensor("image"), tensor("alpha")), Echo(answer))
    with pytest.raises(EngineError, match="matte gave values of alpha not finite"):
        run(image=unit())
