"""benchmarks/gpu.py without a GPU: it says so, and its parts run on the processor."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxsim")

pytestmark = pytest.mark.export

SCRIPT = Path(__file__).resolve().parent.parent / "benchmarks" / "gpu.py"


@pytest.fixture(scope="module")
def gpu() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gpu_benchmark", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["gpu_benchmark"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_it_is_one_sentence_and_no_figures() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT)], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0 and not done.stdout
    (line,) = done.stderr.splitlines()
    assert line == "benchmarks/gpu.py measures on an NVIDIA GPU, and PyTorch finds none here"


def test_a_provider_that_is_missing_is_named(
    gpu: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu.torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(
        gpu.onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"]
    )
    assert gpu.missing("cuda:0", ["eager", "onnxruntime"]) == ""
    assert "no tensorrt" in gpu.missing("cuda:0", ["tensorrt"])
    assert "leave it out of --ways" in gpu.missing("cpu", ["tensorrt"])


def test_both_ways_give_the_same_alpha_on_the_processor(gpu: ModuleType) -> None:
    for way in ("eager", "onnxruntime"):
        row = gpu.measure(gpu.Task(way, "vitmatte-tiny", 64, 2, "cpu", 1))
        assert not row.failed and row.pictures_per_s > 0
        assert row.mad < 1e-5  # float32 sums in another order
    pictures = gpu.pictures(gpu.Task("eager", "vitmatte-tiny", 64, 3, "cpu", 1))
    assert pictures["image"].shape == (3, 3, 64, 64)
    assert pictures["trimap"].shape == (3, 1, 64, 64)
    assert np.ptp(pictures["image"][0] - pictures["image"][2]) > 0


def test_running_out_of_memory_is_a_row(gpu: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 12.00 GiB.\nmore")

    monkeypatch.setattr(gpu, "_measure", full)
    row = gpu.measure(gpu.Task("eager", "vitmatte-b", 2048, 8, "cuda:0", 1))
    assert row.failed == "out of memory"
