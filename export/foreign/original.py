"""The file itself in fp32 on ONNX Runtime: the reference of an imported bundle."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from edgematte.arrays import Floats
from edgematte.errors import OnnxFileError, line_of
from edgematte.export.foreign.beside import Beside, FileState
from edgematte.manifest import Graph
from edgematte.runtime.engines.graph import CHANNELS_LAST, to_file


class Original:
    """The file as a :class:`GraphCall`, under the names of the bundle's graph."""

    def __init__(self, path: Path, source: str, answer: str, beside: Beside | None = None) -> None:
        """``source`` and ``answer`` are the file's names of ``pixels`` and ``alpha``.

        Raises:
            OnnxFileError: ONNX Runtime cannot load it.
        """
        self.path, self.source, self.answer = path, source, answer
        self.beside = beside or Beside()
        settings = onnxruntime.SessionOptions()
        settings.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), settings, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise OnnxFileError(
                f"ONNX Runtime cannot load {path}: {line_of(error, 200)}; export it again"
            ) from None
        self.declared: Graph | None = None
        self.calls: list[dict[str, Floats]] = []
        self.remember = False

    def start(self) -> list[Floats]:
        """The states of the first frame, as the file takes them."""
        return [np.zeros(state.start, np.float32) for state in self.beside.states]

    def run(self, pixels: NDArray[Any]) -> Floats:
        """The output for an input in the layout and range of the file, as of a first frame.

        Raises:
            OnnxFileError: it fails, or gives values that are not finite.
        """
        return self.step(pixels, self.start())[0]

    def step(self, pixels: NDArray[Any], states: Sequence[Floats]) -> tuple[Floats, list[Floats]]:
        """The output, and the states of the next frame.

        Raises:
            OnnxFileError: as :meth:`run`.
        """
        own = self.beside.states
        given = {state.source: value for state, value in zip(own, states, strict=True)}
        names = [self.answer, *(state.answer for state in own)]
        try:
            answers = self._session.run(names, {self.source: pixels, **given, **self.beside.held})
        except Exception as error:
            raise OnnxFileError(
                f"{self.path} fails on a picture of {list(pixels.shape)}{_started(own)}: "
                f"{line_of(error, 200)}"
            ) from None
        for name, value in zip(names, answers, strict=True):
            self._refuse(name, value)
        return answers[0], answers[1:]

    def _refuse(self, name: str, value: Any) -> None:
        if not isinstance(value, np.ndarray) or value.dtype != np.float32:
            kind = getattr(value, "dtype", type(value).__name__)
            raise OnnxFileError(f"{self.path}: its output {name!r} is {kind}: it should be float32")
        if not np.isfinite(value).all():
            raise OnnxFileError(
                f"{self.path} gives values that are not finite on the check's picture: it cannot "
                "be imported; if its input is normalised in another way, say how"
            )

    def __call__(self, **inputs: Floats) -> dict[str, Floats]:
        """As :class:`GraphCall`, once ``declared`` is set."""
        if self.remember:
            self.calls.append(inputs)
        picture, *states = self.graph.inputs
        pixels = to_file(inputs[picture.name], picture)
        answer, after = self.step(pixels, [inputs[tensor.name] for tensor in states])
        outputs = self.graph.outputs
        answer = in_planes(answer, outputs[0].layout)
        return {t.name: v for t, v in zip(outputs, [answer, *after], strict=True)}

    @property
    def graph(self) -> Graph:
        """``declared``."""
        assert self.declared is not None
        return self.declared

    @property
    def fingerprint(self) -> str:
        """The sha256 of the file."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()


def in_planes(answer: Floats, layout: str) -> Floats:
    """An output as the file gives it -> as pipelines take it, channels before rows and columns."""
    return answer.transpose(0, 3, 1, 2) if layout == CHANNELS_LAST else answer


def state_shapes(original: Original, pixels: NDArray[Any]) -> list[tuple[int, ...]]:
    """The shapes of the states for a picture (of the file's layout and size).

    A file whose states have open sides is started with zeros of one number, which it stretches (as
    RobustVideoMatting's is). A graph of static shapes is started with zeros of the whole shape, so
    that both starts must give the same.

    Raises:
        OnnxFileError: they do not; or a state comes out in another shape than it goes in.
    """
    answer, states = original.step(pixels, original.start())
    for state, value in zip(original.beside.states, states, strict=True):
        fits = len(state.sides) == value.ndim and all(
            side in (0, found) for side, found in zip(state.sides, value.shape, strict=True)
        )
        if not fits:
            raise OnnxFileError(
                f"{original.path}: its state goes in as {state.source!r} {list(state.sides)} and "
                f"comes out as {state.answer!r} {list(value.shape)}: they should be of one shape"
            )
    again = original.step(pixels, [np.zeros_like(value) for value in states])
    pairs = zip([answer, *states], [again[0], *again[1]], strict=True)
    if not all(
        one.shape == other.shape and np.allclose(one, other, rtol=1e-4, atol=1e-5)
        for one, other in pairs
    ):
        raise OnnxFileError(
            f"{original.path} starts in another way with zeros of "
            f"{[list(state.start) for state in original.beside.states]} than with zeros of the "
            "shape of its states: export it with states of static sides"
        )
    return [value.shape for value in states]


def _started(states: Sequence[FileState]) -> str:
    if not states:
        return ""
    shapes = ", ".join(f"{state.source} {list(state.start)}" for state in states)
    return f" with states of zeros ({shapes[:120]}; a side of 1 where it is open)"
