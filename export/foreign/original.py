"""The file itself in fp32 on ONNX Runtime: the reference of an imported bundle."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from edgematte.arrays import Floats
from edgematte.errors import OnnxFileError
from edgematte.manifest import Graph
from edgematte.runtime.engines.graph import to_file


class Original:
    """The file as a :class:`GraphCall`, under the names of the bundle's graph."""

    def __init__(self, path: Path, source: str, answer: str) -> None:
        """``source`` and ``answer`` are the file's names of ``pixels`` and ``alpha``.

        Raises:
            OnnxFileError: ONNX Runtime cannot load it.
        """
        self.path, self.source, self.answer = path, source, answer
        settings = onnxruntime.SessionOptions()
        settings.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), settings, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise OnnxFileError(
                f"ONNX Runtime cannot load {path}: {_first_line(error)}; export it again"
            ) from None
        self.declared: Graph | None = None

    def run(self, pixels: NDArray[Any]) -> Floats:
        """The output for an input in the layout and range of the file.

        Raises:
            OnnxFileError: it fails, or gives values that are not finite.
        """
        try:
            (answer,) = self._session.run([self.answer], {self.source: pixels})
        except Exception as error:
            raise OnnxFileError(
                f"{self.path} fails on a picture of {list(pixels.shape)}: {_first_line(error)}"
            ) from None
        if not isinstance(answer, np.ndarray) or answer.dtype != np.float32:
            kind = getattr(answer, "dtype", type(answer).__name__)
            raise OnnxFileError(
                f"{self.path}: its output {self.answer!r} is {kind}: it should be float32"
            )
        if not np.isfinite(answer).all():
            raise OnnxFileError(
                f"{self.path} gives values that are not finite on the check's picture: it cannot "
                "be imported; if its input is normalised in another way, say how"
            )
        return answer

    def __call__(self, **inputs: Floats) -> dict[str, Floats]:
        """As :class:`GraphCall`, once ``declared`` is set."""
        assert self.declared is not None
        (tensor,) = self.declared.inputs
        return {"alpha": self.run(to_file(inputs[tensor.name], tensor))}


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
