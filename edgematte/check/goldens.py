"""Golden records: what PyTorch computed at export, kept in the bundle for checks without torch.

``golden/GRAPH.npz`` holds ``in.NAME`` and ``out.NAME`` of one graph; ``golden/host.npz`` one pool
of arrays that the host steps read and write by name; ``golden/end_to_end.npz`` the picture, the
trimap and PyTorch's alpha. Inputs in [0, 1] are bytes (value * 255), others float16: graphs are
recorded on exactly those values. Outputs are float32, every ``stride``-th row and column. Of a
batch of more than ``ROWS`` the first ``ROWS`` entries are kept; the rest of the input repeats them.
Alpha is 16 bits (value * 65535); ``choice.NAME`` are rows of what the host chose, where it does.
Of nets with a state ``clip`` holds the alphas of a clip's frames (:mod:`edgematte.check.clips`).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgematte.errors import BundleError, EdgematteError, line_of
from edgematte.manifest import Graph

FOLDER = "golden"
SAMPLES = 48 * 48  # kept of one output plane at most
ROWS = 8
SHARED = ("picture", "trimap")  # kept once, in end_to_end.npz, if the host pool has the same
Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class GraphRecord:
    """Inputs (float32) and sampled outputs of one graph."""

    inputs: Arrays
    outputs: Arrays
    stride: int

    def sample(self, output: NDArray[Any]) -> NDArray[Any]:
        """The recorded entries, rows and columns of a whole output."""
        kept = output[:ROWS]
        return kept[..., :: self.stride, :: self.stride] if output.ndim > 2 else kept


@dataclass(frozen=True)
class Goldens:
    """All records that a check compares with."""

    graphs: dict[str, GraphRecord]
    host: Arrays
    picture: NDArray[np.uint8]
    trimap: NDArray[np.uint8]
    alpha: NDArray[np.float32]
    choices: Arrays = field(default_factory=dict)  # the host's with PyTorch's graphs, by name
    clip: NDArray[np.float32] | None = None  # (frames, H, W), of nets with a state


def stride_for(shape: tuple[int, ...]) -> int:
    """The smallest power of two that keeps a plane within ``SAMPLES``; 1 if it is not a plane."""
    stride = 1
    while len(shape) > 2 and shape[-1] * shape[-2] / stride**2 > SAMPLES:
        stride *= 2
    return stride


def to_bytes(unit: NDArray[Any]) -> NDArray[np.uint8]:
    """Values in [0, 1] -> the nearest bytes."""
    rounded: NDArray[np.uint8] = np.rint(np.clip(unit, 0, 1) * 255).astype(np.uint8)
    return rounded


def coarse(planes: NDArray[Any]) -> NDArray[np.uint8]:
    """Probabilities (.., 3, H, W) rounded to few different bytes, so that records stay small.

    The bytes are multiples of 16 plus the class's number. So two classes are never equally likely,
    and no port has to break ties as NumPy does.
    """
    levels = np.rint(np.clip(planes, 0, 1) * 15).astype(np.uint8) * np.uint8(16)
    shifted: NDArray[np.uint8] = levels + np.arange(3, dtype=np.uint8)[:, None, None]
    return shifted


def from_bytes(array: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Bytes -> float32 in [0, 1]."""
    return array.astype(np.float32) / np.float32(255)


def repeated(rows: NDArray[Any], count: int) -> NDArray[Any]:
    """The entries of ``rows``, repeated until there are ``count``."""
    return rows[np.arange(count) % len(rows)]


def pack(value: NDArray[np.float32]) -> NDArray[Any]:
    """A graph's input in the smallest form that loses nothing; :func:`unpack` is the inverse."""
    rows = value[:ROWS]
    if np.array_equal(repeated(rows, len(value)), value):
        value = rows
    if np.array_equal(from_bytes(to_bytes(value)), value):
        return to_bytes(value)
    half = value.astype(np.float16)
    return half if np.array_equal(half.astype(np.float32), value) else value


