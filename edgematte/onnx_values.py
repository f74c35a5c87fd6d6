"""Values inside an ONNX graph: outputs of its nodes as outputs of the graph, and a run of it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import onnx
import onnxruntime
from numpy.typing import NDArray

Level = Literal["ORT_DISABLE_ALL", "ORT_ENABLE_BASIC"]


def with_outputs(model: onnx.ModelProto, names: Iterable[str]) -> onnx.ModelProto:
    """A copy of a model whose outputs are these values, in this order."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    declared = {tensor.name: tensor for tensor in model.graph.output}
    del changed.graph.output[:]
    changed.graph.output.extend(declared.get(n, onnx.ValueInfoProto(name=n)) for n in names)
    return changed


class Values:
    """Some values of a model on ONNX Runtime, on the processor."""

    def __init__(
        self, model: onnx.ModelProto, names: Sequence[str], level: Level = "ORT_ENABLE_BASIC"
    ) -> None:
        """``level``: how far ONNX Runtime may rewrite the graph; ORT_DISABLE_ALL: not at all."""
        self.names = list(names)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
        data = with_outputs(model, self.names).SerializeToString()
        self._session = onnxruntime.InferenceSession(
            data, options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, feed: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Inputs by name -> the values by name."""
        return dict(zip(self.names, self._session.run(self.names, dict(feed)), strict=True))
