"""What is done to LiteRT files, on a small net that is converted once: precisions, pictures, fp16
arithmetic, the lint, and the quantizer."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("litert_torch", reason='pip install "edgematte[litert-export]"')
pytest.importorskip("ai_edge_quantizer", reason='pip install "edgematte[litert-export]"')

from torch import nn  # noqa: E402

from edgematte.calibration.quantizers import quantizable  # noqa: E402
from edgematte.calibration.scheme import Scheme  # noqa: E402
from edgematte.errors import BundleError, OptionError  # noqa: E402
from edgematte.export.capture import Capture, TorchGraph, capture  # noqa: E402
from edgematte.export.litert import file as tflite  # noqa: E402
from edgematte.export.litert.gpu import refused  # noqa: E402
from edgematte.export.litert.half import HalfEngine  # noqa: E402
from edgematte.export.targets import writer_of  # noqa: E402
from edgematte.manifest import Graph, Tensor  # noqa: E402
from edgematte.runtime.engines import open_engine  # noqa: E402
from edgematte.runtime.engines.graph import RunnableGraph  # noqa: E402
from edgematte.targets import TARGETS, LiteRtOptions  # noqa: E402

pytestmark = pytest.mark.export
TARGET = TARGETS["litert"]
SHAPE = (1, 3, 12, 16)
Saved = tuple[Graph, Path]
Save = Callable[..., Saved]


class Small(nn.Module):
    """Two convolutions; the first output is also read inside, as a trimap is."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 32, 3, padding=1), nn.Conv2d(32, 4, 3, padding=1)

    def forward(self, image: Any) -> Any:
        inner = self.first(image)
        return inner, self.second(inner.relu()).sigmoid()


@pytest.fixture(scope="module")
def net() -> nn.Module:
    torch.manual_seed(0)
    return Small().eval()


@pytest.fixture(scope="module")
def captured(net: nn.Module) -> Capture:
    given = Tensor("image", SHAPE, "float32", "NCHW", (0.0, 1.0), "RGB / 255")
    inner = Tensor("inner", (1, 32, 12, 16), "float32", "NCHW", (-9.0, 9.0), "")
    made = Tensor("alpha", (1, 4, 12, 16), "float32", "NCHW", (0.0, 1.0), "")
    return capture(TorchGraph(Graph("net", (given,), (inner, made)), net))


@pytest.fixture(scope="module")
def save(captured: Capture, tmp_path_factory: pytest.TempPathFactory) -> Save:
    """The declaration and file of the small net with some options; ``model`` instead of its own."""
    made: dict[LiteRtOptions, bytes] = {}

    def saved(options: LiteRtOptions, model: bytes | None = None) -> Saved:
        folder, writer = tmp_path_factory.mktemp("net"), writer_of(TARGET)
        if options not in made:
            made[options] = writer.build(captured, options)
        graph = writer.save(model or made[options], captured.graph, folder, "{}", options)
        return graph, folder / graph.file

    return saved


PICTURE = np.random.default_rng(0).integers(0, 256, SHAPE).astype(np.float32) / np.float32(255)


def run(saved: Saved, picture: Any = PICTURE) -> Any:
    graph, file = saved
    return RunnableGraph(graph, open_engine("litert", file, graph))(image=picture)["alpha"]


def expected(net: nn.Module) -> Any:
    with torch.no_grad():
        return net(torch.from_numpy(PICTURE))[1].numpy()


def test_a_picture_of_bytes_with_channels_last(net: nn.Module, save: Save) -> None:
    graph, file = save(LiteRtOptions("fp32", io="image", layout="nhwc"))
    (image,) = graph.inputs
    assert (image.shape, image.dtype, image.layout) == ((1, 12, 16, 3), "uint8", "NHWC")
    assert [t.shape for t in graph.outputs] == [(1, 12, 16, 32), (1, 12, 16, 4)]
    # What an app does: the picture's own bytes in, planes out.
    pixels = np.rint(PICTURE * 255).astype(np.uint8).transpose(0, 2, 3, 1)
    answer = open_engine("litert", file, graph).run({"image": np.ascontiguousarray(pixels)})
    wanted = expected(net)
    # Two orders of the same float32 sums, and byte * (1 / 255) for byte / 255.
    np.testing.assert_allclose(answer["alpha"].transpose(0, 3, 1, 2), wanted, atol=1e-5)
    np.testing.assert_allclose(run((graph, file)), wanted, atol=1e-5)


def test_half_precision_halves_the_weights_and_stays_close(net: nn.Module, save: Save) -> None:
    full, half = save(LiteRtOptions("fp32")), save(LiteRtOptions("fp16"))
    weights = sum(p.numel() for p in net.parameters())
    saved = full[1].stat().st_size - half[1].stat().st_size
    assert 0.6 * 2 * weights < saved < 2.1 * weights  # two bytes each, less an operator for each
    np.testing.assert_allclose(run(full), expected(net), atol=1e-5)
    assert 0 < np.abs(run(half) - run(full)).max() < 2e-3  # 2^-11 of sums of some 300 terms


