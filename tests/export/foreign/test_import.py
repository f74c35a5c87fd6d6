"""A foreign net as a bundle: used as it was told, checked against its file, without torch."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import helper
from PIL import Image

import edgematte
from edgematte.cli import main
from edgematte.export.foreign.importer import import_onnx
from edgematte.export.foreign.presets import PRESETS
from edgematte.runtime.bundle import open_bundle
from edgematte.runtime.host.mask import default_band
from edgematte.runtime.host.trimap import UNKNOWN, dilate
from edgematte.testcard import testcard as drawn

MakeNet = Callable[..., Path]  # conftest's
SIDE = 32
WEIGHTS, BIAS = np.array([[3, -2, 1], [-1, 2, 0.5]], np.float32), np.array([-0.4, 0.3], np.float32)
"""Of two channels of output, for the three of the input as the file takes them; conftest's."""
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CLOSE = 2e-6  # float32 sums of three products of numbers of about 1


def logits(picture: NDArray[np.uint8], channels: int = 1, **how: Any) -> NDArray[np.float64]:
    """What the nets of these tests compute, (channels, H, W), in float64."""
    colours = picture.astype(np.float64) * how.get("scale", 1 / 255)
    colours = colours[..., ::-1] if how.get("order") == "BGR" else colours
    colours = (colours - how.get("mean", 0)) / how.get("std", 1)
    weights = WEIGHTS[:channels].astype(np.float64) * how.get("times", 1)
    answer = np.einsum("oc,hwc->ohw", weights, colours)
    return np.asarray(answer + BIAS[:channels, None, None].astype(np.float64))


def soft(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-values)))


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize(
    ("options", "how"),
    [
        (["--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225"], {"mean": MEAN, "std": STD}),
        (["--scale", "1/255", "--channel-order", "BGR"], {"order": "BGR"}),
        (["--scale", "1", "--mean", "127.5", "--std", "127.5"],
         {"scale": 1, "mean": 127.5, "std": 127.5}),
        (["--scale", "1"], {"scale": 1, "times": 1 / 255}),
    ],
    ids=["imagenet", "bgr", "around zero", "bytes"],
)  # fmt: skip
def test_alpha_is_what_the_file_says_of_the_picture_as_it_was_told(
    make_net: MakeNet, tmp_path: Path, layout: str, options: list[str], how: dict[str, Any]
) -> None:
    size: tuple[Any, Any] = ("h", "w") if layout == "NHWC" else (SIDE, SIDE)
    net = make_net(layout=layout, size=size, weights=WEIGHTS * np.float32(how.get("times", 1)))
    picture, cut = tmp_path / "p.png", tmp_path / "alpha.png"
    pixels = drawn(SIDE, SIDE)
    Image.fromarray(pixels).save(picture)
    sized = ["--size", str(SIDE)] if layout == "NHWC" else []
    bundle = str(tmp_path / "b.edgematte")
    assert main(["import", str(net), "-o", bundle, "--kind", "matte", *options, *sized]) == 0
    expected = soft(logits(pixels, **how))[0]
    alpha = edgematte.load(bundle)(pixels).alpha
    assert np.abs(alpha - expected).max() < CLOSE
    assert expected.max() - expected.min() > 0.1
    said = ["matte", str(picture), "-o", str(cut), "--bundle", bundle, "--write", "alpha"]
    assert main(said) == 0
    assert np.abs(np.asarray(Image.open(cut)) / 255 - expected).max() <= 0.5 / 255 + CLOSE
    assert main(["check", bundle]) == 0
    assert main(["bench", bundle, "--runs", "1"]) == 0


def test_a_class_of_several_by_softmax_or_sigmoid(make_net: MakeNet, tmp_path: Path) -> None:
    net, pixels = make_net(channels=2, logits=True), drawn(SIDE, SIDE)
    expected = logits(pixels, 2)
    for activation, alpha in (
        ("softmax", soft(expected[1] - expected[0])),
        ("sigmoid", soft(expected[1])),
    ):
        bundle, _ = import_onnx(
            net, kind="matte", output=tmp_path / activation, scale=1 / 255, class_index=1,
            activation=activation,
        )  # fmt: skip
        assert np.abs(edgematte.load(bundle.path)(pixels).alpha - alpha).max() < CLOSE


def test_min_max_inversion_and_a_named_output(make_net: MakeNet, tmp_path: Path) -> None:
    net, pixels = make_net(logits=True, more_outputs=True), drawn(SIDE, SIDE)
    bundle, _ = import_onnx(
        net, kind="matte", output=tmp_path / "b", scale=1 / 255, output_name="other",
        activation="min-max", invert=True,
    )  # fmt: skip
    answer = logits(pixels)[0]  # the other output is its negative, inverted again
    expected = (answer - answer.min()) / (answer.max() - answer.min())
    assert np.abs(edgematte.load(bundle.path)(pixels).alpha - expected).max() < CLOSE


