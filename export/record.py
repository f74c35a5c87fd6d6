"""Recording goldens by running host steps with PyTorch graphs, and the first equality."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from edgematte.arrays import Bytes
from edgematte.check.goldens import coarse, stride_for, to_bytes
from edgematte.errors import ExportError
from edgematte.export.capture import TorchGraph
from edgematte.export.cut import Cut
from edgematte.export.estimator import estimator_for
from edgematte.export.imported_stage import RecordedCall
from edgematte.export.torch_graph import TorchCall, torch_calls
from edgematte.host import Host
from edgematte.manifest import STAGE, Difference, Tensor
from edgematte.net import Variant, load_part
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.host.resize import resize_picture
from edgematte.runtime.host.steps import recorded, steps_of
from edgematte.runtime.pipeline import pipeline_for
from edgematte.runtime.proof.difference import difference
from edgematte.runtime.proof.goldens import ROWS, Goldens, GraphRecord, from_bytes, repeated
from edgematte.runtime.proof.tolerances import CUT


def record(
    variant: Variant,
    model: nn.Module,
    graphs: Sequence[TorchGraph],
    host: Host,
    picture: Bytes,
    *,
    trimap: Bytes | None = None,
    stage: Host | None = None,
    imported: RecordedCall | None = None,
) -> tuple[Goldens, Difference]:
    """Goldens of one picture, and how far the training-time forward is from the cut.

    Args:
        variant: the variant of the model.
        model: the trained model.
        graphs: its graphs, which share the model's weights, and the graph of the trimap stage.
        host: the host section of the cut.
        picture: uint8 (H, W, 3).
        trimap: uint8 (H, W), for a net that needs one and has no trimap stage; by default the
            embedded default bundle estimates it.
        stage: the host section of the trimap stage.
        imported: the graph of the trimap stage, where it is an imported net's.

    Raises:
        ExportError: a value is not finite, or a graph is never called for this picture.
    """
    cut: Cut = load_part(variant.net.cut)
    calls: dict[str, TorchCall | RecordedCall] = dict(torch_calls(graphs))
    if imported is not None:
        calls[imported.graph.name] = imported
    for call in calls.values():
        call.remember = True
    estimate = estimator_for(variant, stage) if trimap is None else None
    pipeline = pipeline_for(variant, host, calls, stage=stage, estimate=estimate)
    clock = Clock()
    alpha, trimap = pipeline(picture, trimap, clock)
    if not np.isfinite(alpha).all():
        raise ExportError("PyTorch itself gives values that are not finite on the check's picture")
    reduced = resize_picture(picture, host.size)
    whole = cut.reference(model, host, picture, reduced, trimap)
    faithful = difference("cut", "alpha", "PyTorch", alpha, whole, CUT)
    seen = {name: list(call.calls) for name, call in calls.items()}
    for call in calls.values():
        call.remember = False
    records = {name: _graph_record(call, seen[name], picture) for name, call in calls.items()}
    own = (name for name in calls if name != STAGE)
    first = next((name for name in own if seen[name]), None)
    if first is None:
        raise ExportError(
            "the check's picture has no unknown pixel, so that no graph would be checked: give "
            "another picture"
        )
    pool = cut.pool(picture, calls[first](**seen[first][0]))
    if variant.net.needs_trimap:
        pool["trimap"] = trimap
    steps = steps_of(load_part(variant.net.steps), host)
    pool = recorded(steps, host, pool)
    return Goldens(records, pool, picture, trimap, alpha, clock.choices), faithful


def _graph_record(
    call: TorchCall | RecordedCall, seen: list[dict[str, Any]], picture: Bytes
) -> GraphRecord:
    """Record the call with the most unknown; a graph that was not called gets the picture."""
    if seen:
        chosen = max(seen, key=_unknown)
    else:
        chosen = {t.name: _filler(t.shape, picture) for t in call.graph.inputs}
    inputs = {t.name: _recordable(t, chosen[t.name]) for t in call.graph.inputs}
    outputs = call(**inputs)
    stride = max(stride_for(v.shape) for v in outputs.values())
    record = GraphRecord(inputs, {}, stride)
    record.outputs.update((k, np.ascontiguousarray(record.sample(v))) for k, v in outputs.items())
    return record


def _unknown(inputs: dict[str, Any]) -> float:
    """How much of a call's inputs is unknown: the probability of class 2, or grey near one half."""
    trimap = inputs.get("trimap")
    if trimap is None or trimap.ndim != 4:
        return 0.0
    if trimap.shape[1] == 3:
        return float(trimap[:, 2].sum())
    return float(np.count_nonzero(np.abs(trimap - 0.5) < 0.25))


def _recordable(tensor: Tensor, value: NDArray[np.float32]) -> NDArray[np.float32]:
    """The nearest input that a record can store exactly; see :mod:`edgematte.check.goldens`."""
    value = repeated(value[:ROWS], len(value))
    if tensor.range == (0.0, 1.0) and np.array_equal(from_bytes(to_bytes(value)), value):
        return value
    if tensor.name == "trimap" and value.shape[1] == 3:
        return from_bytes(coarse(value))
    if tensor.range == (0.0, 1.0):
        return from_bytes(to_bytes(value))
    return value.astype(np.float16).astype(np.float32)


def _filler(shape: tuple[int, ...], picture: Bytes) -> NDArray[np.float32]:
    """Made-up input: the picture, in as many channels as the tensor has; a ramp if it is no map."""
    if len(shape) != 4:
        return np.resize(np.linspace(-1, 1, 251, dtype=np.float32), shape)
    small = resize_picture(picture, (shape[3], shape[2])).transpose(2, 0, 1)
    return from_bytes(repeated(repeated(small, shape[1])[None], shape[0]))