def test_fp16_arithmetic_rounds_every_value(net: nn.Module, save: Save) -> None:
    graph, file = save(LiteRtOptions("fp32"))
    inner, alpha = (HalfEngine(file, graph).run({"image": PICTURE})[k] for k in ("inner", "alpha"))
    for value in (inner, alpha):
        np.testing.assert_array_equal(value, value.astype(np.float16).astype(np.float32))
    assert isinstance(net, Small)

    def rounded(value: Any) -> Any:
        return value.half().float()

    with torch.no_grad():  # the same rounding, by PyTorch: after the input, the sums, the weights
        first, second = net.first, net.second
        halves = [rounded(p) for p in (first.weight, first.bias, second.weight, second.bias)]
        image = rounded(torch.from_numpy(PICTURE))
        sums = rounded(torch.conv2d(image, halves[0], halves[1], padding=1))
        logits = rounded(torch.conv2d(sums.relu(), halves[2], halves[3], padding=1))
        wanted = rounded(logits.sigmoid())
    # float32 sums of another order may fall on the other side of a rounding: one step of 2^-11
    # of values below 1 in alpha, of values below 4 inside.
    assert np.abs(alpha - wanted.numpy()).max() <= 2**-10
    assert np.abs(inner - sums.numpy()).max() <= 2**-9
    assert np.abs(alpha - expected(net)).max() > 0


def test_a_value_beyond_half_precision_is_seen(net: nn.Module, save: Save) -> None:
    """What overflows on a phone's GPU overflows here."""
    graph, file = save(LiteRtOptions("fp32"))
    answer = HalfEngine(file, graph).run({"image": np.full(SHAPE, 1e6, np.float32)})
    assert not np.isfinite(answer["inner"]).all()


def feeds() -> list[dict[str, Any]]:
    random = np.random.default_rng(1)
    return [{"image": random.random(SHAPE, np.float32)} for _ in range(4)]


def apart(a: Any, b: Any) -> float:
    return float(np.abs(a - b).mean() / b.std())


def test_weights_alone_and_w8a8_and_w8a16(net: nn.Module, save: Save, captured: Capture) -> None:
    options = LiteRtOptions("int8")
    model = writer_of(TARGET).build(captured, options)
    exact = run(save(options, model))
    errors = {}
    for name, scheme, given in (
        ("weights", Scheme(activations=None), None),
        ("w8a8", Scheme(), feeds()),
        ("w8a16", Scheme(activations="int16"), feeds()),
    ):
        part = quantizable(TARGET, model, given)
        made = save(options, part.quantize(scheme))
        errors[name] = apart(run(made), exact)
        kept = replace(scheme, skip=frozenset(part.nodes))
        np.testing.assert_array_equal(run(save(options, part.quantize(kept))), exact)
        kinds = {t.type for t in tflite.read(made[1]).subgraphs[0].tensors}
        assert tflite.Type.INT8 in kinds
    # 8 bits of weights of 300 terms cost about a hundredth of the spread (see test_onnx_qdq.py).
    assert all(0 < error < 0.03 for error in errors.values()), errors
    assert errors["w8a16"] < errors["w8a8"]
    with pytest.raises(OptionError, match="litert has no palette4 weights"):
        part.quantize(Scheme(weights="palette4"))


def test_bytes_that_go_in_are_calibrated_as_bytes(save: Save, captured: Capture) -> None:
    options = LiteRtOptions("int8", io="image", layout="nhwc")
    model = writer_of(TARGET).build(captured, options)
    pixels = np.rint(PICTURE * 255).astype(np.uint8).transpose(0, 2, 3, 1)
    part = quantizable(TARGET, model, [{"image": np.ascontiguousarray(pixels)}])
    made = save(options, part.quantize(Scheme()))
    assert 0 < apart(run(made), run(save(options, model))) < 0.03


def test_the_lint_names_what_stays_on_the_processor(save: Save) -> None:
    _, file = save(LiteRtOptions("fp32"))
    model = tflite.read(file)
    assert not refused(model)
    graph = model.subgraphs[0]
    conv = next(op for op in graph.operators if tflite.op_name(model, op) == "CONV_2D")
    shape = graph.tensors[conv.inputs[0]].shape
    graph.tensors[conv.inputs[0]].shape = [1, *shape]
    assert refused(model)["CONV_2D of 5 axes"] >= 1
    graph.tensors[conv.inputs[0]].shape = shape
    conv.opcodeIndex = tflite.add_op_code(model, tflite.Op.GATHER)
    assert refused(model) == {"GATHER": 1}


def test_metadata_and_files_that_are_none(save: Save, tmp_path: Path) -> None:
    _, file = save(LiteRtOptions("fp32"))
    model = tflite.read(file)
    assert tflite.metadata(model) == "{}"
    model.metadata = None
    assert tflite.metadata(model) is None
    for content in (b"", b"not a file of LiteRT", file.read_bytes()[:300]):
        broken = tmp_path / "broken.tflite"
        broken.write_bytes(content)
        with pytest.raises(BundleError, match="broken.tflite cannot be read as a LiteRT file"):
            tflite.read(broken)
