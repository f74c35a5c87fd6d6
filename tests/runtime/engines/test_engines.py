import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import edgematte
from edgematte import testcard
from edgematte.errors import EngineError, OptionError
from edgematte.runtime.bundle import open_bundle
from edgematte.runtime.engines import ENGINES, EngineOptions, engine_for, open_engine
from edgematte.targets import TARGETS


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_has_a_default_engine_that_runs_it(target: str) -> None:
    assert target in ENGINES[engine_for(target)].targets


def test_the_defaults_are_the_targets_own_engines() -> None:
    assert [engine_for(t) for t in TARGETS] == ["onnxruntime", "openvino", "coreml", "litert"]
    assert engine_for("onnx", "openvino") == "openvino"


def test_an_unknown_engine_is_named_with_those_there_are() -> None:
    with pytest.raises(EngineError, match="unknown engine 'tflite'.*onnxruntime, openvino, coreml"):
        engine_for("onnx", "tflite")


def test_an_engine_that_cannot_run_the_target_is_told_apart() -> None:
    with pytest.raises(EngineError, match="onnxruntime cannot run openvino graphs; use openvino"):
        engine_for("openvino", "onnxruntime")


def test_an_unknown_target_is_an_error_of_one_sentence() -> None:
    with pytest.raises(EngineError, match="no engine runs 'tflite' graphs"):
        engine_for("tflite")


BLOCKED = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == {module!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Block())
from edgematte.cli import main
sys.exit(main(["matte", {picture!r}, "-o", {out!r}, "--bundle", {bundle!r}, "--engine", {name!r}]))
"""


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("onnxruntime", 'pip install "edgematte[cpu]"'),
        ("openvino", 'pip install "edgematte[openvino]"'),
    ],
)
def test_an_engine_that_is_not_installed_says_how_to_install_it(
    name: str, line: str, tiny_bundle: Path, tmp_path: Path, png: Callable[..., Path]
) -> None:
    out = tmp_path / "out.png"
    program = BLOCKED.format(
        module=name, name=name, bundle=str(tiny_bundle), picture=str(png()), out=str(out)
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 2 and not out.exists() and not done.stdout
    assert len(done.stderr.splitlines()) == 1
    assert f"engine {name} is not installed" in done.stderr and line in done.stderr


@pytest.mark.parametrize("device", ["cuda", "cuda:1", "tensorrt"])
def test_a_missing_gpu_is_an_error_and_never_the_cpu(device: str, tiny_bundle: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has CUDA")
    kind = device.partition(":")[0]
    with pytest.raises(EngineError, match=f"device {kind} asked for.*only: cpu.*edgematte.gpu"):
        edgematte.load(tiny_bundle, device=device)


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_provider_that_does_not_start_is_an_error_too(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Onnxruntime-gpu without a GPU lists CUDA, warns, and runs on the CPU; edgematte must not."""
    onnxruntime = pytest.importorskip("onnxruntime")
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has CUDA")
    listed = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: listed)
    with pytest.raises(EngineError, match="cuda did not start; onnxruntime fell back to CPU"):
        edgematte.load(tiny_bundle, device="cuda")


def test_an_unknown_device_is_named_with_those_there_are(tiny_bundle: Path) -> None:
    with pytest.raises(EngineError, match="unknown device 'tpu'; there are: cpu, cuda"):
        edgematte.load(tiny_bundle, device="tpu")


@pytest.mark.skipif(sys.platform == "darwin", reason="Core ML runs here")
def test_coreml_elsewhere_than_on_macos_says_what_to_do_instead(tiny_bundle: Path) -> None:
    graph = open_bundle(tiny_bundle).manifest.graphs[0]
    with pytest.raises(EngineError, match="needs macOS.*`edgematte check` evaluates the bundle"):
        open_engine("coreml", tiny_bundle / "segment.mlpackage", graph)


