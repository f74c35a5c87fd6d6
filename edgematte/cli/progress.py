"""Progress on standard error: a line for each stage, a bar where steps are counted."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Never

from edgematte.cli.streams import remark, remarks

if TYPE_CHECKING:
    from tqdm import tqdm


class Bars:
    """A :class:`edgematte.progress.Progress` that a person watches."""

    def __init__(self) -> None:
        """Nothing is shown before the first call."""
        self._bar: tqdm[Never] | None = None

    def __call__(self, message: str, done: int = 0, total: int = 0) -> None:
        """A line for a stage; a bar that grows for steps of one message."""
        if not total:
            remark(f"{message} ...")
            return
        if not remarks():
            return
        bar = self._bar
        if bar is None or bar.desc != message:
            bar = self._started(total, message)
        bar.update(done - bar.n)
        if done == total:
            bar.close()
            self._bar = None

    def _started(self, total: int, message: str) -> "tqdm[Never]":
        from tqdm import tqdm

        bar: tqdm[Never] = tqdm(total=total, desc=message, file=sys.stderr, leave=True)
        bar.desc = message
        self._bar = bar
        return bar


@contextmanager
def counted(unit: str) -> Iterator[Callable[[int, int], None]]:
    """A bar with how many are done a second, on standard error where that is a terminal.

    What it gives is called with how many are done, and of how many (0: not known).
    """
    from tqdm import tqdm

    with tqdm(unit=unit, disable=None if remarks() else True, file=sys.stderr) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total or None
            bar.update(done - bar.n)

        yield progress
