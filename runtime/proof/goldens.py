"""Reading golden records: what PyTorch computed at export, kept in the bundle.

``golden/GRAPH.npz`` holds ``in.NAME`` and ``out.NAME`` of one graph; ``golden/host.npz`` one pool
of arrays that the host steps read and write by name; ``golden/end_to_end.npz`` the picture, the
trimap and PyTorch's alpha. Inputs in [0, 1] are bytes (value * 255), others float16: graphs are
recorded on exactly those values. Outputs are float32, every ``stride``-th row and column. Of a
batch of more than ``ROWS`` the first ``ROWS`` entries are kept; the rest of the input repeats them.
Alpha is 16 bits (value * 65535); ``choice.NAME`` are rows of what the host chose, where it does.
Of nets with a state ``clip`` holds the alphas of a clip's frames (:mod:`edgematte.check.clips`).
They are written by :mod:`edgematte.check.goldens`.
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


def from_bytes(array: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Bytes -> float32 in [0, 1]."""
    return array.astype(np.float32) / np.float32(255)


def repeated(rows: NDArray[Any], count: int) -> NDArray[Any]:
    """The entries of ``rows``, repeated until there are ``count``."""
    return rows[np.arange(count) % len(rows)]


def unpack(stored: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """A graph's input of ``shape`` in float32, from the smallest form that loses nothing."""
    value = from_bytes(stored) if stored.dtype == np.uint8 else stored.astype(np.float32)
    return repeated(value, shape[0]) if len(value) < shape[0] else value


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
    records = {name: read_graph(bundle, graph) for name, graph in graphs.items()}
    host = {k: whole[k] for k in SHARED} | _arrays(bundle, "host", ())
    alpha = _from_words(whole["alpha"])
    clip = _from_words(whole["clip"]) if "clip" in whole else None
    choices = {k.removeprefix("choice."): v for k, v in whole.items() if k.startswith("choice.")}
    return Goldens(records, host, whole["picture"], whole["trimap"], alpha, choices, clip)


def read_graph(bundle: Path, graph: Graph) -> GraphRecord:
    """Read the record of one graph, its golden call.

    Raises:
        BundleError: it is missing, cannot be read, or lacks an array.
    """
    declared = [f"in.{t.name}" for t in graph.inputs] + [f"out.{t.name}" for t in graph.outputs]
    arrays = _arrays(bundle, graph.name, ("stride", *declared))
    file, stride = bundle / FOLDER / f"{graph.name}.npz", arrays["stride"]
    _expect(stride.ndim == 0 and stride.dtype.kind in "iu" and bool(stride > 0), file, "stride")
    for key in declared:
        _expect(arrays[key].ndim > 0 and arrays[key].size > 0, file, key)
    inputs: Arrays = {t.name: unpack(arrays[f"in.{t.name}"], t.shape) for t in graph.inputs}
    outputs = {k[4:]: v for k, v in arrays.items() if k.startswith("out.")}
    return GraphRecord(inputs, outputs, int(stride))


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


def _from_words(words: NDArray[np.uint16]) -> NDArray[np.float32]:
    alpha: NDArray[np.float32] = words.astype(np.float32) / np.float32(65535)
    return alpha


def _arrays(bundle: Path, name: str, needed: Sequence[str]) -> Arrays:
    file = bundle / FOLDER / f"{name}.npz"
    try:
        # NumPy leaves a file open that is no archive.
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in stored.files}
    except Exception as error:  # damaged archives raise many kinds: BadZipFile, zlib.error, ...
        raise BundleError(f"the golden record {file} cannot be read ({error})") from None
    for key, value in arrays.items():
        _expect(isinstance(value, np.ndarray) and value.dtype.kind in "biuf", file, key)
    if lacking := [key for key in needed if key not in arrays]:
        raise BundleError(f"the golden record {file} lacks the array {lacking[0]!r}")
    return arrays