def unpack(stored: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The inverse of :func:`pack`, for an array of ``shape``; float32."""
    value = from_bytes(stored) if stored.dtype == np.uint8 else stored.astype(np.float32)
    return repeated(value, shape[0]) if len(value) < shape[0] else value


def save(goldens: Goldens, bundle: Path) -> None:
    """Write the records under ``bundle/golden``."""
    folder = bundle / FOLDER
    folder.mkdir()
    for name, record in goldens.graphs.items():
        arrays: Arrays = {f"in.{k}": pack(v) for k, v in record.inputs.items()}
        arrays["stride"] = np.array(record.stride, np.int32)
        arrays |= {f"out.{k}": v for k, v in record.outputs.items()}
        _store(folder / f"{name}.npz", arrays)
    shared = {"picture": goldens.picture, "trimap": goldens.trimap}
    once = {
        k: v
        for k, v in goldens.host.items()
        if k not in SHARED or not np.array_equal(v, shared[k])  # its trimap may be rounded
    }
    _store(folder / "host.npz", once)
    whole: Arrays = {"picture": goldens.picture, "trimap": goldens.trimap}
    whole["alpha"] = _to_words(goldens.alpha)
    if goldens.clip is not None:
        whole["clip"] = _to_words(goldens.clip)
    whole |= {f"choice.{name}": rows for name, rows in goldens.choices.items()}
    _store(folder / "end_to_end.npz", whole)


def _store(file: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    np.savez_compressed(file, allow_pickle=False, **arrays)


def read(bundle: Path, graphs: Mapping[str, Graph]) -> Goldens:
    """Read the records; ``graphs`` are those that the manifest declares.

    Raises:
        BundleError: a record is missing, cannot be read, or lacks an array.
    """
    whole = _arrays(bundle, "end_to_end", ("picture", "trimap", "alpha"))
    file, shape = bundle / FOLDER / "end_to_end.npz", whole["picture"].shape
    _expect(len(shape) == 3 and shape[2] == 3 and 0 not in shape, file, "picture")
    _expect(whole["picture"].dtype == np.uint8, file, "picture")
    for name, kind in (("trimap", np.uint8), ("alpha", np.uint16), ("clip", np.uint16)):
        if name in whole:
            fits = whole[name].dtype == kind and whole[name].shape[-2:] == shape[:2]
            _expect(fits and whole[name].ndim == (3 if name == "clip" else 2), file, name)
    records = {}
    for name, graph in graphs.items():
        declared = [f"in.{t.name}" for t in graph.inputs] + [f"out.{t.name}" for t in graph.outputs]
        arrays = _arrays(bundle, name, ("stride", *declared))
        file = bundle / FOLDER / f"{name}.npz"
        stride = arrays["stride"]
        _expect(stride.ndim == 0 and stride.dtype.kind in "iu" and stride > 0, file, "stride")
        for key in declared:
            _expect(arrays[key].ndim > 0 and arrays[key].size > 0, file, key)
        inputs: Arrays = {t.name: unpack(arrays[f"in.{t.name}"], t.shape) for t in graph.inputs}
        outputs = {k[4:]: v for k, v in arrays.items() if k.startswith("out.")}
        records[name] = GraphRecord(inputs, outputs, int(stride))
    host = {k: whole[k] for k in SHARED} | _arrays(bundle, "host", ())
    alpha = _from_words(whole["alpha"])
    clip = _from_words(whole["clip"]) if "clip" in whole else None
    choices = {k.removeprefix("choice."): v for k, v in whole.items() if k.startswith("choice.")}
    return Goldens(records, host, whole["picture"], whole["trimap"], alpha, choices, clip)


@contextmanager
def fitting(what: str) -> Iterator[None]:
    """Use recorded values, which may be any, in the body.

    Raises:
        BundleError: they do not fit each other, so that the body fails.
    """
    try:
        yield
    except EdgematteError:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        first = line_of(error, 120)
        raise BundleError(f"the golden record does not fit {what} ({first})") from error


def _expect(fits: bool, file: Path, name: str) -> None:
    if not fits:
        raise BundleError(f"the golden record {file} has an array {name!r} of another form")


def _to_words(alpha: NDArray[np.float32]) -> NDArray[np.uint16]:
    words: NDArray[np.uint16] = np.rint(alpha * 65535).astype(np.uint16)
    return words


def _from_words(words: NDArray[np.uint16]) -> NDArray[np.float32]:
    alpha: NDArray[np.float32] = words.astype(np.float32) / np.float32(65535)
    return alpha


def _arrays(bundle: Path, name: str, needed: Sequence[str]) -> Arrays:
    file = bundle / FOLDER / f"{name}.npz"
    try:
        with np.load(file, allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in stored.files}
    except Exception as error:  # damaged archives raise many kinds: BadZipFile, zlib.error, ...
        raise BundleError(f"the golden record {file} cannot be read ({error})") from None
    for key, value in arrays.items():
        _expect(isinstance(value, np.ndarray) and value.dtype.kind in "biuf", file, key)
    if lacking := [key for key in needed if key not in arrays]:
        raise BundleError(f"the golden record {file} lacks the array {lacking[0]!r}")
    return arrays
