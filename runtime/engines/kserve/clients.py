"""Clients of a server: what they tell of a model, how they call it, and what is said of a fault."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from numpy.typing import NDArray

from edgematte.errors import EngineError
from edgematte.runtime.engines.kserve.address import Address
from edgematte.runtime.engines.kserve.wire import Served

Sent = tuple[str, NDArray[Any]]
"""A datatype and an array of it."""


@dataclass(frozen=True)
class Metadata:
    """What a server says of a model; nothing of tensors where it does not know them."""

    inputs: Mapping[str, Served] = field(default_factory=dict)
    outputs: Mapping[str, Served] = field(default_factory=dict)
    most: int | None = None  # entries of a batch, where it says so


class Client(Protocol):
    """Speaks with one server; safe to call from threads."""

    most_bytes: int | None
    """The largest message that every server takes; None where there is no such limit."""

    def metadata(self, model: str) -> Metadata:
        """What the server says of a model.

        Raises:
            EngineError: it cannot be reached, or has no such model.
        """

    def infer(
        self, model: str, inputs: Mapping[str, Sent], outputs: Sequence[str]
    ) -> dict[str, NDArray[Any]]:
        """One call: what is sent, by name -> what was received, by name.

        Raises:
            EngineError: the server has gone, failed, refused the call, or took too long.
        """


def gone(address: Address, why: str) -> EngineError:
    """The error of a server that cannot be reached, or could be until now."""
    return EngineError(
        f"the server {address} cannot be reached, or has gone ({why}): start it, and try again"
    )


def too_slow(address: Address, seconds: float) -> EngineError:
    """The error of a server that does not answer in time."""
    return EngineError(
        f"the server {address} did not answer within {seconds:g} s: see what it is doing, or allow "
        f"more for calls with {address.scheme}://HOST:PORT?timeout_s=N"
    )


def too_large(address: Address, model: str, size: int) -> EngineError:
    """The error of a server that takes smaller messages only."""
    return EngineError(
        f"the server {address} refuses a message of {size / 1e6:.1f} MB for model {model}: raise "
        "its limit (MLServer: grpc_max_message_length), serve a model that takes UINT8 or FP16, or "
        "export a smaller size"
    )


def no_model(address: Address, model: str, why: str) -> EngineError:
    """The error of a model that the server does not have."""
    return EngineError(
        f"the server {address} has no model {model!r} that is ready ({why}): load it there, or say "
        f"by which names the server has the graphs, such as {address}/portrait-{{graph}}"
    )


def failed(address: Address, model: str, why: str) -> EngineError:
    """The error of a call that the server answered with one of its own."""
    return EngineError(f"the server {address} failed on model {model}: {why}")
