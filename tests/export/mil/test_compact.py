"""Core ML packages with each constant once: smaller, and the same program bit for bit."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("coremltools")
pytestmark = pytest.mark.export

RNG = np.random.default_rng(7)


def size_of(package: Path) -> int:
    return sum(f.stat().st_size for f in package.rglob("*") if f.is_file())


def both(bench: Any, model: Any) -> tuple[Path, Path]:
    """A package as coremltools saves it, and the same rewritten."""
    from edgematte.export.targets.core_ml_compact import compact

    plain = bench.save(model)
    small = Path(shutil.copytree(plain, plain.with_name(f"{plain.stem}-small.mlpackage")))
    compact(small)
    return plain, small


def run(package: Path, image: Any) -> list[Any]:
    from edgematte.export.mil import MilProgram

    program = MilProgram.load(package)
    (name,) = program.inputs
    return list(program.run({name: image}, "fp32").values())


def many_convolutions() -> Any:
    """Twelve, of which half have equal weights; two outputs; a split, which has two values."""
    from torch import nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convs = nn.ModuleList(nn.Conv2d(16, 16, 3, padding=1) for _ in range(12))
            for conv in self.convs[6:]:
                conv.load_state_dict(self.convs[0].state_dict())

        def forward(self, x: Any) -> Any:
            for conv in self.convs:
                x = conv(x).relu()
            left, right = x.split(8, dim=1)
            return left - right, left + right

    return Net()


def test_smaller_and_equal_to_the_last_bit(bench: Any) -> None:
    import torch

    torch.manual_seed(0)
    model = bench.convert(many_convolutions(), [torch.zeros(1, 16, 12, 20)])
    plain, small = both(bench, model)
    image = RNG.standard_normal((1, 16, 12, 20)).astype(np.float32)
    found, expected = run(small, image), run(plain, image)
    assert len(found) == 2
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    settings = 12 * 4 * 100  # strides, padding, dilations and groups of each, 100 bytes and more
    assert size_of(small) < size_of(plain) - settings
    names = [i.name for i in model.get_spec().description.output]
    from coremltools.models import MLModel

    reread = MLModel(str(small), skip_model_load=True)
    assert [i.name for i in reread.get_spec().description.output] == names


def test_quantized_weights_stay_what_they_are(bench: Any) -> None:
    """Scales and zero points of many layers are equal blobs: shared, never mixed up."""
    import coremltools as ct
    import torch

    torch.manual_seed(1)
    model = bench.convert(many_convolutions(), [torch.zeros(1, 16, 8, 8)])
    cto = ct.optimize.coreml
    linear = cto.OpLinearQuantizerConfig(mode="linear_symmetric", weight_threshold=16)
    quantized = cto.linear_quantize_weights(model, cto.OptimizationConfig(linear))
    plain, small = both(bench, quantized)
    image = RNG.standard_normal((1, 16, 8, 8)).astype(np.float32)
    for one, other in zip(run(small, image), run(plain, image), strict=True):
        np.testing.assert_array_equal(one, other)
    assert size_of(small) < size_of(plain) - 12 * 4 * 100


def test_an_output_that_is_a_constant_keeps_its_name(bench: Any) -> None:
    from coremltools.converters.mil import Builder as mb

    def body(x: Any) -> Any:
        return mb.add(x=x, y=np.float32(2.5), name="sum"), mb.const(
            val=np.array([2.5, 3], np.float32), name="steps"
        )

    model = bench.build(body, [np.zeros((1, 2), np.float32)])
    _, small = both(bench, model)
    added, steps = run(small, np.array([[1, 2]], np.float32))
    assert added.tolist() == [[3.5, 4.5]]
    assert steps.tolist() == [2.5, 3]


def test_the_same_model_gives_the_same_bytes(bench: Any) -> None:
    """No date, no order that varies: what a bundle's hashes count on."""
    import torch

    model = bench.convert(torch.nn.Conv2d(3, 4, 1), [torch.zeros(1, 3, 4, 4)])
    packages = [both(bench, model)[1] for _ in range(2)]
    one, other = ((p / "Data/com.apple.CoreML/model.mlmodel").read_bytes() for p in packages)
    assert one == other and b"conversion_date" not in one
