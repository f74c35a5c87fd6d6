"""A bundle's host steps as a model of Triton's Python backend; its graphs are models beside it.

A request has ``image``, uint8 (H, W, 3) RGB or (H, W, 4), and may have ``trimap``, uint8 (H, W): 0
background, 128 unknown, 255 foreground. The answer is ``alpha``, float32 (H, W) in [0, 1], and
``used_trimap``, uint8 (H, W). Graphs are called as the models NAME-GRAPH, inside Triton.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import triton_python_backend_utils as pb_utils
from numpy.typing import NDArray

from edgematte.errors import EdgematteError, EngineError
from edgematte.manifest import FILE, Graph, Manifest
from edgematte.runtime.bundle import Bundle, sha256_file
from edgematte.runtime.load import matter_on


class TritonPythonModel:
    """What Triton makes of this file: it is loaded once an instance."""

    def initialize(self, args: dict[str, str]) -> None:
        """Read the manifest that lies beside this file, and see that the graphs are its own."""
        here = Path(args["model_repository"]) / args["model_version"]
        batch = json.loads(args["model_config"])["parameters"]["batch"]["string_value"]
        name = args["model_name"]
        try:
            manifest = Manifest.from_json((here / FILE).read_text(encoding="utf-8"))
            bundle = Bundle(here, manifest)
            for graph in manifest.graphs:
                _verify(here.parents[1] / f"{name}-{graph.name}" / "1", graph, manifest)
            self._matter = matter_on(
                bundle, lambda graph: _Model(f"{name}-{graph.name}", graph), "triton", int(batch)
            )
        except EdgematteError as error:
            raise pb_utils.TritonModelException(str(error)) from None

    def execute(self, requests: list[Any]) -> list[Any]:
        """One answer a request; a bad one is answered with a sentence, and the others go on."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        image = pb_utils.get_input_tensor_by_name(request, "image")
        trimap = pb_utils.get_input_tensor_by_name(request, "trimap")
        try:
            matte = self._matter(image.as_numpy(), None if trimap is None else trimap.as_numpy())
        except EdgematteError as error:
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(str(error)))
        tensors = [
            pb_utils.Tensor("alpha", matte.alpha),
            pb_utils.Tensor("used_trimap", matte.trimap),
        ]
        return pb_utils.InferenceResponse(output_tensors=tensors)


class _Model:
    """One graph, as an engine of edgematte."""

    def __init__(self, name: str, graph: Graph) -> None:
        self._name, self._outputs = name, [tensor.name for tensor in graph.outputs]

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Inputs by name -> outputs by name."""
        answer = pb_utils.InferenceRequest(
            model_name=self._name,
            requested_output_names=self._outputs,
            inputs=[pb_utils.Tensor(name, value) for name, value in inputs.items()],
        ).exec()
        if answer.has_error():
            raise EngineError(f"model {self._name} failed: {answer.error().message()}")
        return {
            name: pb_utils.get_output_tensor_by_name(answer, name).as_numpy()
            for name in self._outputs
        }


def _verify(folder: Path, graph: Graph, manifest: Manifest) -> None:
    """Refuse another graph than the manifest's, where its file is to be seen.

    Raises:
        EngineError: it was changed, or is of another bundle.
    """
    for file in sorted(folder.glob("model.*")):
        own = Path(graph.file).with_suffix(file.suffix).as_posix()
        if own in manifest.files and manifest.files[own] != sha256_file(file):
            raise EngineError(
                f"{file} is not the graph {graph.name} of this bundle: lay the bundle out again"
            )
