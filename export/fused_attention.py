"""How many attentions of a graph an engine runs as one kernel, or with fused matrix products."""

from pathlib import Path

from edgematte.export.executed import executed
from edgematte.manifest import Graph


def attention_line(target: str, file: Path, graph: Graph, blocks: int) -> str:
    """One sentence for the report.

    Args:
        target: onnx or openvino; the line is empty for other targets.
        file: the graph's file.
        graph: its declaration.
        blocks: how many attentions the net has.
    """
    if target == "openvino":
        return (
            f"Of {blocks} attentions OpenVINO runs {openvino_fused(file)} as one kernel: logits, "
            "softmax and the product with the values."
        )
    if target != "onnx":
        return ""
    counts = executed("onnx", file, graph)
    softmaxes = counts["Softmax"] + counts["QLinearSoftmax"]
    return (
        f"Of {blocks} attentions ONNX Runtime, on the processor, runs {counts['FusedMatMul']} with "
        "the transposition of the keys fused into the product (FusedMatMul) and "
        f"{softmaxes} with one Softmax kernel."
    )


def openvino_fused(file: Path) -> int:
    """How many kernels of OpenVINO, in f32, hold a softmax and its matrix products."""
    from edgematte.runtime.engines.ov import shared_core

    core = shared_core()
    hint = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(core.read_model(file), "CPU", hint)
    kernels = 0
    for node in compiled.get_runtime_model().get_ops():
        info = node.get_rt_info()
        if "originalLayersNames" in info:
            names = info["originalLayersNames"].astype(str)
            kernels += "Softmax" in names and "MatMul" in names
    return kernels
