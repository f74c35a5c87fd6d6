"""The protocol by HTTP, with Triton's client: tensors as bytes where the server can, else JSON."""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import gevent
import gevent.ssl
from geventhttpclient.response import HTTPConnectionClosed
from numpy.typing import NDArray
from tritonclient import http
from tritonclient.utils import InferenceServerException

from edgematte.errors import EngineError, line_of
from edgematte.runtime.engines.kserve.address import Address
from edgematte.runtime.engines.kserve.clients import (
    Metadata,
    Sent,
    failed,
    gone,
    no_model,
    too_slow,
)
from edgematte.runtime.engines.kserve.wire import Served

BINARY = "binary_tensor_data"
CONFIGURATION = "model_configuration"
"""Extensions of servers: tensors as bytes after the JSON, and a model's largest batch."""

T = TypeVar("T")


class HttpClient:
    """A connection for each thread: Triton's client must not be shared by threads."""

    most_bytes: int | None = None

    def __init__(self, address: Address) -> None:
        """Nothing is sent yet."""
        self._address, self._own = address, threading.local()
        self._binary = False

    @property
    def _client(self) -> Any:
        if not hasattr(self._own, "client"):
            secure = gevent.ssl.create_default_context if self._address.secure else None
            self._own.client = http.InferenceServerClient(
                self._address.host,
                connection_timeout=self._address.connect_s,
                network_timeout=self._address.timeout_s,
                ssl=self._address.secure,
                ssl_context_factory=secure,
            )
        return self._own.client

    def metadata(self, model: str) -> Metadata:
        """See :class:`edgematte.runtime.engines.kserve.clients.Client`."""
        address = self._address

        def ask() -> tuple[Any, list[str], int | None]:
            try:
                said = self._client.get_model_metadata(model)
            except InferenceServerException as error:
                raise no_model(address, model, line_of(error.message())) from None
            extensions = self._client.get_server_metadata().get("extensions", [])
            known = CONFIGURATION in extensions
            config = self._client.get_model_config(model) if known else {}
            return said, extensions, config.get("max_batch_size") or None

        said, extensions, most = self._in_time(ask, model, address.connect_s)
        self._binary = BINARY in extensions
        inputs, outputs = (_tensors(said.get(part) or ()) for part in ("inputs", "outputs"))
        halves = [n for n, t in (inputs | outputs).items() if t.datatype == "FP16"]
        if halves and not self._binary:
            raise failed(
                address,
                model,
                f"{halves[0]} is FP16, which this server can only take by gRPC: give grpc://",
            )
        return Metadata(inputs, outputs, most)

    def infer(
        self, model: str, inputs: Mapping[str, Sent], outputs: Sequence[str]
    ) -> dict[str, NDArray[Any]]:
        """See :class:`edgematte.runtime.engines.kserve.clients.Client`."""
        given = []
        for name, (datatype, array) in inputs.items():
            given.append(http.InferInput(name, list(array.shape), datatype))
            given[-1].set_data_from_numpy(array, binary_data=self._binary)
        wanted = [http.InferRequestedOutput(name, binary_data=self._binary) for name in outputs]

        def ask() -> dict[str, NDArray[Any]]:
            answer = self._client.infer(model, given, outputs=wanted)
            arrays = {name: answer.as_numpy(name) for name in outputs}
            missing = next((name for name, array in arrays.items() if array is None), None)
            if missing is not None:
                raise failed(self._address, model, f"its answer has no {missing}")
            return arrays

        return self._in_time(ask, model, self._address.timeout_s)

    def _in_time(self, ask: Callable[[], T], model: str, seconds: float) -> T:
        """What ``ask`` returns; what the libraries raise becomes one sentence."""
        late = gevent.Timeout(seconds)
        try:
            with late:
                return ask()
        except (gevent.Timeout, TimeoutError):
            raise self._lost(too_slow(self._address, seconds)) from None
        except (OSError, HTTPConnectionClosed) as error:
            raise self._lost(gone(self._address, line_of(error))) from None
        except InferenceServerException as error:
            raise failed(self._address, model, line_of(error.message())) from None
        except EngineError:
            raise
        except Exception as error:  # what parsers say of an answer that is none
            why = f"its answer cannot be read: {line_of(error)}"
            raise self._lost(failed(self._address, model, why)) from None

    def _lost(self, error: Exception) -> Exception:
        """``error``; the next call of this thread opens a connection of its own."""
        vars(self._own).clear()
        return error


def _tensors(said: Iterable[Any]) -> dict[str, Served]:
    return {t["name"]: Served(t["datatype"], tuple(t["shape"])) for t in said}
