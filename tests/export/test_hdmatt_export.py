"""HDMatt's cut: host steps with PyTorch's graphs are its forward; exports pass their check.

The weights are those of a few seeded training steps, so that alpha is neither constant nor clamped.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

import edgematte  # noqa: E402
from edgematte import testcard  # noqa: E402
from edgematte.checkpoint import random_model  # noqa: E402
from edgematte.cli import main  # noqa: E402
from edgematte.errors import OptionError  # noqa: E402
from edgematte.export import export  # noqa: E402
from edgematte.export.cuts import hdmatt  # noqa: E402
from edgematte.export.torch_graph import torch_calls  # noqa: E402
from edgematte.metrics.seams import VISIBLE, seam_score  # noqa: E402
from edgematte.models.hdmatt.network import HDMatt  # noqa: E402
from edgematte.nets import find  # noqa: E402
from edgematte.runtime.bundle import open_bundle  # noqa: E402
from edgematte.runtime.host.clock import Clock  # noqa: E402
from edgematte.runtime.host.explanation_drawing import draw  # noqa: E402
from edgematte.runtime.host.patches import crop, patch_grid, walk  # noqa: E402
from edgematte.runtime.load import load  # noqa: E402
from edgematte.runtime.nets.hdmatt.host import PatchesHost, Sizes  # noqa: E402
from edgematte.runtime.nets.hdmatt.pipeline import pipeline  # noqa: E402
from edgematte.runtime.proof.difference import difference  # noqa: E402
from edgematte.runtime.proof.tolerances import CUT  # noqa: E402
from edgematte.training.nets.hdmatt import losses  # noqa: E402
from edgematte.training.pictures.patches import PatchSamples, collate_patches  # noqa: E402
from edgematte.training.pictures.sources import Library  # noqa: E402

pytestmark = pytest.mark.export

SIDE = 64
PICTURE, TRIMAP = testcard.testcard(200, 150), testcard.testcard_trimap(200, 150)


@pytest.fixture(scope="module")
def trained() -> HDMatt:
    torch.manual_seed(0)
    model = HDMatt(width=8).train()
    samples = PatchSamples(Library(), SIDE, 0, contexts=3)
    batch = collate_patches([samples[i] for i in range(6)])
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(25):
        optimiser.zero_grad()
        losses(model, batch)["total"].backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0  # statistics of the weights as they are now
    with torch.no_grad():
        losses(model, batch)
    for norm in norms:
        norm.momentum = 0.1
    return model.eval()


def cut_of(model: HDMatt, **changes: Any) -> PatchesHost:
    host = hdmatt.CUT.host("patches", (SIDE, SIDE), Sizes(patch=SIDE), model)
    return replace(host, **changes)


def matted(
    model: HDMatt, host: PatchesHost, picture: NDArray[np.uint8], trimap: NDArray[np.uint8]
) -> NDArray[np.float32]:
    calls = torch_calls(hdmatt.CUT.graphs(model, host))
    return pipeline(host, calls)(picture, trimap, Clock())[0]


@pytest.mark.parametrize("cpc", [2, 1, 0])
def test_the_cut_is_the_training_time_forward(cpc: int, trained: HDMatt) -> None:
    model: Any = trained if cpc == 2 else random_model(find("hdmatt-tiny"), {"cpc": cpc}, 1)[0]
    host = cut_of(model, overlap=0)
    alpha = matted(model, host, PICTURE, TRIMAP)
    patches = list(walk(patch_grid((200, 150), SIDE, 0)))
    images = np.stack([crop(PICTURE, p).transpose(2, 0, 1) for p in patches])
    known = np.stack([crop(TRIMAP, p) for p in patches])
    image = torch.from_numpy(images.astype(np.float32) / 255)
    classes = torch.from_numpy(np.stack([known == c for c in (0, 255, 128)], axis=1)).float()
    decoded, differing = 0, 0.0
    for i, patch in enumerate(patches):
        found = alpha[patch.top : patch.top + SIDE, patch.left : patch.left + SIDE]
        inside = TRIMAP[patch.top : patch.top + SIDE, patch.left : patch.left + SIDE] == 128
        if not inside.any():
            continue
        decoded += 1
        rest = [j for j in range(len(patches)) if j != i]
        with torch.no_grad():
            whole = model(
                image[i : i + 1], classes[i : i + 1], image[rest][None], classes[rest][None]
            )
            alone = model(image[i : i + 1], classes[i : i + 1])
        expected = whole[0, 0].numpy()[: found.shape[0], : found.shape[1]]
        np.testing.assert_allclose(found[inside], expected[inside], atol=1e-5)
        differing = max(differing, float((whole - alone).abs().max()))
    assert decoded > 3 and (differing > 1e-3) == (cpc > 0)


@pytest.mark.parametrize(
    ("size", "changes"),
    [
        ((200, 150), {}),
        ((40, 30), {}),
        ((200, 150), {"candidates": 5}),
        ((130, 64), {"overlap": 20}),
    ],
)
def test_host_steps_and_graphs_are_the_reference(
    size: tuple[int, int], changes: dict[str, Any], trained: HDMatt
) -> None:
    host = cut_of(trained, **changes)
    picture, trimap = testcard.testcard(*size), testcard.testcard_trimap(*size)
    alpha = matted(trained, host, picture, trimap)
    whole = hdmatt.CUT.reference(trained, host, picture, picture, trimap)
    found = difference("cut", "alpha", "PyTorch", alpha, whole, CUT)
    assert found.ok, found
    unknown = alpha[trimap == 128]
    assert 0.05 < unknown.std() and ((unknown > 0) & (unknown < 1)).mean() > 0.5


def test_overlapping_patches_hide_their_borders_and_others_do_not(trained: HDMatt) -> None:
    """All pixels unknown, so that every patch is the net's own."""
    trimap = np.full_like(TRIMAP, 128)
    scores = []
    for overlap in (0, SIDE // 4):
        alpha = matted(trained, cut_of(trained, overlap=overlap), PICTURE, trimap)
        patches = list(walk(patch_grid((200, 150), SIDE, overlap)))
        scores.append(seam_score(alpha, patches))
    assert scores[0] > VISIBLE > scores[1], scores


def test_graphs_are_static_and_of_rank_5_at_most(
    trained: HDMatt, static: Callable[[Any, tuple[str, ...]], None]
) -> None:
    for source in hdmatt.CUT.graphs(trained, cut_of(trained)):
        static(source, ("nonzero", "topk", "sort", "_put", "unpool", "index"))


@pytest.fixture(autouse=True)
def small_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checks of nine patches, not 24."""
    monkeypatch.setattr("edgematte.export.exporter.CHECK_PICTURE", (170, 150))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory, trained: HDMatt) -> Path:
    folder = tmp_path_factory.mktemp("hdmatt") / "b.edgematte"
    export(trained, target="onnx", patch=SIDE, output=folder)
    return folder


def test_an_export_is_within_the_tolerance_and_small(bundle: Path) -> None:
    manifest = open_bundle(bundle).manifest
    assert isinstance(manifest.host, PatchesHost)
    assert manifest.accuracy.ok and manifest.host.candidates == 30 and manifest.host.k == 3
    where = {d.where for d in manifest.accuracy.differences if d.equality == "export"}
    assert where == {f"{g.name}.{t.name}" for g in manifest.graphs for t in g.outputs}
    assert [g.name for g in manifest.graphs] == ["bank", "query"]
    assert sum(f.stat().st_size for f in (bundle / "golden").iterdir()) < 200_000


@pytest.mark.parametrize(
    ("target", "precision"), [("onnx", "fp16"), ("openvino", "fp32"), ("coreml", "fp16")]
)
def test_other_targets_and_precisions(
    target: str, precision: str, trained: HDMatt, tmp_path: Path
) -> None:
    made = export(trained, target=target, precision=precision, patch=SIDE, output=tmp_path / "b")
    differences = made.manifest.accuracy.differences
    assert made.manifest.accuracy.ok
    ends = [d for d in differences if d.equality == "end-to-end" and d.tolerance_mean is not None]
    assert ends
    for d in ends:  # of the whole picture, a tenth of which is unknown
        assert d.mean_abs < {"fp32": 1e-5, "fp16": 1e-3}[precision]


def test_int8_within_its_budget(
    trained: HDMatt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEMATTE_CACHE", str(tmp_path / "cache"))
    pictures = [testcard.testcard(100 + 2 * i, 80) for i in range(8)]
    made = export(
        trained,
        target="onnx",
        precision="int8",
        patch=SIDE,
        calibration=pictures,
        budget=0.06,
        output=tmp_path / "b.edgematte",
    )
    chosen = next(rung for rung in made.manifest.ladder if rung.chosen)
    assert chosen.inside and chosen.mad <= 0.06


def test_it_mattes_pictures_of_any_size(bundle: Path) -> None:
    matter = load(bundle)
    for size in ((64, 64), (40, 30), (300, 170)):
        picture, trimap = testcard.testcard(*size), testcard.testcard_trimap(*size)
        found = matter(picture, trimap)
        assert found.alpha.shape == size[::-1]
        assert (found.alpha[trimap == 255] == 1).all() and (found.alpha[trimap == 0] == 0).all()
        assert 0 <= found.alpha.min() and found.alpha.max() <= 1
    with pytest.raises(OptionError, match="needs a trimap"):
        matter(testcard.testcard(64, 64))


def test_the_command_resumes_within_a_limit_of_memory(
    bundle: Path, png: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture, trimap = png("picture.png", 200, 150), tmp_path / "trimap.png"
    Image.fromarray(TRIMAP).save(trimap)
    plain, resumed = tmp_path / "plain.png", tmp_path / "resumed.png"
    common = ["--trimap", str(trimap), "--bundle", str(bundle), "--write", "alpha"]
    assert main(["matte", str(picture), "-o", str(plain), *common]) == 0
    journal = tmp_path / "resumed.png.patches"
    load(bundle)(np.asarray(Image.open(picture)), TRIMAP, journal=journal)
    assert journal.stat().st_size > 4 * (TRIMAP == 128).sum()
    again = ["matte", str(picture), "-o", str(resumed), *common, "--resume", "--memory", "0"]
    assert main(again) == 0
    assert resumed.read_bytes() == plain.read_bytes() and not journal.exists()
    journal.write_text("x" * 100)
    assert main(again) == 2 and "of another picture" in capsys.readouterr().err
    drawing = tmp_path / "explained.png"
    asked = ["matte", str(picture), "-o", str(resumed), *common, "--explain", str(drawing)]
    assert main(asked) == 0
    assert Image.open(drawing).size == (200, 150)
    assert main([*asked, "--explain-at", "0,0"]) == 2
    assert "the pixel 0,0 is not unknown" in capsys.readouterr().err
    for option, name in (
        (["--resume"], "--resume"),
        (["--memory", "5"], "--memory"),
        (["--explain", str(drawing)], "--explain"),
    ):
        assert main(["matte", str(picture), "-o", str(resumed), *option]) == 2
        assert f"{name} has no meaning for lightweight" in capsys.readouterr().err


def test_a_mask_is_resumed_and_explained_as_its_trimap_is(
    bundle: Path, png: Callable[..., Path], tmp_path: Path
) -> None:
    picture, mask = png("picture.png", 200, 150), tmp_path / "mask.png"
    small = np.asarray(Image.fromarray(TRIMAP).resize((100, 75), Image.Resampling.NEAREST)) > 0
    Image.fromarray(small).save(mask)
    matter, pixels = load(bundle), np.asarray(Image.open(picture))
    trimap = edgematte.trimap_from_mask(small, (200, 150))
    expected = matter.explain(pixels, trimap)
    found = matter.explain(pixels, mask=small)
    assert found.pixel == expected.pixel and found.patch == expected.patch
    with pytest.raises(OptionError, match="a trimap and a mask were given"):
        matter.explain(pixels, trimap, mask=small)
    journal = tmp_path / "alpha.png.patches"
    alpha = matter(pixels, mask=small, journal=journal).alpha
    assert journal.stat().st_size > 0  # the command goes on from there
    out, drawing = tmp_path / "alpha.png", tmp_path / "explained.png"
    asked = ["matte", str(picture), "-o", str(out), "--bundle", str(bundle), "--write", "alpha"]
    asked += ["--mask", str(mask), "--resume", "--explain", str(drawing)]
    assert main(asked) == 0 and not journal.exists()
    np.testing.assert_array_equal(np.asarray(Image.open(out)), np.rint(alpha * 255))
    np.testing.assert_array_equal(np.asarray(Image.open(drawing)), draw(expected, pixels))


def test_trimaps_of_two_levels_and_of_other_sizes(
    bundle: Path, png: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture, trimap, out = png("p.png", 100, 80), tmp_path / "t.png", tmp_path / "o.png"
    command = ["matte", str(picture), "-o", str(out), "--bundle", str(bundle), "--write", "alpha"]
    mask = np.where(testcard.testcard_trimap(100, 80) > 0, np.uint8(255), np.uint8(0))
    Image.fromarray(mask).save(trimap)
    assert main([*command, "--trimap", str(trimap)]) == 0
    assert "no pixel is unknown" in capsys.readouterr().err
    np.testing.assert_array_equal(np.asarray(Image.open(out)), mask)
    Image.fromarray(mask[:-1]).save(trimap)
    assert main([*command, "--trimap", str(trimap)]) == 2
    assert "they must be of one size" in capsys.readouterr().err


def test_the_check_notices_other_candidates(
    bundle: Path,
    tmp_path: Path,
    reseal: Callable[[Path], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    copied = Path(shutil.copytree(bundle, tmp_path / "b.edgematte"))
    assert main(["check", str(copied)]) == 0
    manifest: dict[str, Any] = json.loads((copied / "edgematte.json").read_text())
    manifest["host"]["candidates"] = 4
    (copied / "edgematte.json").write_text(json.dumps(manifest))
    reseal(copied)
    assert main(["check", str(copied)]) == 1
    assert "candidates.candidates" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"patch": 100}, "size 100 is not a multiple of 8"),
        ({"regions": 5}, "regions has no meaning for hdmatt-tiny to onnx; there are: opset, ort"),
        ({"size": 512}, "size has no meaning for hdmatt-tiny, whose graphs see patches"),
        ({"graphs": "split"}, "no cut 'split'; there are: patches"),
    ],
)
def test_options_without_a_meaning_are_refused(
    options: dict[str, Any], part: str, tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match=part):
        export("hdmatt-tiny", target="onnx", random_weights=True, output=tmp_path / "b", **options)
