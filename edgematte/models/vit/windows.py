"""Maps (B, h, w, C) cut into windows or lattices of patches, and joined again.

Every reshape keeps the rank at 5 or below, and leaves the batch open.
"""

from torch import Tensor


def split(x: Tensor, rows: int, columns: int) -> Tensor:
    """(B, h, w, C) -> windows (B * h/rows * w/columns, rows, columns, C)."""
    height, width, channels = (int(n) for n in x.shape[1:])
    if (rows, columns) == (height, width):
        return x
    x = x.reshape(-1, rows, width // columns, columns, channels)
    return x.permute(0, 2, 1, 3, 4).reshape(-1, rows, columns, channels)


def sample(x: Tensor, step: int) -> Tensor:
    """(B, h, w, C) -> its lattices of every ``step``-th patch, (B * step^2, h/step, w/step, C)."""
    height, width, channels = (int(n) for n in x.shape[1:])
    rows, columns = height // step, width // step
    x = x.reshape(-1, rows, step, columns, step * channels).permute(0, 2, 1, 3, 4)
    x = x.reshape(-1, rows * columns, step, channels).permute(0, 2, 1, 3)
    return x.reshape(-1, rows, columns, channels)


def spread(x: Tensor, step: int) -> Tensor:
    """The reverse of :func:`sample`."""
    rows, columns, channels = (int(n) for n in x.shape[1:])
    x = x.reshape(-1, step, rows * columns, channels).permute(0, 2, 1, 3)
    x = x.reshape(-1, step, rows, columns, step * channels).permute(0, 2, 1, 3, 4)
    return x.reshape(-1, rows * step, columns * step, channels)


def join(x: Tensor, height: int, width: int) -> Tensor:
    """The reverse of :func:`split`."""
    rows, columns, channels = (int(n) for n in x.shape[1:])
    if (rows, columns) == (height, width):
        return x
    x = x.reshape(-1, width // columns, rows, columns, channels)
    return x.permute(0, 2, 1, 3, 4).reshape(-1, height, width, channels)
