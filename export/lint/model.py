"""Values inside an ONNX graph, by running parts of it on ONNX Runtime."""

from collections.abc import Iterable, Mapping

import numpy as np
import onnx

from edgematte.arrays import Floats
from edgematte.export.lint.seen import Seen
from edgematte.manifest import Graph
from edgematte.onnx_values import Values
from edgematte.runtime.engines.graph import GraphCall, to_file

AT_A_TIME = 64  # nodes whose outputs are in memory at once


def seen_in_model(
    model: onnx.ModelProto,
    graph: Graph,
    reference: GraphCall,
    inputs: Iterable[Mapping[str, Floats]],
    *,
    inside: bool,
) -> Seen:
    """Outputs of the reference and, with ``inside``, the largest magnitude at each node.

    Args:
        model: the graph in float32, static.
        graph: its declaration.
        reference: gives the outputs as pipelines take them.
        inputs: by name, as pipelines give them; the first are those of the golden call.
        inside: whether values inside the graph are wanted.
    """
    given = list(inputs)
    outputs = reference(**given[0])
    largest: dict[str, float] = {}
    nodes = [node for node in model.graph.node if inside and node.op_type != "Constant"]
    floats = _floats(model)
    for start in range(0, len(nodes), AT_A_TIME):
        part = nodes[start : start + AT_A_TIME]
        places = {n: node.name or n for node in part for n in node.output if n in floats}
        if not places:
            continue
        values = Values(model, list(places))
        for one in given:
            feed = {t.name: to_file(one[t.name], t) for t in graph.inputs}
            for name, value in values(feed).items():
                found = float(np.abs(value).max()) if value.size else 0.0
                found = found if np.isfinite(found) else float("inf")
                largest[places[name]] = max(largest.get(places[name], 0.0), found)
    return Seen(outputs, largest, len(given))


def _floats(model: onnx.ModelProto) -> set[str]:
    typed = onnx.shape_inference.infer_shapes(model).graph
    return {
        value.name
        for value in (*typed.value_info, *typed.output)
        if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    }
