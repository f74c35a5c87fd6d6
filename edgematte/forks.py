"""What a forked child does with things whose threads stayed in the parent: engines, clips.

Ending such a thing waits for its threads, which a child does not have, at the latest when the child
exits. So a child keeps it for good, untouched; the memory is shared with the parent.
"""

import ctypes
import os
from typing import Any, Protocol
from weakref import WeakSet


class Forked(Protocol):
    """Holds things that a forked child must neither use nor end."""

    def forked(self) -> None:
        """Called in a forked child, before anything else runs there."""


_WATCHED: WeakSet[Forked] = WeakSet()


def watch(owner: Forked) -> None:
    """Call its ``forked`` in every forked child, as long as it lives."""
    _WATCHED.add(owner)


def keep(thing: Any) -> None:
    """Take a reference that nobody gives back: no destructor runs, not even as Python ends."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def _tell_all() -> None:
    for owner in list(_WATCHED):
        owner.forked()


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_tell_all)
