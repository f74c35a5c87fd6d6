"""What other tools read in a file's metadata: how a picture becomes the graph's input.

Beside the embedded manifest, ONNX files have flat texts as sherpa-onnx and others read them, and
both ONNX and OpenVINO files what Intel's Model API reads under ``model_info``.
"""

import json
from typing import Any

from edgematte.manifest import Graph, Tensor
from edgematte.runtime.engines.colours import PLAIN

ROOM = "model_info"


def model_info(graph: Graph, embedded: str) -> dict[str, str]:
    """Fields of ``model_info`` by name; the model's name alone where no input is a picture.

    Values are for pictures as OpenCV reads them, uint8 BGR, which is what Model API is given.

    Args:
        graph: its first input may be a picture.
        embedded: the part of the manifest that files embed; "" in files of trials, which say
            nothing.
    """
    if not embedded:
        return {}
    manifest = json.loads(embedded)
    info = {"model_name": manifest["model"]}
    picture = _picture(graph)
    if picture is None:
        return info
    steps = _per_unit(picture, manifest["host"])
    reverse = manifest["host"].get("channel_order", "RGB") == "RGB"
    return info | {
        "model_type": "ImageModel",
        "resize_type": "standard",  # to the graph's size, whatever the picture's shape
        "interpolation_mode": "LINEAR",
        "reverse_input_channels": str(reverse),
        "mean_values": "0 0 0",
        "scale_values": " ".join([f"{steps:g}"] * 3),
    }


def flat_texts(graph: Graph, embedded: str) -> dict[str, str]:
    """Metadata of an ONNX file by key: texts without structure, and ``model_info`` as Model API's.

    ``normalize_mean`` and ``normalize_std`` are for pictures in [0, 1]. None without ``embedded``.
    """
    if not embedded:
        return {}
    manifest = json.loads(embedded)
    texts = {"model_type": manifest["model"], "version": manifest["tools"].get("edgematte", "")}
    picture = _picture(graph)
    if picture is not None:
        deviation = _per_unit(picture, manifest["host"]) / 255
        texts |= {
            "normalize_mean": "0,0,0",
            "normalize_std": ",".join([f"{deviation:g}"] * 3),
            "channel_order": manifest["host"].get("channel_order", "RGB"),
        }
    return texts | {f"{ROOM} {key}": value for key, value in model_info(graph, embedded).items()}


def _picture(graph: Graph) -> Tensor | None:
    first = graph.inputs[0]
    return first if first.name in PLAIN and 3 in (first.shape[1], first.shape[-1]) else None


def _per_unit(picture: Tensor, host: dict[str, Any]) -> float:
    """The byte that becomes 1 in the graph's input."""
    return 1.0 if picture.range == (0, 255) else 1 / float(host["scale"])
