"""PyTorch -> static graphs -> ONNX, OpenVINO, Core ML, each checked against PyTorch.

    from edgematte.export import export
    bundle = export("MODEL", target="coreml")

Importing this package imports nothing heavy; :func:`export` imports torch.
"""

from typing import TYPE_CHECKING, Any

__all__ = ["Int8", "WeightsFrom", "export"]

if TYPE_CHECKING:
    from edgematte.export.exporter import export
    from edgematte.export.int8 import Int8
    from edgematte.export.weights_from import WeightsFrom

_HOMES = {
    "Int8": "edgematte.export.int8",
    "WeightsFrom": "edgematte.export.weights_from",
    "export": "edgematte.export.exporter",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'edgematte.export' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
