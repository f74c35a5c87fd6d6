"""The protocol by gRPC, with Triton's client."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray
from tritonclient import grpc
from tritonclient.utils import InferenceServerException

from edgematte.errors import EngineError, line_of
from edgematte.runtime.engines.kserve.address import Address
from edgematte.runtime.engines.kserve.clients import (
    Metadata,
    Sent,
    failed,
    gone,
    no_model,
    too_large,
    too_slow,
)
from edgematte.runtime.engines.kserve.wire import Served

LIMIT = 4 * 1024 * 1024
"""The largest message that a gRPC server takes unless it is told otherwise (gRPC's default)."""
HEAD = 64 * 1024
"""*Chosen*: left of it for names and shapes."""
CONFIGURATION = "model_configuration"
"""The extension of servers that tell a model's largest batch."""


class GrpcClient:
    """One channel, which threads share."""

    most_bytes: int | None = LIMIT - HEAD

    def __init__(self, address: Address) -> None:
        """Nothing is sent yet."""
        self._address = address
        self._client = grpc.InferenceServerClient(address.host, ssl=address.secure)

    def metadata(self, model: str) -> Metadata:
        """See :class:`edgematte.runtime.engines.kserve.clients.Client`."""
        wait = {"client_timeout": self._address.connect_s}
        try:
            said = self._client.get_model_metadata(model, **wait)
            extensions = self._client.get_server_metadata(**wait).extensions
            most = None
            if CONFIGURATION in extensions:
                most = self._client.get_model_config(model, **wait).config.max_batch_size or None
        except InferenceServerException as error:
            if _code(error) in ("NOT_FOUND", "INVALID_ARGUMENT"):
                raise no_model(self._address, model, line_of(error.message())) from None
            raise self._error(error, model, 0, self._address.connect_s) from None
        return Metadata(_tensors(said.inputs), _tensors(said.outputs), most)

    def infer(
        self, model: str, inputs: Mapping[str, Sent], outputs: Sequence[str]
    ) -> dict[str, NDArray[Any]]:
        """See :class:`edgematte.runtime.engines.kserve.clients.Client`."""
        given = []
        for name, (datatype, array) in inputs.items():
            given.append(grpc.InferInput(name, list(array.shape), datatype))
            given[-1].set_data_from_numpy(array)
        wanted = [grpc.InferRequestedOutput(name) for name in outputs]
        seconds = self._address.timeout_s
        try:
            answer = self._client.infer(model, given, outputs=wanted, client_timeout=seconds)
        except InferenceServerException as error:
            size = sum(array.nbytes for _, array in inputs.values())
            raise self._error(error, model, size, seconds) from None
        return _arrays(answer, outputs, self._address, model)

    def _error(
        self, error: InferenceServerException, model: str, size: int, seconds: float
    ) -> EngineError:
        code, why = _code(error), line_of(error.message())
        if code == "UNAVAILABLE":
            return gone(self._address, why)
        if code == "DEADLINE_EXCEEDED":
            return too_slow(self._address, seconds)
        if code == "RESOURCE_EXHAUSTED" and "larger than max" in why:
            return too_large(self._address, model, size)
        if code == "NOT_FOUND":
            return no_model(self._address, model, why)
        return failed(self._address, model, why)


def _code(error: InferenceServerException) -> str:
    return str(error.status()).rpartition(".")[2]


def _tensors(said: Iterable[Any]) -> dict[str, Served]:
    return {tensor.name: Served(tensor.datatype, tuple(tensor.shape)) for tensor in said}


def _arrays(
    answer: Any, outputs: Sequence[str], address: Address, model: str
) -> dict[str, NDArray[Any]]:
    arrays = {}
    for name in outputs:
        try:
            array = answer.as_numpy(name)
        except Exception as error:  # contents that are not of the shape that is said
            raise failed(address, model, f"{name} cannot be read: {line_of(error)}") from None
        if array is None:
            raise failed(address, model, f"its answer has no {name}")
        arrays[name] = array
    return arrays