def test_a_matte_is_unknown_where_it_is_soft_and_a_mask_in_a_band(
    make_net: MakeNet, tmp_path: Path
) -> None:
    net = make_net(weights=[[400, 0, 0]], first=(), logits=False)  # red above 0.001: 1 within 0.03
    pixels = np.zeros((96, 128, 3), np.uint8)
    pixels[:, 64:] = 255
    for kind in ("matte", "mask"):
        import_onnx(net, kind=kind, output=tmp_path / kind, scale=1 / 255)
    matte = edgematte.load(tmp_path / "matte")(pixels)
    mask = edgematte.load(tmp_path / "mask")(pixels)
    assert (matte.alpha == mask.alpha).all() and matte.alpha.shape == (96, 128)
    sure = (matte.alpha <= 0.02) | (matte.alpha >= 0.98)
    assert ((matte.trimap == UNKNOWN) == ~sure).all()
    assert (mask.trimap == UNKNOWN).sum() > (matte.trimap == UNKNOWN).sum()
    band = default_band((SIDE, SIDE), (128, 96))
    assert dilate(mask.trimap != UNKNOWN, 0)[:, -1].all() and band < 64
    nothing = edgematte.load(tmp_path / "mask")(np.full_like(pixels, 255))
    assert (nothing.trimap == 255).all()  # all subject: no sentence, no unknown pixel


def test_the_bundle_says_what_it_was_compared_with(
    make_net: MakeNet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    net, bundle = make_net(), tmp_path / "b.edgematte"
    said = ["import", str(net), "-o", str(bundle), "--kind", "mask", "--scale", "1/255", "--json"]
    assert main(said) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["within_tolerance"] and told["end_to_end"]["onnxruntime"]["max"] < 1e-4
    report = (bundle / "REPORT.md").read_text()
    assert "No PyTorch was there" in report and "## Accuracy against the ONNX file" in report
    assert "alpha of the ONNX file" in report and "of PyTorch" not in report
    assert main(["info", str(bundle)]) == 0
    out = capsys.readouterr().out
    assert "foreign, onnx, fp32" in out and "alpha against the ONNX file" in out
    assert "net.onnx" in out and "PyTorch" not in out
    opened = open_bundle(bundle).manifest
    # 3 products for each pixel of one channel.
    assert opened.graphs[0].macs == 3 * SIDE * SIDE
    kinds = {d.equality for d in opened.accuracy.differences}
    assert kinds == {"host", "export", "end-to-end"}


def test_a_changed_graph_is_noticed(make_net: MakeNet, tmp_path: Path) -> None:
    """The check of an imported bundle can fail: the records are of the file."""
    bundle, _ = import_onnx(make_net(), kind="matte", output=tmp_path / "a", scale=1 / 255)
    other, _ = import_onnx(
        make_net(weights=WEIGHTS * 1.01), kind="matte", output=tmp_path / "b", scale=1 / 255
    )
    (bundle.path / "matte.onnx").write_bytes((other.path / "matte.onnx").read_bytes())
    manifest = json.loads((bundle.path / "edgematte.json").read_text())
    manifest["files"]["matte.onnx"] = open_bundle(other.path).manifest.files["matte.onnx"]
    (bundle.path / "edgematte.json").write_text(json.dumps(manifest))
    assert main(["check", str(bundle.path)]) == 1


def warned(net: Path, tmp_path: Path, **options: Any) -> str:
    _, found = import_onnx(net, output=tmp_path / "w", kind="matte", force=True, **options)
    assert all(one in (tmp_path / "w" / "REPORT.md").read_text() for one in found)
    return "\n".join(found)


def test_the_probe_says_what_looks_wrong(make_net: MakeNet, tmp_path: Path) -> None:
    unit: dict[str, Any] = {"scale": 1 / 255}
    assert "give a sigmoid" in warned(make_net(logits=True), tmp_path, **unit)
    assert "leave the sigmoid out" in warned(make_net(), tmp_path, activation="sigmoid", **unit)
    assert "everywhere" in warned(make_net(weights=[[0, 0, 0]]), tmp_path, **unit)
    # The test card's subject is redder than its background: a net of red sees it.
    red = make_net(weights=[[30, -30, 0]])
    assert warned(red, tmp_path, **unit) == ""
    assert "looks inverted" in warned(red, tmp_path, invert=True, **unit)
    mean, small = np.reshape(MEAN, (1, 3, 1, 1)).astype(np.float32), np.float32(1 / 255)
    itself = make_net(
        weights=[[30, -30, 0]],
        first=[
            helper.make_node("Mul", ["x", "small"], ["scaled"]),
            helper.make_node("Sub", ["scaled", "mean"], ["shifted"]),
        ],
        constants={"mean": mean, "small": small},
    )
    assert warned(itself, tmp_path, scale=1) == ""
    doubled = warned(itself, tmp_path, mean=MEAN)
    assert "give scale 1" in doubled and "give one of the two" in doubled


BLOCKED = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "onnxscript", "openvino", "coremltools"}:
            raise ModuleNotFoundError(f"{name} was asked for", name=name)
