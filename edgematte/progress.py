"""How long work reports its progress: a line for each stage, and how much of it is done."""

from typing import Protocol


class Progress(Protocol):
    """A function that the caller of long work gives, to follow it."""

    def __call__(self, message: str, done: int = 0, total: int = 0) -> None:
        """Called when a stage starts, with ``message`` alone, and after each step of a long stage.

        ``done`` of ``total`` steps are done; both are 0 when a stage starts.
        """


def silent(message: str, done: int = 0, total: int = 0) -> None:
    """Report nothing."""
