"""edgematte takes trained matting networks from PyTorch to the devices people hold.

    import edgematte
    matter = edgematte.load()
    alpha = matter(image).alpha

``import edgematte`` imports neither torch nor an engine.
"""

import os
import sys
from typing import TYPE_CHECKING, Any

from edgematte.version import VERSION

# From 1.29 on ONNX Runtime reports its use to its makers. The thread that does so starts at import,
# and makes every forked child hang when it exits. It is off unless the user has set the variable.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
# OpenVINO reports that it was imported, and NNCF what it quantizes, by a package that both can do
# without: they find it missing, unless openvino was imported before.
if "openvino" not in sys.modules:
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

__version__ = VERSION
__all__ = ["EdgematteError", "Matte", "Matter", "load", "trimap_from_mask"]

if TYPE_CHECKING:
    from edgematte.errors import EdgematteError
    from edgematte.runtime.host.mask import trimap_from_mask
    from edgematte.runtime.load import load
    from edgematte.runtime.matte import Matte
    from edgematte.runtime.matter import Matter

_HOMES = {
    "EdgematteError": "edgematte.errors",
    "Matte": "edgematte.runtime.matte",
    "Matter": "edgematte.runtime.matter",
    "load": "edgematte.runtime.load",
    "trimap_from_mask": "edgematte.runtime.host.mask",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'edgematte' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
