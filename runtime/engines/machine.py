"""What this machine is to an engine: its processor, its drivers, and the packages installed."""

import contextlib
import importlib.util
import os
import platform
from functools import cache
from pathlib import Path

DEVICES = ("dri", "accel", "nvidia0", "nvidiactl")
"""Places in /dev of graphics processors and neural processing units."""


@cache
def processor() -> str:
    """The kind of this processor: kernels, and the layout of weights for them, depend on it."""
    parts = [platform.system(), platform.machine()]
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.startswith(("model name", "flags", "CPU part", "Features")):
                    parts.append(line.strip())
                elif not line.strip():  # the next processor is of the same kind
                    break
    except OSError:
        parts.append(platform.processor())
    return "\n".join(parts)


@cache
def drivers() -> str:
    """The system's version, with which drivers come, NVIDIA's driver, and the devices there are."""
    parts = [platform.release(), platform.version()]
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/driver/nvidia/version").read_text(errors="replace"))
    for name in DEVICES:
        place = Path("/dev", name)
        with contextlib.suppress(OSError):
            parts += [name, *sorted(os.listdir(place))] if place.is_dir() else []
            parts += [name] if place.exists() else []
    return "\n".join(parts)


def installed(package: str) -> str:
    """Which version of a package is installed, by the names of its metadata; none is imported.

    Packages of another name that hold the same module, such as one for GPUs, are told apart. Empty
    where there is no such module.
    """
    try:
        found = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return ""
    if found is None or found.origin is None:
        return ""
    init = Path(found.origin)
    with contextlib.suppress(OSError):
        beside = os.listdir(init.parent.parent)
        names = [n for n in beside if n.startswith(package) and n.endswith(("-info", ".egg-link"))]
        return f"{init} {init.stat().st_mtime_ns} {' '.join(sorted(names))}"
    return str(init)