sys.meta_path.insert(0, Block())
from edgematte.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_no_torch_is_needed(precision: str, make_net: MakeNet, tmp_path: Path) -> None:
    said = ["import", str(make_net()), "-o", str(tmp_path / "b"), "--kind", "mask", "--scale", "1"]
    said += ["--precision", precision]
    done = subprocess.run([sys.executable, "-c", BLOCKED, *said], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_target_whose_package_is_missing_is_one_sentence(
    make_net: MakeNet, tmp_path: Path
) -> None:
    said = ["import", str(make_net()), "-o", str(tmp_path / "b"), "--kind", "mask", "--scale", "1"]
    said += ["--target", "openvino"]
    done = subprocess.run([sys.executable, "-c", BLOCKED, *said], capture_output=True, text=True)
    assert done.returncode == 2 and not (tmp_path / "b").exists()
    (sentence,) = [line for line in done.stderr.splitlines() if line.startswith("edgematte: ")]
    assert 'pip install "edgematte[export,openvino]"' in sentence


def test_presets_say_how_a_net_is_used_and_options_win(make_net: MakeNet, tmp_path: Path) -> None:
    fixed, free = make_net(logits=True, more_outputs=True), tmp_path / "free"
    pixels = drawn(SIDE, SIDE)
    bundle, _ = import_onnx(fixed, preset="u2net", output=tmp_path / "u")
    answer = logits(pixels, mean=MEAN, std=STD)[0]
    expected = (answer - answer.min()) / (answer.max() - answer.min())
    assert np.abs(edgematte.load(bundle.path)(pixels).alpha - expected).max() < CLOSE
    assert bundle.manifest.host.cut == "mask" and bundle.manifest.options["preset"] == "u2net"
    own, _ = import_onnx(
        fixed, preset="u2net", kind="matte", mean=[0], std=[1], activation="none",
        output_name="other", output=free,
    )  # fmt: skip
    alpha = np.clip(-logits(pixels)[0], 0, 1)
    assert np.abs(edgematte.load(own.path)(pixels).alpha - alpha).max() < CLOSE
    assert own.manifest.host.cut == "matte"


@pytest.mark.parametrize(
    ("preset", "layout", "logit", "side"),
    [
        ("modnet", "NCHW", False, 512),
        ("selfie", "NHWC", False, 256),
        ("birefnet", "NCHW", True, 64),
        ("rmbg-2", "NCHW", False, 64),
    ],
)
def test_nets_of_the_shapes_of_well_known_ones(
    preset: str, layout: str, logit: bool, side: int, make_net: MakeNet, tmp_path: Path
) -> None:
    size = (side, side) if side == 64 else ("h", "w")
    net = make_net(layout=layout, logits=logit, size=size)
    bundle, _ = import_onnx(net, preset=preset, output=tmp_path / "b")
    assert bundle.manifest.host.size == (side, side)
    pixels = drawn(side, side)
    how: dict[str, dict[str, Any]] = {
        "modnet": {"mean": 0.5, "std": 0.5},
        "birefnet": {"mean": MEAN, "std": STD},
        "rmbg-2": {"mean": MEAN, "std": STD},
    }
    expected = soft(logits(pixels, **how.get(preset, {}))[0])
    assert np.abs(edgematte.load(bundle.path)(pixels).alpha - expected).max() < CLOSE


@pytest.mark.parametrize(
    ("target", "layout"), [("onnx", "NCHW"), ("onnx", "NHWC"), ("openvino", "NHWC")]
)
def test_targets_and_half_precision(
    target: str, layout: str, make_net: MakeNet, tmp_path: Path
) -> None:
    if target == "openvino":
        pytest.importorskip("openvino")
    net, pixels = make_net(layout=layout), drawn(SIDE, SIDE)
    expected = soft(logits(pixels))[0]
    for precision, limit in (("fp32", 1e-5), ("fp16", 4e-3)):  # a half has 11 bits
        bundle, _ = import_onnx(
            net, kind="matte", output=tmp_path / precision, scale=1 / 255, target=target,
            precision=precision,
        )  # fmt: skip
        assert main(["check", str(bundle.path)]) == 0
        matter = edgematte.load(bundle.path)
        assert matter.engine == ("openvino" if target == "openvino" else "onnxruntime")
        held = np.abs(matter(pixels).alpha - expected).max()
        # OpenVINO computes in what the processor is fastest in, with 8 bits in bf16.
        assert held < (2e-2 if target == "openvino" else limit)
        decided = [d for d in bundle.manifest.accuracy.differences if d.tolerance_max is not None]
        assert max(d.max_abs for d in decided) < limit
    assert (bundle.manifest.target, bundle.manifest.precision) == (target, "fp16")


def test_the_table_of_presets_names_its_sources(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["import", "--help"])
    helped = " ".join(capsys.readouterr().out.split())
    assert f"used: {', '.join(PRESETS)}; options" in helped
    page = (Path(__file__).parents[3] / "docs" / "your-own.md").read_text()
    assert all(f"`{name}`" in page for name in PRESETS)
    for name, preset in PRESETS.items():
        assert "github.com/" in preset.source or "huggingface.co/" in preset.source, name
        assert preset.kind in ("matte", "mask") and preset.given.normalisation[0] == 1 / 255
