"""Bundles for tests: a copy of the shipped one, and a tiny one whose answer has a closed form.

The tiny bundle's two graphs are 1x1 convolutions, so the alpha of a pixel depends on that pixel
only and NumPy can say what the whole runtime should answer. Its ONNX files are written byte by
byte: neither torch nor onnx is needed.
"""

import hashlib
import json
import os
import shutil
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from edgematte import testcard
from edgematte.arrays import Floats
from edgematte.check.goldens import save, to_bytes
from edgematte.manifest import FILE, FORMAT, Graph, Manifest, Tensor, Weights
from edgematte.runtime.bundle import DEFAULT
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.nets.lightweight.host import SplitHost
from edgematte.runtime.nets.lightweight.pipeline import pipeline
from edgematte.runtime.nets.lightweight.steps import STEPS
from edgematte.runtime.proof.goldens import FOLDER, Goldens, GraphRecord, from_bytes

# Nothing that tests open is kept in the home of who runs them.
_CACHE = tempfile.TemporaryDirectory(prefix="edgematte-cache-")
os.environ["EDGEMATTE_CACHE"] = _CACHE.name

TINY = SplitHost(size=(64, 48), patch=32, overlap=8, unknown_threshold=0.35, band_px=2)
SEGMENT = np.array([[-10, -6, -4, 8], [10, 6, 4, -12], [0, 0, 0, 0]], np.float32)
REFINE = np.array([[3, -2, 1.5, -2, 2, 0.5, -0.75]], np.float32)
"""Weights and, last, bias of one output channel a row; both see channels in RGB order."""


def tiny_segment(image: Floats) -> dict[str, Floats]:
    """What the tiny bundle's segment graph computes: dark, bright, and unknown in between."""
    powers: Floats = np.exp(_convolve(SEGMENT, image))
    return {"trimap": powers / powers.sum(axis=1, keepdims=True)}


def tiny_refine(image: Floats, trimap: Floats) -> dict[str, Floats]:
    """What the tiny bundle's refine graph computes."""
    logit = _convolve(REFINE, np.concatenate([image, trimap], axis=1))
    return {"alpha": np.asarray(1 / (1 + np.exp(-logit)), np.float32)}


def _convolve(weights: Floats, planes: Floats) -> Floats:
    mixed = np.einsum("oc,nchw->nohw", weights[:, :-1], planes) + weights[None, :, -1, None, None]
    return np.asarray(mixed, np.float32)


def _damaged(weights: Floats, damage: str) -> Floats:
    changed = weights.copy()
    if damage == "one weight by 10 %":
        changed[0, 0] *= 1.1
    if damage == "red and blue swapped":
        changed[:, :3] = weights[:, 2::-1]
    if damage == "normalised twice":
        changed[:, :3] /= 255
    return changed


def _write_tiny(folder: Path, damage: str = "", damaged: str = "refine") -> None:
    width, height = TINY.size
    whole, side = (1, 3, height, width), TINY.patch
    image, classes = (1, 3, side, side), (1, 3, side, side)
    segment = Graph(
        "segment", (_tensor("image", whole),), (_tensor("trimap", whole),), "segment.onnx"
    )
    inputs = (_tensor("image", image), _tensor("trimap", classes))
    refine = Graph("refine", inputs, (_tensor("alpha", (1, 1, side, side)),), "refine.onnx")
    weights = {"segment": SEGMENT, "refine": REFINE}
    weights[damaged] = _damaged(weights[damaged], damage)

    folder.mkdir()
    nodes = _node("Conv", ["image", "w", "b"], "logits")
    nodes += _node("Softmax", ["logits"], "trimap", axis=1)
    (folder / segment.file).write_bytes(_onnx(segment, nodes, weights["segment"]))
    nodes = _node("Concat", ["image", "trimap"], "both", axis=1)
    nodes += _node("Conv", ["both", "w", "b"], "logit") + _node("Sigmoid", ["logit"], "alpha")
    (folder / refine.file).write_bytes(_onnx(refine, nodes, weights["refine"]))
    save(_record(), folder)
    digest = hashlib.sha256(SEGMENT.tobytes() + REFINE.tobytes()).hexdigest()
    origin = Weights("written by the tests", digest)
    tools = {"edgematte": "tests"}
    manifest = Manifest(
        FORMAT, "lightweight", "onnx", "fp32", {"k": 1}, TINY, (segment, refine), origin, tools
    )
    (folder / FILE).write_text(manifest.to_json())
    _reseal(folder)


def _tensor(name: str, shape: tuple[int, ...]) -> Tensor:
    return Tensor(name, shape, "float32", "NCHW", (0.0, 1.0), "of the tests")


def _record() -> Goldens:
    """The golden records, from NumPy's graphs as an export takes them from PyTorch's."""
    picture = testcard.testcard(50, 40)
    seen: dict[str, dict[str, Floats]] = {}

    def segment(**inputs: Floats) -> dict[str, Floats]:
        seen["segment"] = inputs
        return tiny_segment(**inputs)

    def refine(**inputs: Floats) -> dict[str, Floats]:
        seen["refine"] = inputs
        return tiny_refine(**inputs)

    calls = {"segment": segment, "refine": refine}
    alpha, trimap = pipeline(TINY, calls)(picture, None, Clock())
    records = {}
    for name, call in calls.items():
        rounded = {k: from_bytes(to_bytes(v)) for k, v in seen[name].items()}
        records[name] = GraphRecord(rounded, call(**rounded), 1)
    pool: dict[str, NDArray[Any]] = {
        "picture": picture,
        "size": np.array([50, 40], np.int32),
        "probabilities": to_bytes(records["segment"].outputs["trimap"][0]),
    }
    kept: dict[str, NDArray[Any]] = {}
    for step in STEPS[TINY.cut]:
        if step.name == "crop":
            pool["patch"] = pool["patches"][int(np.argmax(pool["refined"]))]
        if step.name == "stitch":
            random = np.random.default_rng(1)
            pool["alphas"] = random.integers(0, 256, (len(pool["patches"]), 32, 32), np.uint8)
        results = step(TINY, pool)
        pool |= {n: v for n, v in results.items() if n not in pool}
        kept |= {array.name: array.sampled(results[array.name]) for array in step.gives}
    return Goldens(records, pool | kept, picture, trimap, alpha)


