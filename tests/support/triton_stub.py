"""What Triton's Python backend gives a model: tensors, requests that run other models, answers.

The other models are those of a repository: ONNX Runtime runs their files, and what they are sent
must be what their ``config.pbtxt`` says, as Triton sees to it.
"""

import importlib.util
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnxruntime
from google.protobuf import json_format, text_format
from numpy.typing import NDArray
from tritonclient.grpc import model_config_pb2

NUMPY = {"TYPE_FP32": np.float32, "TYPE_FP16": np.float16, "TYPE_UINT8": np.uint8}


class Tensor:
    def __init__(self, name: str, value: NDArray[Any]) -> None:
        self._name, self._value = name, value

    def name(self) -> str:
        return self._name

    def as_numpy(self) -> NDArray[Any]:
        return self._value


class TritonError:
    def __init__(self, message: str) -> None:
        self._message = message

    def message(self) -> str:
        return self._message


class TritonModelException(Exception):
    pass


class InferenceResponse:
    def __init__(
        self, output_tensors: list[Tensor] | None = None, error: TritonError | None = None
    ) -> None:
        self.tensors, self._error = output_tensors or [], error

    def has_error(self) -> bool:
        return self._error is not None

    def error(self) -> TritonError | None:
        return self._error


class Request:
    """What a client of the Python model sent."""

    def __init__(self, **inputs: NDArray[Any]) -> None:
        self.tensors = [Tensor(name, value) for name, value in inputs.items()]


def _by_name(holder: Any, name: str) -> Tensor | None:
    return next((tensor for tensor in holder.tensors if tensor.name() == name), None)


def config_of(folder: Path) -> Any:
    """A model's configuration, read by Triton's published schema."""
    config = model_config_pb2.ModelConfig()
    return text_format.Parse((folder / "config.pbtxt").read_text(), config)


class Triton:
    """A repository that is served."""

    def __init__(self, repository: Path) -> None:
        self.repository, self.calls = repository, list[tuple[str, int]]()

    def backend_utils(self) -> ModuleType:
        """The module that Triton's Python models import."""
        triton = self

        class InferenceRequest:
            def __init__(
                self, model_name: str, requested_output_names: list[str], inputs: list[Tensor]
            ) -> None:
                self.model, self.names = model_name, requested_output_names
                self.inputs = {tensor.name(): tensor.as_numpy() for tensor in inputs}

            def exec(self) -> InferenceResponse:
                return triton.run(self.model, self.names, self.inputs)

        module = ModuleType("triton_python_backend_utils")
        vars(module).update(
            Tensor=Tensor,
            TritonError=TritonError,
            TritonModelException=TritonModelException,
            InferenceRequest=InferenceRequest,
            InferenceResponse=InferenceResponse,
            get_input_tensor_by_name=_by_name,
            get_output_tensor_by_name=_by_name,
        )
        return module

    def run(
        self, name: str, wanted: list[str], inputs: dict[str, NDArray[Any]]
    ) -> InferenceResponse:
        config = config_of(self.repository / name)
        batched = config.max_batch_size > 0
        for tensor in config.input:
            value = inputs[tensor.name]
            kind = model_config_pb2.DataType.Name(tensor.data_type)
            assert value.dtype == NUMPY[kind], (name, tensor.name)
            assert list(value.shape[1:] if batched else value.shape) == list(tensor.dims)
            assert value.flags.c_contiguous
        count = len(next(iter(inputs.values())))
        self.calls.append((name, count))
        if batched and count > config.max_batch_size:
            return InferenceResponse(error=TritonError(f"batch of {count} is too large"))
        session = onnxruntime.InferenceSession(str(self.repository / name / "1" / "model.onnx"))
        values = session.run(wanted, inputs)
        return InferenceResponse([Tensor(n, v) for n, v in zip(wanted, values, strict=True)])

    def load(self, name: str) -> Any:
        """A model of the Python backend, initialised as Triton would."""
        file = self.repository / name / "1" / "model.py"
        config = config_of(self.repository / name)
        arguments = {
            "model_name": name,
            "model_version": "1",
            "model_repository": str(self.repository / name),
            "model_config": json.dumps(
                json_format.MessageToDict(config, preserving_proto_field_name=True)
            ),
        }
        with _importable("triton_python_backend_utils", self.backend_utils()):
            spec = importlib.util.spec_from_file_location(f"triton_model_{name}", file)
            assert spec is not None and spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
        model = module.TritonPythonModel()
        model.initialize(arguments)
        return model


@contextmanager
def _importable(name: str, module: ModuleType) -> Iterator[None]:
    sys.modules[name] = module
    try:
        yield
    finally:
        del sys.modules[name]