@pytest.mark.parametrize("content", [b"", b"not a graph at all", b"\x08\x08" * 400])
@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_file_that_is_no_graph_is_one_sentence(
    content: bytes, engine: str, tiny_bundle: Path, reseal: Callable[[Path], None]
) -> None:
    pytest.importorskip(engine)
    (tiny_bundle / "refine.onnx").write_bytes(content)
    reseal(tiny_bundle)
    with pytest.raises(EngineError, match=f"{engine} cannot load refine.onnx") as caught:
        edgematte.load(tiny_bundle, engine=engine)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_graph_files_that_changed_places_are_told(
    engine: str, tiny_bundle: Path, reseal: Callable[[Path], None]
) -> None:
    """Even where the list of files was made to fit: the graphs' own names do not."""
    pytest.importorskip(engine)
    shutil.move(tiny_bundle / "segment.onnx", tiny_bundle / "kept")
    shutil.move(tiny_bundle / "refine.onnx", tiny_bundle / "segment.onnx")
    shutil.move(tiny_bundle / "kept", tiny_bundle / "refine.onnx")
    reseal(tiny_bundle)
    with pytest.raises(EngineError) as caught:
        edgematte.load(tiny_bundle, engine=engine)(testcard.testcard(40, 30))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_number_of_threads_does_not_change_the_answer(threads: int, tiny_bundle: Path) -> None:
    picture = testcard.testcard(70, 50)
    found = edgematte.load(tiny_bundle, threads=threads)(picture).alpha
    np.testing.assert_allclose(found, edgematte.load(tiny_bundle)(picture).alpha, atol=1e-6)


def test_openvino_runs_onnx_bundles_close_to_onnxruntime(default_bundle: Path) -> None:
    pytest.importorskip("openvino")
    picture = testcard.testcard(200, 150)
    first = edgematte.load(default_bundle, engine="onnxruntime")(picture)
    second = edgematte.load(default_bundle, engine="openvino")(picture)
    # Where the processor has bf16 units openvino uses them: 8 bits of mantissa, over ~50 layers.
    # The trimaps may differ only where a probability is that close to a threshold.
    assert (first.trimap != second.trimap).mean() < 0.02
    same = first.trimap == second.trimap
    assert np.abs(first.alpha - second.alpha)[same].mean() < 0.01


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_an_answer_is_the_callers_and_outlives_the_next_call(
    engine: str, tiny_bundle: Path
) -> None:
    pytest.importorskip(engine)
    bundle = open_bundle(tiny_bundle)
    graph = bundle.manifest.graphs[0]
    opened = open_engine(engine, bundle.file(graph), graph)
    random = np.random.default_rng(0)
    feeds = [{t.name: random.random(t.shape, np.float32) for t in graph.inputs} for _ in range(2)]
    first = opened.run(feeds[0])
    kept = {name: value.copy() for name, value in first.items()}
    second = opened.run(feeds[1])
    again = opened.run(feeds[0])
    for name, value in kept.items():
        np.testing.assert_array_equal(first[name], value)
        np.testing.assert_array_equal(again[name], value)
        assert not np.shares_memory(first[name], second[name]) and first[name].flags.writeable


def test_openvino_names_the_devices_there_are(tiny_bundle: Path) -> None:
    pytest.importorskip("openvino")
    with pytest.raises(EngineError, match="device npu7 asked for.*only: .*cpu"):
        edgematte.load(tiny_bundle, engine="openvino", device="npu7")


def test_the_table_points_at_classes_that_exist() -> None:
    for row in ENGINES.values():
        module, _, attribute = row.where.partition(":")
        spec = importlib.util.find_spec(module)
        assert spec and spec.origin and f"class {attribute}" in Path(spec.origin).read_text()
        assert row.pip_line.startswith("pip install")


