"""PyTorch -> static graphs -> ONNX, OpenVINO, Core ML, each checked against PyTorch.

    from edgematte.export import export
    bundle = export("MODEL", target="coreml")

Importing this package imports nothing heavy; :func:`export` imports torch.
"""

from typing import TYPE_CHECKING, Any

__all__ = ["export"]

if TYPE_CHECKING:
    from edgematte.export.exporter import export


def __getattr__(name: str) -> Any:
    if name == "export":
        from edgematte.export.exporter import export

        return export
    raise AttributeError(f"module 'edgematte.export' has no attribute {name!r}")
