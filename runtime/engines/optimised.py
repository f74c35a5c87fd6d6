"""Graphs as ONNX Runtime optimised them for this processor, kept for the next start.

Optimising takes most of the time of opening a graph. What is kept is named after everything that it
depends on, begins with the hash of the rest, and is only ever a shortcut: where it is missing or
damaged, or the folder cannot be written, the graph is opened as always.
"""

import contextlib
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import onnxruntime

from edgematte.cache import cache_folder, empty
from edgematte.runtime.engines.machine import processor
from edgematte.scratch import scratch_file, sweep

NAME = "onnxruntime"
LARGEST = 512 * 2**20
"""*Chosen*: larger files are opened as always; they would fill the cache."""
Options = Callable[[], onnxruntime.SessionOptions]


def kept_session(file: Path, options: Options, of: str) -> onnxruntime.InferenceSession | None:
    """A session of a graph on the processor; None where it has to be opened as always.

    Args:
        file: the graph.
        options: makes the options of the session.
        of: which of the options change what ONNX Runtime makes of a graph.
    """
    with contextlib.suppress(OSError, RuntimeError):
        if not file.is_file() or file.stat().st_size > LARGEST:
            return None
        model = file.read_bytes()
        place = cache_folder(NAME) / _name(model, of)
        return _opened(place, options) or _kept(model, place, options)
    return None


def _opened(place: Path, options: Options) -> onnxruntime.InferenceSession | None:
    try:
        data = place.read_bytes()
    except OSError:
        return None
    digest, model = data[:32], data[32:]
    if hashlib.sha256(model).digest() == digest:
        session = options()
        session.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        with contextlib.suppress(Exception):  # of ONNX Runtime, of any class
            opened = _session(model, session)
            with contextlib.suppress(OSError):
                os.utime(place)  # age is counted from the last use
            return opened
    with contextlib.suppress(OSError):
        place.unlink()
    return None


def _kept(model: bytes, place: Path, options: Options) -> onnxruntime.InferenceSession | None:
    """Open a graph, and keep what ONNX Runtime made of it."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with scratch_file(place, shared=True) as scratch:
        session = options()
        session.optimized_model_filepath = str(scratch)
        try:
            opened = _session(model, session)
        except Exception:  # it says the same, with the file's name, where it is opened as always
            return None
        made = scratch.read_bytes()
        if made:
            scratch.write_bytes(hashlib.sha256(made).digest() + made)
            os.replace(scratch, place)
    sweep(place)
    empty(place.parent)
    return opened


def _session(model: bytes, options: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _name(model: bytes, of: str) -> str:
    parts = hashlib.sha256(model)
    for part in (onnxruntime.__version__, onnxruntime.get_build_info(), processor(), of):
        parts.update(b"\0" + part.encode())
    return f"{parts.hexdigest()[:40]}.onnx"
