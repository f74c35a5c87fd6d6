"""Watching a process for writes outside of one folder, programs it starts, and connections."""

import os
import sys
from pathlib import Path
from typing import Any

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
PLACES = {
    "os.rename": (0, 1),
    "os.link": (1,),
    "os.symlink": (1,),
    "os.mkdir": (0,),
    "os.remove": (0,),
    "os.rmdir": (0,),
    "os.truncate": (0,),
    "os.chmod": (0,),
    "os.chown": (0,),
    "shutil.rmtree": (0,),
}
"""Events of Python's audit hooks that change a place, and which of their arguments it is."""
OTHERS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "socket.connect")


class Guard:
    """Once set, it cannot be removed from a process; `seen` is emptied by who reads it.

    Only what Python does is seen. Libraries write to the names that they are given, and the folders
    in which the process stands and lives (its home) are compared by who started it.
    """

    def __init__(self, allowed: Path) -> None:
        """Writes below ``allowed`` and to the null device are not noted."""
        self.allowed, self.seen = os.path.realpath(allowed), list[str]()
        sys.addaudithook(self._heard)

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = arguments
            writes = any(c in mode for c in "wax+") if mode else bool(flags & WRITING)
            if writes and not isinstance(path, int):
                self._note(event, path)
        elif event in PLACES:
            for number in PLACES[event]:
                self._note(event, arguments[number])
        elif event in OTHERS:
            self.seen.append(f"{event} {str(arguments[:1])[:120]}")

    def _note(self, event: str, path: Any) -> None:
        if isinstance(path, int):
            return
        place = os.path.realpath(os.fsdecode(path))
        if place != os.devnull and not f"{place}/".startswith(f"{self.allowed}/"):
            self.seen.append(f"{event} {place[:200]}")
