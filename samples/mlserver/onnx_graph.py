"""A graph of a bundle as a model of MLServer: ONNX Runtime runs it.

The datatypes in ``model-settings.json`` are what travels: FP32 as the graph has it, FP16, or UINT8,
where bytes stand for values from 0 to 1. This class converts them on the server's side.
"""

from typing import Any

import numpy as np
import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse
from mlserver.utils import get_model_uri
from numpy.typing import NDArray

DTYPES: dict[str, Any] = {"FP32": np.float32, "FP16": np.float16, "UINT8": np.uint8}


class OnnxGraph(MLModel):  # type: ignore[misc]  # MLServer need not be here
    """One ``.onnx`` file; it lies beside the settings."""

    async def load(self) -> bool:
        """Open the file that the settings name."""
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        extra = self.settings.parameters.extra or {}
        if extra.get("expand_weights"):  # int8 weights for float kernels: expanded once
            options.add_session_config_entry("session.disable_quant_qdq", "1")
        uri = await get_model_uri(self.settings)
        self._session = onnxruntime.InferenceSession(uri, options)
        self._datatypes = {t.name: t.datatype for t in self.settings.outputs}
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Run the graph on one request."""
        given = {i.name: _float(NumpyCodec.decode_input(i)) for i in payload.inputs}
        names = list(self._datatypes)
        values = self._session.run(names, given)
        return InferenceResponse(
            id=payload.id,
            model_name=self.name,
            model_version=self.version,
            outputs=[
                NumpyCodec.encode_output(name, _as(value, self._datatypes[name]))
                for name, value in zip(names, values, strict=True)
            ],
        )


def _float(value: NDArray[Any]) -> NDArray[Any]:
    """What was sent, as float32."""
    if value.dtype == np.uint8:
        return value.astype(np.float32) / np.float32(255)
    return value.astype(np.float32, copy=False)


def _as(value: NDArray[Any], datatype: str) -> NDArray[Any]:
    """A result as the datatype that travels."""
    if datatype == "UINT8":
        value = np.rint(np.clip(value, 0, 1) * 255)
    return value.astype(DTYPES[datatype], copy=False)
