"""A row of the index: what became of one picture."""

from dataclasses import dataclass

DONE, FAILED = "done", "failed"
SECONDS = ("read", "decode", "host", "graph", "encode", "write")
"""Stages of a picture whose seconds the index holds, in their order."""


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one picture.

    `path`: what it was called in the input. `status`: ``done`` or ``failed``, then with an `error`
    and without what follows it but for `seconds`, `node` and `attempts`. `unknown`: share of the
    trimap's pixels that were unknown. `sha256`: of alpha as it is written, (H, W) integers of 8 or,
    little-endian, 16 bits, row after row. `results`: names of the files by kind, in the folder of
    results. `seconds`: by stage (:data:`SECONDS`). `node`: host name of the machine. `attempts`:
    how often it was begun, above 1 where a worker ended.
    """

    path: str
    status: str
    error: str | None = None
    width: int | None = None
    height: int | None = None
    unknown: float | None = None
    sha256: str | None = None
    results: tuple[tuple[str, str], ...] = ()
    seconds: tuple[tuple[str, float], ...] = ()
    node: str = ""
    attempts: int = 1
