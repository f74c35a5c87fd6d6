"""INT8 on x86 processors without VNNI: sums of two products that 16 bits do not hold.

Their instruction (vpmaddubsw) multiplies unsigned bytes by signed ones and adds neighbouring
products up in 16 bits, which stop at 32767. Signed activations are shifted to unsigned ones first.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgematte.finding import Finding
from edgematte.manifest import Graph

MOST = 32767 // 255
"""What two weights may sum up to, so that no activations saturate."""


@dataclass(frozen=True)
class Layer:
    """The 8-bit weights of a convolution or matrix product, (outputs, inputs)."""

    name: str
    weights: NDArray[np.int8]

    @property
    def risky(self) -> int:
        """How many pairs of neighbouring inputs may saturate."""
        count = self.weights.shape[1] // 2 * 2
        pairs = self.weights[:, :count].astype(np.int32).reshape(len(self.weights), -1, 2)
        # Products of unsigned activations add up only where the weights have the same sign.
        positive = np.clip(pairs, 0, None).sum(axis=2)
        negative = -np.clip(pairs, None, 0).sum(axis=2)
        return int((np.maximum(positive, negative) > MOST).sum())


def saturating(graph: Graph, layers: Sequence[Layer]) -> Iterator[Finding]:
    """One finding on all layers of a graph that may saturate."""
    risky = [layer for layer in layers if layer.risky]
    if not risky:
        return
    pairs = sum(layer.risky for layer in risky)
    worst = max(risky, key=lambda layer: layer.risky)
    yield Finding(
        "int8-saturation",
        graph.name,
        f"{len(risky)} of {len(layers)} layers in INT8 have pairs of weights that sum up to more "
        f"than {MOST}, {pairs:,} in all, most in {worst.name}",
        "x86 processors without VNNI (before about 2019) add two products up in 16 bits, which "
        "saturate: alpha is worse there than it was measured here",
        "run the check on such a processor before you ship to them, or take int8-weights",
        "openvinotoolkit/nncf#1498, microsoft/onnxruntime#6004",
    )
