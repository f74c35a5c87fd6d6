"""Python's collector of circles, kept out of a command's first and last moments.

A command of one picture is mostly imports, whose objects stay to the end: looking through them for
circles while they are made, and once more when the process ends, frees nothing and takes a tenth
of the time. Only a process that is the command's own is treated so.
"""

import atexit
import gc
import threading

_held = threading.Event()


def hold() -> None:
    """Nothing is collected until :func:`release`, and nothing when the process ends."""
    _held.set()
    gc.disable()
    atexit.register(gc.freeze)


def release() -> None:
    """The work begins: from here on circles are collected, among what is new."""
    if _held.is_set():
        _held.clear()
        gc.freeze()
        gc.enable()
