"""Small Core ML packages, saved and read back, for the tests of the evaluator."""

import gc
import itertools
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

Array = npt.NDArray[Any]


class Bench:
    """Builds packages in a folder and loads them as programs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = itertools.count()

    def save(self, model: Any) -> Path:
        """Saves a coremltools model under a fresh name."""
        path = self.folder / f"{next(self.count)}.mlpackage"
        model.save(str(path))
        return path

    def load(self, model: Any) -> Any:
        """Saves a coremltools model and loads what was saved."""
        from edgematte.export.mil import MilProgram

        return MilProgram.load(self.save(model))

    def build(self, body: Callable[..., Any], inputs: list[Array], opset: str = "iOS17") -> Any:
        """The coremltools model of a function of MIL variables; no pass touches its ops."""
        import coremltools as ct
        from coremltools.converters.mil import Builder as mb
        from coremltools.converters.mil.mil import types

        kinds = {"float32": types.fp32, "float16": types.fp16, "int32": types.int32}
        specs = [mb.TensorSpec(value.shape, kinds[value.dtype.name]) for value in inputs]
        target = getattr(ct.target, opset)
        program = mb.program(input_specs=specs, opset_version=target)(body)
        return ct.convert(
            program,
            convert_to="mlprogram",
            minimum_deployment_target=target,
            compute_precision=ct.precision.FLOAT32,
            pass_pipeline=ct.PassPipeline.EMPTY,
            skip_model_load=True,
        )

    def run(
        self,
        body: Callable[..., Any],
        *inputs: Array,
        opset: str = "iOS17",
        arithmetic: str = "fp32",
    ) -> list[Array]:
        """Builds, saves, loads and evaluates; the outputs in order."""
        program = self.load(self.build(body, list(inputs), opset))
        named = dict(zip(program.inputs, inputs, strict=True))
        return list(program.run(named, arithmetic).values())

    def convert(self, module: Any, example: list[Any], **options: Any) -> Any:
        """The coremltools model of a torch module, captured as the exporter does."""
        import coremltools as ct
        import torch

        captured = torch.export.export(module.eval(), tuple(example)).run_decompositions({})
        options.setdefault("minimum_deployment_target", ct.target.iOS17)
        return ct.convert(
            captured, source="pytorch", convert_to="mlprogram", skip_model_load=True, **options
        )


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    pytest.importorskip("coremltools")
    torch = pytest.importorskip("torch")
    logging.getLogger("coremltools").setLevel(logging.ERROR)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    gc.collect()
    gc.freeze()  # ct.convert collects garbage, which would walk all of torch every time
    yield Bench(tmp_path_factory.mktemp("packages"))
    gc.unfreeze()
    torch.set_num_threads(threads)


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(7)
