"""Golden records as raw files with a JSON index, for languages without NumPy: docs/porting.md."""

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgematte.arrays import Bytes
from edgematte.atomic import atomic_folder
from edgematte.check.cases import Case, Ran, cases_of
from edgematte.codec import encode
from edgematte.errors import EngineError, OptionError
from edgematte.manifest import Graph, Manifest
from edgematte.nets import find
from edgematte.runtime.bundle import Bundle
from edgematte.runtime.engines.colours import colours_of
from edgematte.runtime.engines.graph import to_file
from edgematte.runtime.host.steps import Array
from edgematte.runtime.matte import Matte
from edgematte.runtime.proof.goldens import Goldens, GraphRecord, read
from edgematte.runtime.proof.tolerances import (
    HOST,
    RESIZED,
    TRIMAPS,
    Tolerance,
    output_tolerance,
    tolerance_for,
)

FORMAT = 1
INDEX = "index.json"
Entry = dict[str, Any]
Run = Callable[[Bytes, Bytes | None], Matte]


@dataclass(frozen=True)
class Written:
    """What was written: the folder, its files and bytes, and the cases by name."""

    folder: Path
    files: int
    bytes: int
    cases: tuple[str, ...]
    engine: str  # what the made cases ran on; empty where none could
    not_run: str = ""  # why not


def write_goldens(bundle: Bundle, to: Path, run: Run | EngineError, engine: str) -> Written:
    """Write a bundle's golden records, and made cases, into a new folder.

    Args:
        bundle: opened and verified.
        to: a folder that is not there yet, or empty.
        run: mattes a picture with the bundle, for the made cases; or why nothing here can.
        engine: what ``run`` runs the graphs on.

    Raises:
        OptionError: ``to`` holds something.
        BundleError: the records cannot be read.
    """
    if to.exists() and not (to.is_dir() and not any(to.iterdir())):
        raise OptionError(f"{to} exists: give a folder that is not there yet, or an empty one")
    manifest = bundle.manifest
    goldens = read(bundle.path, {g.name: g for g in manifest.graphs})
    cases = cases_of(manifest, goldens)
    with atomic_folder(to) as folder:
        store = _Store(folder)
        index: Entry = {
            "format": FORMAT,
            "edgematte": version("edgematte"),
            "model": manifest.model,
            "target": manifest.target,
            "precision": manifest.precision,
            "cut": manifest.host.cut,
            "host": encode(manifest.host),
        }
        if manifest.trimap_stage is not None:
            index["trimap_stage"] = encode(manifest.trimap_stage)
        index["graphs"] = [
            _graph(store, manifest, manifest.graph(name), record)
            for name, record in goldens.graphs.items()
        ]
        index["cases"] = [_case(store, manifest, goldens, case, run, engine) for case in cases]
        if isinstance(run, EngineError):
            index["not_run"] = str(run)
        (folder / INDEX).write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
        files = [file for file in folder.rglob("*") if file.is_file()]
        size = sum(file.stat().st_size for file in files)
    names = tuple(case.name for case in cases)
    if isinstance(run, EngineError):
        return Written(to, len(files), size, names, "", str(run))
    return Written(to, len(files), size, names, engine)


