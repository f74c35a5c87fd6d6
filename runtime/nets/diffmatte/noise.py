"""Standard normal noise from a seed, by a generator that any language can repeat.

All integers are unsigned 32-bit and wrap around; ``>>`` shifts zeros in.

    mix(x):  x ^= x >> 16;  x *= 0x7feb352d;  x ^= x >> 15;  x *= 0x846ca68b;  x ^= x >> 16
    k = mix(seed + 0x9e3779b9)
    c = row * 65536 + column
    a = mix(mix(c) + mix(k + 1)),  b = mix(mix(c) + mix(k + 2))
    u = ((a >> 8) + 0.5) / 2^24,   v = ((b >> 8) + 0.5) / 2^24
    noise = sqrt(-2 ln u) * cos(2 pi v)

The last two lines are in double precision, the result is rounded to float32. ``mix`` is the hash
"lowbias32" of Wellons' Hash Prospector; the last line is Box and Muller's transform. The noise of a
pixel depends on the seed and on its place, not on the picture's size. Logarithms and cosines of two
platforms may differ in the last bit of a double; in very few pixels that changes the last bit of
the float32, too.
"""

import numpy as np
from numpy.typing import NDArray

from edgematte.errors import OptionError
from edgematte.ranges import SEED, check

Words = NDArray[np.uint32]

MOST_PX = 65536
SEEDS = 2**32
GOLDEN = 0x9E3779B9


def noise(seed: int, height: int, width: int) -> NDArray[np.float32]:
    """Noise (height, width) of mean 0 and deviation 1, float32, all within +-5.9.

    Raises:
        OptionError: a seed outside of 0 .. 2^32 - 1, or a side outside of 1 .. 65536.
    """
    check_seed(seed)
    if not (1 <= height <= MOST_PX and 1 <= width <= MOST_PX):
        raise OptionError(f"noise of {width}x{height}: sides are 1 to {MOST_PX}")
    key = mix(np.array([(seed + GOLDEN) % SEEDS], np.uint32))
    first, second = mix(key + np.uint32(1)), mix(key + np.uint32(2))
    column = np.arange(width, dtype=np.uint32)
    out = np.empty((height, width), np.float32)
    for row in range(height):
        place = mix(np.uint32(row << 16) + column)
        u, v = _unit(mix(place + first)), _unit(mix(place + second))
        out[row] = np.sqrt(-2 * np.log(u)) * np.cos(2 * np.pi * v)
    return out


def mix(x: Words) -> Words:
    """A hash of 32 bits in which every bit of the result depends on every bit of ``x``."""
    x = x ^ (x >> np.uint32(16))
    x = x * np.uint32(0x7FEB352D)
    x = x ^ (x >> np.uint32(15))
    x = x * np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))


def _unit(x: Words) -> NDArray[np.floating]:
    """The upper 24 bits as a number between 0 and 1, never 0 or 1 itself."""
    return ((x >> np.uint32(8)) + 0.5) / 2.0**24


def check_seed(seed: int) -> None:
    """Refuse a seed that is no unsigned 32-bit integer.

    Raises:
        OptionError: saying what seeds there are.
    """
    check("seed", seed, SEED)
