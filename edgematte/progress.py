"""How long work tells where it is: a line at each stage, and how much of it is done."""

from typing import Protocol


class Progress(Protocol):
    """What the caller of long work may give to follow it."""

    def __call__(self, message: str, done: int = 0, total: int = 0) -> None:
        """Called as a stage starts, with ``message`` alone; or, as it goes on, with how many of
        how many steps are ``done``, counted from 1 to ``total``."""


def silent(message: str, done: int = 0, total: int = 0) -> None:
    """Tell nobody."""
