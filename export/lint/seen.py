"""What a reference computes on some inputs: what rules on values look at."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgematte.arrays import Floats


@dataclass(frozen=True)
class Seen:
    """Of one graph.

    `outputs`: of its golden call, whole, in the unit range. `largest`: by place, the largest
    magnitude of the values there, over all inputs. `calls`: how many inputs those were.
    `approximate`: places of GELUs that are approximated by tanh.
    """

    outputs: Mapping[str, Floats]
    largest: Mapping[str, float] = field(default_factory=dict)
    calls: int = 1
    approximate: tuple[str, ...] = ()
