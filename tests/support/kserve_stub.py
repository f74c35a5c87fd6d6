"""A server of the Open Inference Protocol by gRPC that does what a test says, faults included."""

import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import model_config_pb2, service_pb2, service_pb2_grpc

DTYPES = {"FP32": "<f4", "FP16": "<f2", "UINT8": "u1", "INT32": "<i4", "FP64": "<f8"}
Arrays = dict[str, NDArray[Any]]


@dataclass
class Model:
    """A served model: what it says of its tensors, and what it computes, in the unit range."""

    compute: Callable[..., Arrays]
    inputs: dict[str, tuple[str, list[int]]]  # datatype and shape
    outputs: dict[str, tuple[str, list[int]]]
    most: int = 0  # the largest batch that its configuration allows; 0: no batches


@dataclass
class Stub(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
    """Serves models; ``before`` and ``after`` see every call and may spoil it."""

    models: dict[str, Model]
    before: Callable[[Any], object] = lambda context: None
    after: Callable[[Any], object] = lambda answer: None
    extensions: tuple[str, ...] = ()
    sizes: list[int] = field(default_factory=list)
    port: int = 0
    server: Any = None

    def ServerMetadata(self, request: Any, context: Any) -> Any:
        return service_pb2.ServerMetadataResponse(name="stub", extensions=self.extensions)

    def ModelMetadata(self, request: Any, context: Any) -> Any:
        model = self._model(request.name, context)
        answer = service_pb2.ModelMetadataResponse(name=request.name)
        for said, there in ((answer.inputs, model.inputs), (answer.outputs, model.outputs)):
            for name, (datatype, shape) in there.items():
                said.add(name=name, datatype=datatype, shape=shape)
        return answer

    def ModelConfig(self, request: Any, context: Any) -> Any:
        most = self._model(request.name, context).most
        config = model_config_pb2.ModelConfig(max_batch_size=most)
        return service_pb2.ModelConfigResponse(config=config)

    def ModelInfer(self, request: Any, context: Any) -> Any:
        self.sizes.append(request.ByteSize())
        self.before(context)
        model = self._model(request.model_name, context)
        given = {}
        for tensor, raw in zip(request.inputs, request.raw_input_contents, strict=True):
            value = np.frombuffer(raw, DTYPES[tensor.datatype]).reshape(tuple(tensor.shape))
            scale = np.float32(255 if tensor.datatype == "UINT8" else 1)
            given[tensor.name] = value.astype(np.float32) / scale
        answer = service_pb2.ModelInferResponse(model_name=request.model_name)
        for name, value in model.compute(**given).items():
            datatype = model.outputs[name][0]
            if datatype == "UINT8":
                value = np.rint(value * 255)
            answer.outputs.add(name=name, datatype=datatype, shape=value.shape)
            answer.raw_output_contents.append(value.astype(DTYPES[datatype]).tobytes())
        self.after(answer)
        return answer

    def _model(self, name: str, context: Any) -> Model:
        if name not in self.models:
            context.abort(grpc.StatusCode.NOT_FOUND, f"Request for unknown model: '{name}'")
        return self.models[name]

    def kill(self) -> None:
        """End at once, in the middle of what it is doing."""
        threading.Thread(target=self.server.stop, args=(0,), daemon=True).start()

    @property
    def device(self) -> str:
        """Its address."""
        return f"grpc://127.0.0.1:{self.port}"


@contextmanager
def served(stub: Stub, credentials: Any = None) -> Iterator[Stub]:
    """Serve on a port of loopback until the block ends; limits of messages are gRPC's own."""
    pool = futures.ThreadPoolExecutor(4)
    stub.server = grpc.server(pool)
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(stub, stub.server)
    if credentials is None:
        stub.port = stub.server.add_insecure_port("127.0.0.1:0")
    else:
        stub.port = stub.server.add_secure_port("127.0.0.1:0", credentials)
    stub.server.start()
    try:
        yield stub
    finally:
        stub.server.stop(0).wait(5)
        pool.shutdown(wait=False)