def _field(number: int, value: int | bytes | str) -> bytes:
    """One field of a protobuf message: a varint, or length and bytes."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    low, rest = value & 127, value >> 7
    return struct.pack("B", low | 128) + _varint(rest) if rest else struct.pack("B", low)


def _node(kind: str, inputs: list[str], output: str, **attributes: int) -> bytes:
    body = b"".join(_field(1, name) for name in inputs) + _field(2, output) + _field(4, kind)
    for name, value in attributes.items():
        body += _field(5, _field(1, name) + _field(3, value) + _field(20, 2))  # 2: an INT
    return _field(1, body)


def _onnx(graph: Graph, nodes: bytes, weights: Floats) -> bytes:
    def initializer(name: str, array: Floats) -> bytes:
        dims = b"".join(_field(1, n) for n in array.shape)
        return _field(5, dims + _field(2, 1) + _field(8, name) + _field(9, array.tobytes()))

    def value(number: int, tensor: Tensor) -> bytes:
        dims = b"".join(_field(1, _field(1, n)) for n in tensor.shape)
        kind = _field(1, _field(1, 1) + _field(2, dims))
        return _field(number, _field(1, tensor.name) + _field(2, kind))

    body = nodes + _field(2, graph.name)
    body += initializer("w", weights[:, :-1, None, None]) + initializer("b", weights[:, -1])
    body += b"".join(value(11, t) for t in graph.inputs)
    body += b"".join(value(12, t) for t in graph.outputs)
    return _field(1, 8) + _field(7, body) + _field(8, _field(1, "") + _field(2, 17))


def _reseal(bundle: Path) -> None:
    manifest = json.loads((bundle / FILE).read_text())
    files = (f for f in sorted(bundle.rglob("*")) if f.is_file() and f.name != FILE)
    manifest["files"] = {
        f.relative_to(bundle).as_posix(): hashlib.sha256(f.read_bytes()).hexdigest() for f in files
    }
    (bundle / FILE).write_text(json.dumps(manifest))


@pytest.fixture
def reseal() -> Callable[[Path], None]:
    """Makes a bundle's list of files fit what lies in its folder."""
    return _reseal


@pytest.fixture
def default_bundle(tmp_path: Path) -> Path:
    """A copy of the bundle that ships with edgematte; its weights may be any."""
    return Path(shutil.copytree(DEFAULT, tmp_path / "default.edgematte"))


@pytest.fixture
def make_tiny(tmp_path: Path) -> Callable[..., Path]:
    """Writes a tiny bundle; ``damage`` names what is wrong with the graph ``damaged``."""

    def make(damage: str = "", damaged: str = "refine") -> Path:
        folder = tmp_path / "tiny.edgematte"
        _write_tiny(folder, damage, damaged)
        return folder

    return make


@pytest.fixture
def tiny_bundle(make_tiny: Callable[..., Path]) -> Path:
    """A whole tiny bundle: split cut, segment on 64x48, refine on patches of 32."""
    return make_tiny()


@pytest.fixture
def heeding() -> str:
    """The command line as a program that heeds Ctrl-C, which a shell's background jobs ignore."""
    return """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from edgematte.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def tiny_host() -> SplitHost:
    """The host parameters of the tiny bundle."""
    return TINY


@pytest.fixture
def tiny_graphs() -> dict[str, Callable[..., dict[str, Floats]]]:
    """What the tiny bundle's graphs compute, in NumPy."""
    return {"segment": tiny_segment, "refine": tiny_refine}


@pytest.fixture
def edit_manifest() -> Callable[[Path, Callable[[dict[str, Any]], object]], None]:
    """Changes a bundle's ``edgematte.json`` in place, as a careless or hostile hand would."""

    def edit(bundle: Path, change: Callable[[dict[str, Any]], object]) -> None:
        value = json.loads((bundle / FILE).read_text())
        change(value)
        (bundle / FILE).write_text(json.dumps(value))

    return edit


@pytest.fixture
def png(tmp_path: Path) -> Callable[..., Path]:
    """Saves a small made picture: ``png(name, width, height)``."""

    def save(name: str = "picture.png", width: int = 60, height: int = 45) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(testcard.testcard(width, height)).save(path)
        return path

    return save


@pytest.fixture
def rewrite() -> Callable[[Path, str, Callable[[dict[str, Any]], object]], None]:
    """Changes the arrays of one golden record and makes the bundle's list of files fit."""

    def change(bundle: Path, name: str, edit: Callable[[dict[str, Any]], object]) -> None:
        file = bundle / FOLDER / f"{name}.npz"
        with np.load(file) as stored:
            arrays = dict(stored)
        edit(arrays)
        np.savez(file, **arrays)
        _reseal(bundle)

    return change
