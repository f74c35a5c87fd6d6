"""A graph that is quantized as it is or with smoothed norms."""

from dataclasses import replace
from typing import Any

from edgematte.calibration.ladder import Quantizable
from edgematte.calibration.scheme import Scheme


class Smoothable:
    """A graph in two forms that compute the same: unchanged and smoothed."""

    def __init__(self, plain: Quantizable, smooth: Quantizable) -> None:
        """Both have the same nodes in the same order, possibly under other names."""
        self.plain, self.smooth, self.nodes = plain, smooth, plain.nodes
        self._names = dict(zip(plain.nodes, smooth.nodes, strict=True))

    def quantize(self, scheme: Scheme | None) -> Any:
        """See :class:`Quantizable`; ``scheme.smooth`` says which form is quantized."""
        if scheme is None or not scheme.smooth:
            return self.plain.quantize(scheme)
        skip = frozenset(self._names[name] for name in scheme.skip)
        return self.smooth.quantize(replace(scheme, skip=skip))
