"""Keeping a forked child from using or closing objects with threads, such as engines and clips.

Closing such an object waits for its threads. A forked child does not have them and would wait
forever, at the latest when it exits. So the child never touches or frees the object; its memory is
shared with the parent.
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
    """Call ``owner.forked`` in every forked child, as long as the owner exists."""
    _WATCHED.add(owner)


def keep(thing: Any) -> None:
    """Keep an object forever: its destructor never runs, not even when Python ends."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def _tell_all() -> None:
    for owner in list(_WATCHED):
        owner.forked()


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_tell_all)
