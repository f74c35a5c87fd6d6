"""The bundle that ships, in the clients that pip installs: as far from PyTorch as ONNX Runtime."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from edgematte.runtime.bundle import DEFAULT

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "clients.py"
FAR = 1e-5
"""Clients sum in orders of their own: up to 3e-6 was seen. A fault is off by 0.01 at the least."""


@pytest.fixture(scope="module")
def clients() -> ModuleType:
    spec = importlib.util.spec_from_file_location("clients", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["clients"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("client", ["onnxruntime", "openvino", "opencv", "mnn", "tract"])
def test_a_client_agrees_with_pytorch(client: str, clients: ModuleType) -> None:
    if lacking := clients.missing(client):
        pytest.skip(
            f"{client} is not installed ({', '.join(lacking)}): pip install --group clients"
        )
    rows = clients.apart(DEFAULT, client, 0, 2)
    assert [row["graph"] for row in rows] == ["segment", "refine"]
    for row in rows:
        assert "failed" not in row, row
        assert row["max"] <= FAR


def test_a_fault_shows_and_a_client_that_ends_its_process_is_a_row(
    clients: ModuleType, make_tiny: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = make_tiny("one weight by 10 %")
    far = {row["graph"]: row["max"] for row in clients.compare(bundle, "onnxruntime", 0, 1)}
    assert far["segment"] <= FAR and far["refine"] > 100 * FAR
    monkeypatch.setattr(clients.sys, "executable", "/bin/false")
    rows = clients.apart(bundle, "onnxruntime", 0, 1)
    assert [row["failed"] for row in rows] == ["ended the process with 1"] * 2
