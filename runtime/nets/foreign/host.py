"""Host sections of imported nets: how a picture goes into the graph, and what its answer means."""

import math
from dataclasses import dataclass
from typing import ClassVar

from edgematte.errors import BundleError
from edgematte.host import Host

LAYOUTS = ("NCHW", "NHWC")
ANSWERS = (*LAYOUTS, "NHW")
ACTIVATIONS = ("none", "sigmoid", "softmax", "min-max")
Triple = tuple[float, float, float]


@dataclass(frozen=True)
class State:
    """A recurrent state: zeros at the start of each clip, then what the frame before gave."""

    input: str  # of the graph
    output: str  # of the graph: the input of the next frame
    shape: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class ForeignHost(Host):
    """What both kinds share: one graph, ``pixels`` -> ``alpha``, on the stretched picture.

    The picture is resized to ``size`` without regard to its proportions. A byte becomes
    ``(byte * scale - mean) / std``, with ``mean`` and ``std`` in the order of the graph's channels.
    A recurrent net has ``states``, which it takes and gives beside.

    Raises:
        BundleError: the runtime does not know a value; the message names it.
    """

    layout: str  # of the graph's input
    answer_layout: str  # of the graph's output
    mean: Triple = (0.0, 0.0, 0.0)
    std: Triple = (1.0, 1.0, 1.0)
    channel: int = 0  # of the output, which says how much of a pixel is subject
    activation: str = "none"  # what turns the output into values in [0, 1]
    invert: bool = False  # the output says how much of a pixel is background
    band_px: int | None = None  # of a mask's trimap; by default as wide as the mask needs it
    states: tuple[State, ...] | None = None  # of a recurrent net

    def __post_init__(self) -> None:
        """Check the values."""
        super().__post_init__()
        for name, known in (
            ("layout", LAYOUTS),
            ("answer_layout", ANSWERS),
            ("activation", ACTIVATIONS),
        ):
            value = getattr(self, name)
            if value not in known:
                raise BundleError(
                    f"unknown {name} {value[:60]!r}; there are: {', '.join(known)}; install the "
                    "edgematte that wrote the bundle, or import again"
                )
        if not all(math.isfinite(value) for value in (*self.mean, *self.std)):
            raise BundleError("mean and std should be finite numbers; import again")
        if min(self.std) <= 0:
            raise BundleError(f"std {list(self.std)}: numbers above 0; import again")
        if self.band_px is not None and self.band_px < 0:
            raise BundleError(f"band_px {self.band_px}: at least 0; import again")
        if self.channel < 0:
            raise BundleError(f"channel {self.channel}: at least 0; import again")
        for state in self.states or ():
            if min(state.shape, default=0) < 1:
                raise BundleError(
                    f"state {state.input[:60]!r} of shape {list(state.shape)}: all sides should be "
                    "at least 1; import again"
                )

    @property
    def takes_bytes(self) -> bool:
        """Whether the graph takes bytes as they are, 0 to 255."""
        return self.scale == 1 and self.mean == (0, 0, 0) and self.std == (1, 1, 1)

    @property
    def range(self) -> tuple[float, float]:
        """The least and the largest value that the graph is given."""
        low = [-mean / std for mean, std in zip(self.mean, self.std, strict=True)]
        high = [
            (255 * self.scale - mean) / std for mean, std in zip(self.mean, self.std, strict=True)
        ]
        return min(low), max(high)


@dataclass(frozen=True, kw_only=True)
class MatteHost(ForeignHost):
    """The net's answer is a matte: soft edges are what it saw."""

    KIND: ClassVar[str] = "matte"


@dataclass(frozen=True, kw_only=True)
class MaskHost(ForeignHost):
    """The net's answer is a mask: its edges are uncertain, and a band around them is unknown."""

    KIND: ClassVar[str] = "mask"
