"""An imported net finds the trimap for another: one bundle, one call."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")

import edgematte
from edgematte.card import Card
from edgematte.cli import main
from edgematte.export.foreign.importer import import_onnx
from edgematte.manifest import Weights
from edgematte.runtime.bundle import DEFAULT, open_bundle
from edgematte.runtime.host.trimap import UNKNOWN
from edgematte.testcard import testcard as drawn

pytestmark = pytest.mark.export
MakeNet = Callable[..., Path]  # conftest's
RED = [[400, -380, 0]]  # of a picture's colours: a hard mask of what is redder than green


def exported(tmp_path: Path, cascade: object, *more: str, target: str = "onnx") -> int:
    said = ["export", "--model", "vitmatte-tiny", "--random-weights", "--size", "64"]
    said += ["--cascade", str(cascade), "--target", target, "--output", str(tmp_path / "c")]
    return main([*said, *more])


@pytest.mark.parametrize("target", ["onnx", "openvino"])
def test_photo_to_matte_in_one_call_with_the_masks_band(
    target: str, make_net: MakeNet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if target == "openvino":
        pytest.importorskip("openvino")
    net = make_net(weights=RED)
    import_onnx(net, kind="mask", output=tmp_path / "mask", scale=1 / 255)
    assert exported(tmp_path, tmp_path / "mask", target=target) == 0
    assert main(["check", str(tmp_path / "c")]) == 0
    assert "estimated trimap" in capsys.readouterr().out
    report = (tmp_path / "c" / "REPORT.md").read_text()
    assert "trimap_stage is an imported net's (net.onnx, " in report
    digest = hashlib.sha256(net.read_bytes()).hexdigest()
    assert main(["info", str(tmp_path / "c")]) == 0
    told = capsys.readouterr().out
    assert f"trimap stage: net.onnx, sha256 {digest[:16]}" in told
    assert "weights: random, seed 0, sha256 " in told
    manifest = open_bundle(tmp_path / "c").manifest
    assert manifest.stage_weights == Weights("net.onnx", digest) != manifest.weights
    pixels = drawn(96, 72)
    matter = edgematte.load(tmp_path / "c")
    matte = matter(pixels)
    mask = edgematte.load(tmp_path / "mask")(pixels)
    assert (matte.trimap == mask.trimap).all()  # by the same band
    assert 0 < (matte.trimap == UNKNOWN).sum() < matte.trimap.size
    assert {"graph.trimap_stage"} < set(matte.timings)
    # What is given at run time replaces it.
    own = np.full((72, 96), 255, np.uint8)
    own[:, :48] = 0
    assert (matter(pixels, mask=own).trimap[:, -1] == 255).all()
    Image.fromarray(pixels).save(tmp_path / "p.png")
    said = ["matte", str(tmp_path / "p.png"), "-o", str(tmp_path / "o.png")]
    assert main([*said, "--bundle", str(tmp_path / "c")]) == 0


def test_the_licence_of_an_imported_net_goes_with_it(
    make_net: MakeNet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    net, mask = make_net(weights=RED), tmp_path / "mask"
    said = ["import", str(net), "-o", str(mask), "--kind", "mask", "--scale", "1/255"]
    told = ["--license", "Apache-2.0", "--attribution", "Net by its authors"]
    assert main([*said, *told]) == 0
    assert "licence: Apache-2.0" in (mask / "REPORT.md").read_text()
    assert exported(tmp_path, mask) == 0
    card = open_bundle(tmp_path / "c").manifest.stage_weights
    assert card is not None and card.card == Card("Apache-2.0", attribution="Net by its authors")
    assert "licence: Apache-2.0" in (tmp_path / "c" / "REPORT.md").read_text()
    (tmp_path / "net.weights.json").write_text('{"license": "MIT"}')
    capsys.readouterr()
    assert main([*said, *told, "--force"]) == 2
    assert "the card of the weights says 'MIT'" in capsys.readouterr().err.splitlines()[-1]
    assert main([*said, "--force"]) == 0
    assert main(["info", str(mask)]) == 0
    assert "licence: MIT" in capsys.readouterr().out


def test_the_band_and_the_order_of_channels_are_those_of_the_stage(
    make_net: MakeNet, tmp_path: Path
) -> None:
    net = make_net(weights=RED)
    import_onnx(net, kind="matte", output=tmp_path / "m", scale=1 / 255, channel_order="BGR")
    assert exported(tmp_path, tmp_path / "m", "--band", "1", "--precision", "fp16") == 0
    narrow = edgematte.load(tmp_path / "c")
    assert exported(tmp_path, tmp_path / "m", "--band", "9", "--force") == 0
    wide = edgematte.load(tmp_path / "c")
    pixels = drawn(96, 72)
    counts = [(m(pixels).trimap == UNKNOWN).sum() for m in (narrow, wide)]
    assert 0 < counts[0] < counts[1]
    subject = narrow(pixels).trimap == 255
    blue = pixels[..., 2].astype(int) - pixels[..., 1]  # what the file takes as red
    assert blue[subject].mean() > blue[narrow(pixels).trimap == 0].mean()


@pytest.mark.parametrize(
    ("cascade", "more", "sentence"),
    [
        (DEFAULT, [], "which was not imported; give the name of a net"),
        ("none.edgematte", [], "no bundle at none.edgematte"),
        ("fp16", [], "it is onnx fp16; give one imported to onnx in fp32"),
        ("mask", ["--precision", "int8"], "not of onnx int8"),
        ("mask", ["--target", "coreml"], "goes into bundles of onnx and openvino in fp32 or fp16"),
        (
            "mask",
            ["--unknown-threshold", "0.3"],
            "--unknown-threshold has no meaning for an imported net as cascade",
        ),
        ("mask", ["--ort"], "--ort has no meaning with an imported net as cascade"),
        ("mask", ["--band", "-1"], "--band -1: "),
    ],
)
def test_refusals(
    cascade: object,
    more: list[str],
    sentence: str,
    make_net: MakeNet,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if cascade in ("mask", "fp16"):
        cascade = import_onnx(
            make_net(), kind="mask", output=tmp_path / "mask", scale=1,
            precision="fp16" if cascade == "fp16" else "fp32",
        )[0].path  # fmt: skip
    assert exported(tmp_path, cascade, *more) == 2
    err = capsys.readouterr().err
    assert sentence in err and not (tmp_path / "c").exists()
