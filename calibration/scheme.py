"""What to quantize and how: one description for the quantizers of all targets."""

from dataclasses import dataclass, replace

from edgematte.errors import OptionError
from edgematte.ranges import RANGE_METHODS

WEIGHTS = ("int8", "palette4")
ACTIVATIONS = ("uint8", "int16", None)
METHODS = (*RANGE_METHODS, None)


@dataclass(frozen=True)
class Scheme:
    """One way to quantize a graph; what cannot be quantized stays as it is."""

    weights: str = "int8"  # int8: symmetric, a scale per output channel; palette4: 16 values
    activations: str | None = "uint8"  # None: weights only; int16: w8a16
    method: str | None = None  # how the range of an activation is chosen; None: the target's way
    skip: frozenset[str] = frozenset()  # nodes left in float
    smooth: bool = False  # outlying channels of norms moved into weights, where there are norms

    def __post_init__(self) -> None:
        """Refuse what no quantizer knows."""
        for field, able in (
            ("weights", WEIGHTS),
            ("activations", ACTIVATIONS),
            ("method", METHODS),
        ):
            value = getattr(self, field)
            if value not in able:
                allowed = ", ".join(str(a) for a in able)
                raise OptionError(f"{field} {value!r} cannot be quantized to; there are: {allowed}")

    def without(self, nodes: frozenset[str]) -> "Scheme":
        """The same with more nodes left in float."""
        return replace(self, skip=self.skip | nodes)


SCHEMES = {
    "int8": Scheme(),
    "int8-weights": Scheme(activations=None),
    "int4-palette": Scheme(weights="palette4", activations=None),
}
"""What each quantized precision starts from."""

NAMES = {"uint8": "w8a8", "int16": "w8a16", None: "weights"}
"""What reports call a scheme, by its activations."""
