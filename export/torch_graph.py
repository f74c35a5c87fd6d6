"""PyTorch graphs with the interface that pipelines call, so that host steps run on them."""

from collections.abc import Sequence

import numpy as np
import torch

from edgematte.arrays import Floats
from edgematte.checkpoint import fingerprint
from edgematte.export.capture import TorchGraph
from edgematte.manifest import Graph


class TorchCall:
    """One module as a :class:`GraphCall`; can remember the inputs of each call."""

    def __init__(self, source: TorchGraph) -> None:
        """``source`` is the module that the exporter captures, with its declaration."""
        self.source = source
        self.calls: list[dict[str, Floats]] = []
        self.remember = False

    def __call__(self, **inputs: Floats) -> dict[str, Floats]:
        """Float32 arrays by name -> float32 arrays by name."""
        if self.remember:
            self.calls.append(inputs)
        given = [torch.from_numpy(np.ascontiguousarray(inputs[t.name])) for t in self.graph.inputs]
        with torch.inference_mode():
            outputs = self.source.module(*given)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        return {t.name: f.numpy() for t, f in zip(self.graph.outputs, outputs, strict=True)}

    @property
    def graph(self) -> Graph:
        """The declaration."""
        return self.source.graph

    @property
    def fingerprint(self) -> str:
        """A hash of the module's weights."""
        return fingerprint(self.source.module)


def torch_calls(graphs: Sequence[TorchGraph]) -> dict[str, TorchCall]:
    """The graphs by name."""
    return {g.graph.name: TorchCall(g) for g in graphs}
