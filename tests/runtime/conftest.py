"""Doors that the tests of all nets go through: host sections as a manifest has them, host steps."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from edgematte.codec import encode
from edgematte.host import Host
from edgematte.manifest import FORMAT, Manifest
from edgematte.runtime.host.steps import Arrays, Steps, steps_of


def _read(model: str, host: Host, change: dict[str, Any]) -> Host:
    section = encode(host) | change
    value = {
        "format": FORMAT,
        "model": model,
        "target": "onnx",
        "precision": "fp32",
        "config": {},
        "host": {name: item for name, item in section.items() if item is not None},
        "graphs": [],
        "weights": {"source": "none", "sha256": "0" * 64},
        "tools": {},
    }
    return Manifest.from_json(json.dumps(value)).host


@pytest.fixture
def read_host() -> Callable[[str, Host, dict[str, Any]], Host]:
    """``read_host(model, host, change)``: a manifest's host section after somebody changed it.

    A value of None leaves the field out.
    """
    return _read


@pytest.fixture
def steps_by_name() -> Callable[[Steps, Host], dict[str, Callable[..., Arrays]]]:
    """The host steps of a section, each called with the arrays it reads by name."""

    def named(steps: Steps, host: Host) -> dict[str, Callable[..., Arrays]]:
        return {step.name: lambda s=step, **pool: s(host, pool) for step in steps_of(steps, host)}

    return named