class Gpu:
    """A session as onnxruntime-gpu's would be, on the processor; remembers how it was asked."""

    made: ClassVar[list[Any]] = []

    def __init__(self, file: str, options: Any, providers: list[Any]) -> None:
        import onnxruntime

        ((self.provider, self.settings),) = providers
        self.real = onnxruntime._Real(file, options, providers=["CPUExecutionProvider"])
        self.get_inputs, self.get_outputs = self.real.get_inputs, self.real.get_outputs
        self.bound = 0
        Gpu.made.append(self)

    def get_providers(self) -> list[str]:
        return [self.provider]

    def io_binding(self) -> Any:
        return self.real.io_binding()

    def run_with_iobinding(self, binding: Any) -> None:
        self.bound += 1
        self.real.run_with_iobinding(binding)

    def run(self, *_: Any) -> None:
        raise AssertionError("on a GPU every run is bound")


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    onnxruntime = pytest.importorskip("onnxruntime")
    listed = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "_Real", onnxruntime.InferenceSession, raising=False)
    monkeypatch.setattr(onnxruntime, "InferenceSession", Gpu)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: listed)
    Gpu.made.clear()
    yield Gpu.made


def test_on_a_gpu_inputs_and_outputs_are_bound_and_give_the_same(
    tiny_bundle: Path, gpu: list[Any]
) -> None:
    picture = testcard.testcard(96, 64)
    found = edgematte.load(tiny_bundle, device="cuda:1")(picture).alpha
    assert all(one.provider == "CUDAExecutionProvider" for one in gpu)
    assert all(one.settings == {"device_id": "1"} for one in gpu)
    assert sum(one.bound for one in gpu) >= 2
    gpu.clear()
    with pytest.MonkeyPatch.context() as patch:
        import onnxruntime

        patch.setattr(onnxruntime, "InferenceSession", onnxruntime._Real)
        np.testing.assert_array_equal(edgematte.load(tiny_bundle)(picture).alpha, found)


def test_tensorrt_keeps_its_engines_where_it_is_told(
    tiny_bundle: Path, gpu: list[Any], tmp_path: Path
) -> None:
    folder = tmp_path / "engines"
    edgematte.load(tiny_bundle, device="tensorrt", engine_cache=folder)
    assert folder.is_dir()
    for one in gpu:
        assert one.settings["trt_engine_cache_path"] == str(folder)
        assert one.settings["trt_engine_cache_enable"] == "1"
        assert "trt_fp16_enable" not in one.settings, "the bundle is fp32"


def test_tensorrt_compiles_one_engine_for_all_batches(tiny_bundle: Path, gpu: list[Any]) -> None:
    bundle = open_bundle(tiny_bundle)
    graph = replace(bundle.manifest.graphs[0], dynamic_batch=True)
    options = EngineOptions("tensorrt", batch=8)
    open_engine("onnxruntime", bundle.file(graph), graph, options)
    settings = gpu[-1].settings
    name, shape = graph.inputs[0].name, "x".join(map(str, graph.inputs[0].shape[1:]))
    assert f"{name}:1x{shape}" in settings["trt_profile_min_shapes"].split(",")
    for kind in ("opt", "max"):
        assert f"{name}:8x{shape}" in settings[f"trt_profile_{kind}_shapes"].split(",")


def test_an_engine_cache_for_the_processor_is_refused(tiny_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="engine_cache is for device tensorrt"):
        edgematte.load(tiny_bundle, engine_cache=tmp_path)


SIGNALLED = """
import gc, os, signal, sys, time
import edgematte
from edgematte import testcard
matters = [edgematte.load(sys.argv[1], engine=engine) for engine in ("openvino", "onnxruntime")]
for matter in matters:
    matter(testcard.testcard(40, 30))
del matter, matters
gc.collect()
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(5)
except KeyboardInterrupt:
    print("interrupted")
"""


def test_ctrl_c_after_openvino_was_released_is_ctrl_c(tiny_bundle: Path) -> None:
    """Each graph had a Core of its own, whose end left the thread a freed stack for signals."""
    pytest.importorskip("openvino")
    command = [sys.executable, "-c", SIGNALLED, str(tiny_bundle)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stdout) == (0, "interrupted\n"), done.stderr
