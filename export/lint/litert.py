"""Rules on LiteRT's files: operators that GPU delegates leave to the processor."""

from collections.abc import Iterator
from pathlib import Path

from edgematte.export.lint.seen import Seen
from edgematte.export.litert import file as tflite
from edgematte.export.litert.gpu import refused
from edgematte.finding import Finding
from edgematte.manifest import Graph, Manifest


def findings(file: Path, graph: Graph, manifest: Manifest, seen: Seen | None) -> Iterator[Finding]:
    """Those of one ``.tflite`` file."""
    model = tflite.read(file)
    reasons = refused(model)
    if reasons:
        count = len(model.subgraphs[0].operators)
        told = ", ".join(f"{number} {reason}" for reason, number in reasons.most_common())
        yield Finding(
            "gpu-delegate",
            graph.name,
            f"a GPU delegate leaves {reasons.total()} of {count:,} operators to the processor: "
            f"{told}",
            "tensors travel between GPU and processor at each of them, which takes long",
            "write them in other operators in the network, or let the app run the graph on the "
            "processor",
            "tensorflow: lite/tools/versioning/gpu_compatibility.cc",
        )
