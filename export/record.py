"""Recording goldens: host steps with PyTorch graphs on one picture, and the first equality."""

import inspect
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from edgematte.check.compare import difference, sampled, unit
from edgematte.check.goldens import (
    Goldens,
    GraphRecord,
    coarse,
    from_bytes,
    stride_for,
    to_bytes,
)
from edgematte.check.tolerances import CUT
from edgematte.errors import ExportError
from edgematte.export.capture import TorchGraph
from edgematte.export.torch_graph import TorchCall, torch_calls
from edgematte.manifest import Difference, Host
from edgematte.runtime.clock import Clock
from edgematte.runtime.pipeline import Step
from edgematte.runtime.resize import resize_picture

Bytes = NDArray[np.uint8]


def record(
    model: nn.Module,
    graphs: Sequence[TorchGraph],
    host: Host,
    picture: Bytes,
    cut: ModuleType,
    host_module: ModuleType,
) -> tuple[Goldens, Difference]:
    """Goldens of one picture, and how far the training-time forward is from the cut.

    Args:
        model: the trained model.
        graphs: its graphs, which share the model's weights.
        host: parameters of the cut.
        picture: uint8 (H, W, 3).
        cut: the model's cut module, for the reference.
        host_module: the model's host side.
    """
    calls = torch_calls(graphs)
    for call in calls.values():
        call.remember = True
    pipeline = host_module.pipeline(host, calls)
    alpha, trimap = pipeline(picture, None, Clock())
    if not np.isfinite(alpha).all():
        raise ExportError("PyTorch itself gives values that are not finite on the check's picture")
    reduced = resize_picture(picture, host.size)
    whole = cut.reference(model, host, picture, reduced, trimap)
    faithful = difference("cut", "alpha", "PyTorch", alpha, whole, CUT)
    seen = {name: list(call.calls) for name, call in calls.items()}
    for call in calls.values():
        call.remember = False
    records = {name: _graph_record(call, seen[name], picture) for name, call in calls.items()}
    pool = _pool(host_module.host_steps(host), picture, trimap, calls, seen)
    return Goldens(records, pool, picture, trimap, alpha), faithful


def _graph_record(call: TorchCall, seen: list[dict[str, Any]], picture: Bytes) -> GraphRecord:
    """Of the call with the most unknown probability; a graph never called gets the picture."""
    if seen:
        chosen = max(seen, key=lambda c: float(c["trimap"][:, 2].sum()) if "trimap" in c else 0)
    else:
        chosen = {t.name: _filler(t.shape, picture) for t in call.graph.inputs}
    inputs = {
        name: from_bytes(coarse(value) if name == "trimap" else to_bytes(value))
        for name, value in chosen.items()
    }
    outputs = call(**inputs)
    stride = max(stride_for(v.shape) for v in outputs.values())
    kept = {k: np.ascontiguousarray(v[..., ::stride, ::stride]) for k, v in outputs.items()}
    return GraphRecord(inputs, kept, stride)


def _filler(shape: tuple[int, ...], picture: Bytes) -> NDArray[np.float32]:
    small = resize_picture(picture, (shape[3], shape[2]))
    return from_bytes(small.transpose(2, 0, 1)[None])


def _pool(
    steps: dict[str, Step],
    picture: Bytes,
    trimap: Bytes,
    calls: dict[str, TorchCall],
    seen: dict[str, list[dict[str, Any]]],
) -> dict[str, NDArray[Any]]:
    """Inputs of the host steps, then what each step makes of them, in one pool by name."""
    first = next(iter(calls))
    found = calls[first](**seen[first][0])
    pool: dict[str, NDArray[Any]] = {
        "picture": picture,
        "size": np.array(picture.shape[1::-1], np.int32),
        "probabilities": coarse(found["trimap"][0]),
    }
    if "alpha" in found:
        pool["reduced_alpha"] = to_bytes(found["alpha"][0])
    kept: dict[str, NDArray[Any]] = {}
    for name, step in steps.items():
        if name == "crop":
            pool["patch"] = pool["patches"][int(np.argmax(pool["refined"]))]
        if name == "stitch":
            pool["alphas"] = _alphas(pool)
        needed = inspect.signature(step).parameters
        results = step(**{n: unit(n, pool[n]) for n in needed})
        pool |= {n: v for n, v in results.items() if n not in pool}
        kept |= {n: sampled(n, v) for n, v in results.items()}
    return pool | kept


def _alphas(pool: dict[str, NDArray[Any]]) -> Bytes:
    """Smooth alphas that differ from patch to patch, so that blending shows."""
    side = int(pool["patches"][0][2])
    ramp = np.linspace(0, 1, side, dtype=np.float32)
    planes = [np.add.outer(ramp * (i + 1), ramp[::-1]) % 1 for i in range(len(pool["patches"]))]
    return to_bytes(np.stack(planes))
