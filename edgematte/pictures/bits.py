"""Values of 10 and 12 bits, which HEIF and AVIF store, as 16 and back."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def stretched(array: NDArray[Any], bits: int) -> NDArray[np.uint16]:
    """Values of 9 to 15 bits as 16: 0 stays 0, and the largest becomes 65535.

    Raises:
        ValueError: values or bits of another kind.
    """
    if array.dtype != np.uint16 or not 8 < bits < 16:
        raise ValueError(f"it was decoded as {array.dtype} of {bits} bits")
    return np.asarray((array << (16 - bits)) | (array >> (2 * bits - 16)), np.uint16)


def rounded(array: NDArray[np.uint16], bits: int) -> NDArray[np.uint16]:
    """Values of 16 bits as so many, each the nearest; what :func:`stretched` made comes back."""
    most = (1 << bits) - 1
    return np.asarray((array.astype(np.uint32) * most + 32767) // 65535, np.uint16)


def has_bits(array: NDArray[np.uint16], bits: int) -> bool:
    """Whether all values of 16 bits are stretched ones of so many, or 0."""
    return bool((stretched(array >> (16 - bits), bits) == array).all())
