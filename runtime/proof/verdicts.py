"""Verdicts on engines, kept for the next load.

A verdict is named after everything that it depends on: the bundle, how its graphs are opened, the
version of edgematte and of each engine, the drivers and the processor. It is only ever a shortcut:
where it is missing or damaged, or the folder cannot be written, the proof is run again.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Sequence
from typing import Any, TypeVar

from edgematte.cache import cache_folder, empty
from edgematte.codec import decode, encode
from edgematte.manifest import FILE
from edgematte.runtime.bundle import Bundle, sha256_file
from edgematte.runtime.engines import ENGINES
from edgematte.runtime.engines.machine import drivers, installed, processor
from edgematte.runtime.engines.workers import usable_cores
from edgematte.scratch import scratch_file, sweep
from edgematte.version import VERSION

NAME = "verdicts"
FORMAT = 1  # of what is kept: another number, and older ones are not read
MOST_BYTES = 10**7

T = TypeVar("T")


def key(bundle: Bundle, engines: Sequence[str], question: str) -> str:
    """The name of the verdict on engines; ``question`` says how their graphs are opened.

    The manifest lists the hash of every file, so that its own hash stands for the bundle.
    """
    parts = [
        f"{FORMAT} {VERSION} {sha256_file(bundle.path / FILE)}",
        question,
        *(f"{name} {_version(name)}" for name in engines),
        f"{usable_cores()} {processor()}",
        drivers(),
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:40]


def _version(engine: str) -> str:
    package = ENGINES[engine].package
    return installed(package) if package else ""


def recall(key: str, kind: type[T]) -> T | None:
    """What was kept under a key, if it is there and whole."""
    with contextlib.suppress(OSError, RuntimeError, ValueError):
        place = cache_folder(NAME) / f"{key}.json"
        value: Any = json.loads(place.read_text(encoding="utf-8"))
        found = decode(kind, value)
        with contextlib.suppress(OSError):
            os.utime(place)  # age is counted from the last use
        return found
    return None


def keep(key: str, verdict: Any) -> None:
    """Keep a verdict, where there is a folder that can be written."""
    with contextlib.suppress(OSError, RuntimeError):
        place = cache_folder(NAME) / f"{key}.json"
        place.parent.mkdir(parents=True, exist_ok=True)
        with scratch_file(place, shared=True) as scratch:
            scratch.write_text(json.dumps(encode(verdict), indent=1), encoding="utf-8")
            os.replace(scratch, place)
        sweep(place)
        empty(place.parent, MOST_BYTES)
