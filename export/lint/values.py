"""Rules on values: those that half precision does not hold, and outputs outside of their range."""

from collections.abc import Iterator

import numpy as np

from edgematte.export.lint.seen import Seen
from edgematte.finding import Finding
from edgematte.manifest import Graph, Manifest

HALF_MOST = 65504.0
"""The largest number of half precision."""
MARGIN = 4.0
"""*Chosen*: other pictures may have values so many times as large as those that were measured."""
OUTSIDE = 1e-5
"""How far a value of [0, 1] may be outside of it."""
SHOWN = 3  # places that are named


def in_half(manifest: Manifest) -> str:
    """What computes the graphs of a bundle in half precision; empty where nothing should."""
    if manifest.target == "coreml" and manifest.precision != "fp32":
        return "the Neural Engine"
    if manifest.target == "litert":
        return "GPU delegates, which compute every file in half precision unless told otherwise"
    return "engines that compute in the file's precision" if manifest.precision == "fp16" else ""


def half_range(graph: Graph, seen: Seen, manifest: Manifest) -> Iterator[Finding]:
    """Places whose values come near the largest number of half precision, or are beyond it."""
    who = in_half(manifest)
    near = {k: v for k, v in seen.largest.items() if v * MARGIN > HALF_MOST}
    if not who or not near:
        return
    places = sorted(near, key=lambda place: -near[place])
    shown = ", ".join(f"{place} {near[place]:.3g}" for place in places[:SHOWN])
    more = f" and {len(places) - SHOWN} more places" if len(places) > SHOWN else ""
    beyond = sum(value > HALF_MOST for value in near.values())
    calls = f"{seen.calls} call{'' if seen.calls == 1 else 's'}"
    yield Finding(
        "half-range",
        graph.name,
        f"values of {len(near)} operators, measured on {calls}, come within a factor of "
        f"{MARGIN:g} of {HALF_MOST:,.0f}, and of {beyond} beyond it: {shown}{more}",
        f"{who} give infinity there, or stop at the largest number, without an error",
        "export in fp32, or scale those values in the network; give calibration pictures like "
        "those of the app to measure on more",
        "apple/coremltools#1380",
    )


def out_of_range(graph: Graph, seen: Seen) -> Iterator[Finding]:
    """Outputs of the reference that are outside of [0, 1], which they are declared to be in."""
    for tensor in graph.outputs:
        if tensor.range not in ((0, 1), (0, 255)) or tensor.name not in seen.outputs:
            continue
        value = seen.outputs[tensor.name]
        low, high = float(np.min(value)), float(np.max(value))
        if low < -OUTSIDE or high > 1 + OUTSIDE:
            yield Finding(
                "outside-unit-range",
                f"{graph.name}.{tensor.name}",
                f"values from {low:.4g} to {high:.4g}, declared in [0, 1]",
                "apps that make bytes of them without clipping get 255 where 0 was meant",
                "end the network with a sigmoid or a clamp",
            )
