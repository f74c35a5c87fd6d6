"""A graph that a server runs; the host steps stay here."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgematte.errors import EngineError
from edgematte.extras import importing
from edgematte.manifest import Graph
from edgematte.runtime.engines import EngineOptions
from edgematte.runtime.engines.kserve.address import Address
from edgematte.runtime.engines.kserve.clients import Client
from edgematte.runtime.engines.kserve.wire import most_of, wires


class KServeEngine:
    """One graph of a bundle, on a server that has it as a model; safe to call from threads."""

    def __init__(self, file: Path, graph: Graph, options: EngineOptions) -> None:
        """``options.device`` is the server's address, as :class:`Address` reads it.

        ``file`` is not sent: the server has loaded it. Whether that one computes what the bundle's
        does is what a check is for.

        Raises:
            EngineError: no address, no server there, no such model, or one whose inputs and
                outputs are not those that the manifest declares.
        """
        self._address, self._graph = Address.of(options.device), graph
        self._model = self._address.model(graph.name)
        self._client = client_for(self._address)
        said = self._client.metadata(self._model)
        self._inputs = wires(graph.inputs, said.inputs, self._model)
        self._outputs = wires(graph.outputs, said.outputs, self._model)
        dynamic = bool(graph.dynamic_batch)
        fixed = most_of(graph.inputs, said.inputs, self._model, dynamic)
        most_of(graph.outputs, said.outputs, self._model, dynamic)
        each = sum(wire.bytes_each for wire in self._inputs.values())
        limits = [n for n in (fixed, said.most) if n is not None]
        if self._client.most_bytes is not None:
            limits.append(max(1, self._client.most_bytes // max(1, each)))
        self._most = min(limits) if dynamic and limits else None

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Inputs by name -> outputs by name; a batch goes in as many calls as its bytes need.

        Raises:
            EngineError: the server has gone, failed or took too long, or answered something else
                than what the manifest declares.
        """
        packed = {name: wire.packed(inputs[name]) for name, wire in self._inputs.items()}
        count = len(packed[self._graph.inputs[0].name])
        most = self._most or count
        if count <= most:
            return self._call(packed, count)
        parts = [
            self._call({n: v[at : at + most] for n, v in packed.items()}, min(most, count - at))
            for at in range(0, count, most)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in self._outputs}

    def _call(self, packed: Mapping[str, NDArray[Any]], count: int) -> dict[str, NDArray[Any]]:
        sent = {name: (self._inputs[name].datatype, array) for name, array in packed.items()}
        values = self._client.infer(self._model, sent, list(self._outputs))
        for tensor in self._graph.of_batch(count).outputs:
            if values[tensor.name].shape != tensor.shape:
                raise EngineError(
                    f"the server {self._address} gave {tensor.name} of model {self._model} in "
                    f"shape {list(values[tensor.name].shape)}; the manifest says "
                    f"{list(tensor.shape)}"
                )
        return {name: wire.unpacked(values[name]) for name, wire in self._outputs.items()}


def client_for(address: Address) -> Client:
    """The client of an address.

    Raises:
        EngineError: its package is not installed.
    """
    sentence = f"a server at {address.scheme}:// needs a package that is not installed"
    with importing(sentence, 'pip install "edgematte[remote]"', EngineError):
        if address.by_grpc:
            from edgematte.runtime.engines.kserve.grpc_client import GrpcClient

            return GrpcClient(address)
        from edgematte.runtime.engines.kserve.http_client import HttpClient

        return HttpClient(address)
