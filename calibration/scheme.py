"""What to quantize and how, in one description for the quantizers of all targets."""

from dataclasses import dataclass, replace

from edgematte.errors import OptionError
from edgematte.ranges import RANGE_METHODS

WEIGHTS = ("int8", "palette4")
ACTIVATIONS = ("uint8", "int16", None)
METHODS = (*RANGE_METHODS, None)


@dataclass(frozen=True)
class Scheme:
    """One way to quantize a graph; nodes that cannot be quantized stay in float."""

    weights: str = "int8"  # int8: symmetric, a scale per output channel; palette4: 16 values
    activations: str | None = "uint8"  # None: weights only; int16: w8a16
    method: str | None = None  # how ranges of activations are chosen; None: as the target does
    skip: frozenset[str] = frozenset()  # nodes left in float
    smooth: bool = False  # move outlying channels of norms into weights, where there are norms

    def __post_init__(self) -> None:
        """Refuse types that no quantizer can quantize to."""
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
        """The same scheme with more nodes left in float."""
        return replace(self, skip=self.skip | nodes)


SCHEMES = {
    "int8": Scheme(),
    "int8-weights": Scheme(activations=None),
    "w8a16": Scheme(activations="int16"),
    "int4-palette": Scheme(weights="palette4", activations=None),
}
"""The scheme that each quantized precision starts from."""

NAMES = {"uint8": "w8a8", "int16": "w8a16", None: "weights"}
"""Type of the activations -> name of the scheme in reports."""
