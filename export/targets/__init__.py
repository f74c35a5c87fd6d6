"""One module a target; each writes one captured graph and knows nothing of the models.

``TARGETS`` is the one table of them. A target module has ``build(capture, options)``, the graph as
a float model of the target's own library; ``save(model, graph, folder, embedded, options)``, which
writes a model into ``folder`` and returns the graph's declaration; and ``tools()``, the versions
that made it. Between the two, INT8 exports quantize the model.
"""

import importlib
from dataclasses import dataclass
from types import ModuleType

from edgematte.errors import ExportError
from edgematte.extras import importing
from edgematte.ranges import check_options


@dataclass(frozen=True)
class Options:
    """What a target is asked for; those it has no use for are refused by the exporter."""

    precision: str
    opset: int = 18
    min_ios: int = 16
    io: str = "tensor"  # Core ML: tensor, or image: RGB picture in, alpha picture out
    alpha_bits: int = 8  # of the alpha picture: 8 (0..255), or 16 (half floats in 0..1)
    ort: bool = False  # ONNX: also an .ort file and its list of operators
    dynamic_batch: bool = False  # ONNX: graphs that take any number of tiles at once

    def __post_init__(self) -> None:
        """Refuse what no target can write, whoever asks for it."""
        check_options(
            opset=self.opset, min_ios=self.min_ios, io=self.io, alpha_bits=self.alpha_bits
        )


SHARED = "weights.bin"
"""File of the weights that several graphs of one bundle hold, where the target has such."""

FLOATS = ("fp32", "fp16")
INT8 = ("int8", "int8-weights")

TARGETS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    # name: (module, default precision, precisions)
    "onnx": ("edgematte.export.targets.onnx", "fp32", (*FLOATS, *INT8)),
    "openvino": ("edgematte.export.targets.openvino", "fp32", (*FLOATS, *INT8)),
    "coreml": ("edgematte.export.targets.coreml", "fp16", (*FLOATS, *INT8, "int4-palette")),
}


def target_module(name: str) -> ModuleType:
    """The module that writes a target.

    Raises:
        ExportError: a package it needs is not installed; the message holds the pip line.
    """
    extra = "coreml" if name == "coreml" else f"export,{name}" if name == "openvino" else "export"
    sentence = f"target {name} needs a package that is not installed"
    with importing(sentence, f'pip install "edgematte[{extra}]"', ExportError):
        return importlib.import_module(TARGETS[name][0])