class _Store:
    """Files of arrays; what several entries hold alike is written once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[bytes, str] = {}
        self._taken: set[str] = set()

    def entry(
        self,
        place: str,
        value: NDArray[Any],
        tolerance: Tolerance | None = None,
        every: Sequence[int] = (),
    ) -> Entry:
        """Write an array and describe it; ``place`` is its path without an ending."""
        raw = _little(value)
        described: Entry = {
            "file": self._file(place, raw),
            "dtype": raw.dtype.name,
            "shape": list(raw.shape),
        }
        if any(step != 1 for step in every):
            described["every"] = list(every)
        if tolerance is not None:
            described["tolerance_max"] = tolerance.max_abs
            described["tolerance_mean"] = tolerance.mean_abs
        return described

    def _file(self, place: str, raw: NDArray[Any]) -> str:
        data = raw.tobytes()
        key = hashlib.sha256(data).digest()
        if key not in self._known:
            plain = "/".join(re.sub(r"[^\w.-]", "_", part) for part in place.split("/"))
            name, number = f"{plain}.bin", 1
            while name.lower() in self._taken:
                number += 1
                name = f"{plain}-{number}.bin"
            self._taken.add(name.lower())
            file = self._folder / name
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(data)
            self._known[key] = name
        return self._known[key]


def _little(value: NDArray[Any]) -> NDArray[Any]:
    """Little-endian, without gaps; flags as bytes and whole numbers as int32."""
    dtype = value.dtype
    if dtype.kind == "b":
        dtype = np.dtype(np.uint8)
    elif dtype.kind in "iu" and dtype.itemsize > 1:
        dtype = np.dtype(np.int32)
    elif dtype.kind == "f" and dtype.itemsize > 4:
        dtype = np.dtype(np.float32)
    return np.ascontiguousarray(value, dtype.newbyteorder("<")).reshape(value.shape)


def _graph(store: _Store, manifest: Manifest, graph: Graph, record: GraphRecord) -> Entry:
    """A graph: inputs as it takes them, the recorded part of its outputs as pipelines use them."""
    place = f"graphs/{graph.name}"
    colours = colours_of(manifest.host_of(graph))
    limits = tolerance_for(manifest.precision, find(manifest.model).net.unpools)
    inputs, outputs = [], []
    for tensor in graph.inputs:
        value = to_file(record.inputs[tensor.name], tensor, colours)
        inputs.append({"name": tensor.name, **store.entry(f"{place}.in.{tensor.name}", value)})
    for tensor in graph.outputs:
        value = record.outputs[tensor.name]
        steps = [1] * value.ndim
        if value.ndim > 2:
            steps[-2:] = [record.stride] * 2
        limit = output_tolerance(value, limits)
        entry = store.entry(f"{place}.out.{tensor.name}", value, limit, steps)
        outputs.append({"name": tensor.name, "whole": list(tensor.shape), **entry})
    return {"name": graph.name, "file": graph.file, "inputs": inputs, "outputs": outputs}


def _case(
    store: _Store,
    manifest: Manifest,
    goldens: Goldens,
    case: Case,
    run: Run | EngineError,
    engine: str,
) -> Entry:
    steps = [_step(store, case.name, ran) for ran in case.steps]
    entry: Entry = {"name": case.name, "about": case.about, "steps": steps}
    if case.name == "recorded":
        choices = {
            name: store.entry(f"{case.name}/choice.{name}", value)
            for name, value in goldens.choices.items()
        }
        whole = goldens.alpha, goldens.trimap
        reference = find(manifest.model).net.reference
        entry["end_to_end"] = _whole(store, manifest, case, *whole, reference)
        if choices:
            entry["end_to_end"]["choices"] = choices
    elif not isinstance(run, EngineError):
        matte = run(case.picture, case.trimap)
        by = f"edgematte.runtime on {engine}"
        entry["end_to_end"] = _whole(store, manifest, case, matte.alpha, matte.trimap, by)
    return entry


def _step(store: _Store, case: str, ran: Ran) -> Entry:
    prefix = f"{case}/{'' if ran.part == 'host' else ran.part + '.'}"
    gives = {}
    for array in ran.step.gives:
        value = ran.gives[array.name]
        every = array.every if ran.sampled else ()
        place = f"{prefix}{ran.step.name}.{array.name}"
        gives[array.name] = store.entry(place, value, _limit(array, value), every)
    return {
        "part": ran.part,
        "name": ran.step.name,
        "reads": {name: store.entry(f"{prefix}{name}", value) for name, value in ran.reads.items()},
        "gives": gives,
    }


def _limit(array: Array, value: NDArray[Any]) -> Tolerance:
    if array.fixed:
        return RESIZED
    return Tolerance(0.0, 0.0) if value.dtype.kind in "iub" else HOST


def _whole(
    store: _Store, manifest: Manifest, case: Case, alpha: Any, trimap: Bytes, by: str
) -> Entry:
    """The matte of a picture."""
    limit = tolerance_for(manifest.precision, find(manifest.model).net.unpools)
    found = TRIMAPS[manifest.precision]
    bytes_ = Tolerance(255 * found.max_abs, 255 * found.mean_abs)
    reads = {"picture": store.entry(f"{case.name}/picture", case.picture)}
    if case.trimap is not None:
        reads["trimap"] = store.entry(f"{case.name}/trimap", case.trimap)
    return {
        "by": by,
        "reads": reads,
        "gives": {
            "alpha": store.entry(f"{case.name}/whole.alpha", alpha, limit),
            "trimap": store.entry(f"{case.name}/whole.trimap", trimap, bytes_),
        },
    }
