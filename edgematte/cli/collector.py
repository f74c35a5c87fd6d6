"""Python's collector of circles, kept out of a command's first and last moments.

A command of one picture is mostly imports, whose objects stay to the end: looking through them for
circles while they are made, and once more when the process ends, frees nothing and takes a tenth
of the time. Only a process that is the command's own is treated so.
"""

import atexit
import gc
import threading

_own = threading.Event()


def hold() -> None:
    """The process is the command's own: nothing is collected until :func:`release`."""
    _own.set()
    gc.disable()


def release() -> None:
    """The work begins: from here on circles are collected, among what is new."""
    if _own.is_set() and not gc.isenabled():
        gc.freeze()
        gc.enable()


def leave_at_end() -> None:
    """Nothing is collected when the process ends.

    Not for commands that import ``onnx``: its bindings take what is left then for a leak, and say
    so on standard error.
    """
    if _own.is_set():
        atexit.register(gc.freeze)
