"""The whole picture, padded, as the authors run it: by graphs of fitting sizes, and by frames.

The references here pad the picture, run the training-time module, and crop: nothing of the host
side is in them but the noise, the trimap's planes and the sampler.
"""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgematte.arrays import Floats

torch = pytest.importorskip("torch")

import onnx  # noqa: E402

from edgematte import testcard as cards  # noqa: E402
from edgematte.checkpoint import random_model  # noqa: E402
from edgematte.cli import main  # noqa: E402
from edgematte.errors import BundleError, OptionError  # noqa: E402
from edgematte.export import export  # noqa: E402
from edgematte.export.cuts import diffmatte, vitmatte  # noqa: E402
from edgematte.export.frames import Frames, frames_for, sized_graphs  # noqa: E402
from edgematte.export.torch_graph import torch_calls  # noqa: E402
from edgematte.models.diffmatte.diffusion import sample  # noqa: E402
from edgematte.models.diffmatte.network import DiffMatte  # noqa: E402
from edgematte.models.vitmatte.network import ViTMatte  # noqa: E402
from edgematte.nets import find  # noqa: E402
from edgematte.runtime.bundle import open_bundle  # noqa: E402
from edgematte.runtime.host.clock import Clock  # noqa: E402
from edgematte.runtime.load import load  # noqa: E402
from edgematte.runtime.nets.diffmatte import host as diffmatte_host  # noqa: E402
from edgematte.runtime.nets.diffmatte import pipeline as diffmatte_pipeline  # noqa: E402
from edgematte.runtime.nets.diffmatte.noise import noise  # noqa: E402
from edgematte.runtime.nets.vitmatte import host as vitmatte_host  # noqa: E402
from edgematte.runtime.nets.vitmatte import pipeline as vitmatte_pipeline  # noqa: E402

pytestmark = pytest.mark.export

VITMATTE_TINY, DIFFMATTE = find("vitmatte-tiny"), find("diffmatte-vits")
SMALL = {"dim": 24, "heads": 3, "detail": 8, "fusion": 16, "window": 3}
DIFFUSE = {"dim": 24, "depth": 3, "heads": 2, "window": 3, "base": 8}
SIZES = [(64, 64), (96, 64), (128, 96)]
# Float32 sums in another order; the whole range of alpha is used.
EXACT = 1e-5


def scene(width: int, height: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    return cards.testcard(width, height), cards.testcard_trimap(width, height)


def around(picture: tuple[int, int], padding: str) -> tuple[int, int]:
    """Pixels right and below, by the rules of transformers and of the authors' code."""
    width, height = picture
    if padding == "authors" and (width % 32 or height % 32):
        return 32 - width % 32, 32 - height % 32
    return -width % 32, -height % 32


def vitmatte_whole(
    model: ViTMatte, picture: NDArray[np.uint8], trimap: NDArray[np.uint8], padding: str
) -> Floats:
    planes = torch.from_numpy(np.dstack([picture, trimap]).transpose(2, 0, 1)[None] / 255).float()
    planes[:, :3] = (planes[:, :3] - model.mean[:, None, None]) / model.std[:, None, None]
    right, below = around((trimap.shape[1], trimap.shape[0]), padding)
    whole = torch.nn.functional.pad(planes, (0, right, 0, below))
    with torch.no_grad():
        alpha = model.decoder(model.backbone(whole), whole)
    return np.asarray(alpha[0, 0, : trimap.shape[0], : trimap.shape[1]].numpy())


def diffmatte_whole(
    model: DiffMatte, picture: NDArray[np.uint8], trimap: NDArray[np.uint8], steps: int
) -> Floats:
    height, width = trimap.shape
    right, below = around((width, height), "minimal")

    def pad(x: Any) -> Any:
        return torch.nn.functional.pad(x, (0, right, 0, below))

    image = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None] / 255
    planes = torch.from_numpy(np.stack([trimap == n for n in (0, 128, 255)])[None]).float()
    colour = pad(image - model.mean) + model.mean  # zero after the normalisation
    with torch.no_grad():
        feature = model.encode(colour, pad(planes))

        def denoise(noisy: Any, time: Any) -> Any:
            seen = pad(model.condition(image, planes, noisy))
            return model.denoise(feature, seen, time)[:, :, :height, :width]

        drawn = torch.from_numpy(noise(0, height, width))[None, None]
        *_, last = sample(denoise, drawn, steps)
    return np.asarray((last[0, 0].numpy() + 1) / 2)


@pytest.fixture(scope="module")
def vit() -> ViTMatte:
    model, _ = random_model(VITMATTE_TINY, SMALL, 1)
    assert isinstance(model, ViTMatte)
    return model


def tiled(frames: Frames, vit: ViTMatte) -> vitmatte_host.TilesHost:
    host = frames.host(vitmatte.CUT, "tiles", vitmatte_host.Sizes(), vit)
    assert isinstance(host, vitmatte_host.TilesHost)
    return host


@pytest.mark.parametrize(
    ("picture", "padding", "sizes", "chosen"),
    [
        ((96, 64), "minimal", SIZES, "matte_96x64"),
        ((90, 50), "minimal", SIZES, "matte_96x64"),
        ((90, 50), "authors", SIZES, "matte_96x64"),  # neither is a multiple
        ((96, 50), "minimal", SIZES, "matte_96x64"),
        ((96, 50), "authors", [(96, 64), (128, 64), (128, 96)], "matte_128x64"),
    ],
)
def test_a_fitting_size_gives_what_the_whole_padded_picture_gives(
    vit: ViTMatte,
    picture: tuple[int, int],
    padding: str,
    sizes: list[tuple[int, int]],
    chosen: str,
) -> None:
    frames = frames_for(VITMATTE_TINY, None, sizes, padding, None, "fp32")
    host = tiled(frames, vit)
    calls = torch_calls(sized_graphs(vitmatte.CUT, vit, host))
    for call in calls.values():
        call.remember = True
    pixels, trimap = scene(*picture)
    alpha, _ = vitmatte_pipeline.pipeline(host, calls)(pixels, trimap, Clock())
    assert {name for name, call in calls.items() if call.calls} == {chosen}
    unknown = trimap == 128
    wanted = vitmatte_whole(vit, pixels, trimap, padding)
    np.testing.assert_allclose(alpha[unknown], wanted[unknown], atol=EXACT)
    other = vitmatte_whole(vit, pixels, trimap, "minimal" if padding == "authors" else "authors")
    same = around(picture, "minimal") == around(picture, "authors")
    assert (np.abs(other - wanted).max() < EXACT) == same  # the two paddings can be told apart


def test_pictures_of_all_sizes_at_once_keep_their_order(vit: ViTMatte) -> None:
    frames = frames_for(VITMATTE_TINY, None, SIZES, "minimal", None, "fp32")
    host = tiled(frames, vit)
    made = vitmatte_pipeline.pipeline(host, torch_calls(sized_graphs(vitmatte.CUT, vit, host)))
    scenes = [scene(*size) for size in ((128, 96), (60, 64), (200, 130), (96, 64), (64, 64))]
    assert isinstance(made, vitmatte_pipeline.Sized)
    found = made.many([p for p, _ in scenes], [t for _, t in scenes], Clock())
    for alpha, (picture, trimap) in zip(found, scenes, strict=True):
        np.testing.assert_array_equal(alpha, made(picture, trimap, Clock())[0])
    largest = replace(host, sizes=None)  # what none holds is tiled with the largest
    alone = vitmatte_pipeline.pipeline(largest, torch_calls(vitmatte.CUT.graphs(vit, largest)))
    np.testing.assert_allclose(found[2], alone(*scenes[2], Clock())[0], atol=EXACT)


@pytest.mark.parametrize("cut", ["whole", "tiles"])
def test_diffmatte_s_fitting_size_is_the_whole_padded_picture_s(cut: str) -> None:
    model, _ = random_model(DIFFMATTE, DIFFUSE, 1)
    assert isinstance(model, DiffMatte)
    frames = frames_for(DIFFMATTE, None, SIZES, "minimal", None, "fp32")
    host = frames.host(diffmatte.CUT, cut, diffmatte_host.Sizes(patch=64), model)
    assert isinstance(host, diffmatte_host.DiffusionHost)
    host = replace(host, steps=2)
    graphs = sized_graphs(diffmatte.CUT, model, host)
    names = {g.graph.name for g in graphs}
    assert names >= {"encode_64x64", "encode_96x64", "encode_128x96"}
    assert ("denoise" in names) == (cut == "tiles")  # tiles are alike in every frame
    made = diffmatte_pipeline.pipeline(host, torch_calls(graphs))
    for size in ((90, 50), (64, 64)):
        picture, trimap = scene(*size)
        alpha, _ = made(picture, trimap, Clock())
        unknown = trimap == 128
        wanted = diffmatte_whole(model, picture, trimap, 2)
        apart = np.abs(alpha[unknown] - wanted[unknown])
        # Tiles of a frame differ from it near their borders; one of the frame's size does not.
        assert apart.max() < EXACT if cut == "whole" or size == (64, 64) else apart.mean() < 0.1


def test_a_larger_picture_is_not_reduced_but_put_together_from_frames() -> None:
    """Nearer to the whole padded picture than what the picture, reduced, gives."""
    model, _ = random_model(DIFFMATTE, DIFFUSE, 1)
    assert isinstance(model, DiffMatte)
    picture, trimap = scene(150, 120)
    wanted, unknown = diffmatte_whole(model, picture, trimap, 2), trimap == 128
    apart = {}
    for context in (0, 48):
        sizes = diffmatte_host.Sizes(context=context)
        host = replace(diffmatte.CUT.host("whole", (96, 96), sizes, model), steps=2)
        assert host.context == (context or None)
        calls = torch_calls(diffmatte.CUT.graphs(model, host))
        alpha, _ = diffmatte_pipeline.pipeline(host, calls)(picture, trimap, Clock())
        apart[context] = np.abs(alpha - wanted)[unknown].mean()
    assert apart[48] < 0.7 * apart[0]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sizes") / "b.edgematte"
    options: dict[str, Any] = {"random_weights": True, "config": SMALL, "seed": 1}
    export("vitmatte-tiny", target="onnx", sizes=SIZES[:2], output=folder, **options)
    return folder


def test_a_bundle_of_several_sizes_keeps_shared_weights_once(bundle: Path, vit: ViTMatte) -> None:
    opened = open_bundle(bundle)
    assert isinstance(opened.manifest.host, vitmatte_host.TilesHost)
    assert opened.manifest.accuracy.ok and opened.manifest.host.sizes == tuple(SIZES[:2])
    stated = {d.where for d in opened.manifest.accuracy.differences}
    assert {"matte_64x64.alpha", "matte_96x64.alpha"} <= stated  # every size was checked
    assert "weights.bin" in opened.manifest.files
    shared = []
    for graph in opened.manifest.graphs:
        model = onnx.load(opened.file(graph), load_external_data=False)
        outside = [
            w for w in model.graph.initializer if onnx.external_data_helper.uses_external_data(w)
        ]
        shared.append({tuple((e.key, e.value) for e in w.external_data) for w in outside})
    assert shared[0] and shared[0] == shared[1]
    matter = load(bundle)
    for size in ((60, 40), (96, 64)):
        picture, trimap = scene(*size)
        wanted, unknown = vitmatte_whole(vit, picture, trimap, "minimal"), trimap == 128
        found = matter(picture, trimap).alpha
        assert np.abs(found - wanted)[unknown].max() < 1e-4  # the check's own limit in fp32


def test_a_shared_weight_that_was_changed_is_refused(bundle: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(bundle, tmp_path / "copy.edgematte"))
    (copy / "weights.bin").write_bytes(bytes((copy / "weights.bin").stat().st_size))
    with pytest.raises(BundleError, match="not what was exported"):
        load(copy)


@pytest.mark.parametrize(("padding", "size"), [("minimal", (96, 64)), ("authors", (128, 64))])
def test_the_size_of_the_picture_gives_the_published_frame(
    padding: str, size: tuple[int, int], vit: ViTMatte
) -> None:
    picture, trimap = scene(96, 50)
    frames = frames_for(VITMATTE_TINY, "picture", None, padding, picture, "int8")
    assert frames == Frames((size,))
    host = tiled(frames, vit)
    calls = torch_calls(sized_graphs(vitmatte.CUT, vit, host))
    alpha, _ = vitmatte_pipeline.pipeline(host, calls)(picture, trimap, Clock())
    wanted, unknown = vitmatte_whole(vit, picture, trimap, padding), trimap == 128
    np.testing.assert_allclose(alpha[unknown], wanted[unknown], atol=EXACT)


@pytest.mark.parametrize(
    ("model", "options", "part"),
    [
        ("lightweight", {"sizes": [(64, 64)]}, "sizes has no meaning for lightweight"),
        ("hdmatt-tiny", {"size": "picture"}, "size picture has no meaning for hdmatt-tiny"),
        (
            "vitmatte-tiny",
            {"size": "picture"},
            "takes the size of the picture to check with: give one",
        ),
        ("vitmatte-tiny", {"size": 64, "sizes": [(64, 64)]}, "exclude each other"),
        ("vitmatte-tiny", {"sizes": []}, "names no size"),
        ("vitmatte-tiny", {"sizes": [(64, 64), (96, 50)]}, "size 50 is not a multiple of 32"),
        ("vitmatte-tiny", {"size": 64, "padding": "authors"}, "give either, or leave it out"),
        ("vitmatte-tiny", {"padding": "minimal"}, "give either, or leave it out"),
        ("vitmatte-tiny", {"sizes": [(64, 0)]}, "sizes 0: a whole number of pixels from 1"),
        ("diffmatte-vits", {"size": 64, "context": 33}, "at most half a frame, 32 pixels"),
        ("vitmatte-tiny", {"padding": "mirror"}, "padding mirror: there are minimal, authors"),
        ("vitmatte-tiny", {"context": 32}, "context has no meaning for vitmatte-tiny to onnx"),
        ("vitmatte-tiny", {"sizes": SIZES, "precision": "int8"}, "a bundle for each size"),
        ("diffmatte-vits", {"context": -1}, "context -1: a whole number of pixels from 0 to 16384"),
        (
            "diffmatte-vits",
            {"sizes": SIZES, "graphs": "tiles", "patch": 96},
            "patch 96 is larger than the frame of 64x64",
        ),
    ],
)
def test_options_without_a_meaning_are_refused(
    model: str, options: dict[str, Any], part: str, tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match=part):
        export(model, target="onnx", random_weights=True, output=tmp_path / "b", **options)
    assert not list(tmp_path.iterdir())


def test_the_command_line_reads_sizes(capsys: pytest.CaptureFixture[str]) -> None:
    start = ["export", "--model", "vitmatte-tiny", "--target", "onnx", "--random-weights"]
    for given, part in (("512,64y", "size '64y' should be"), ("512,,64", "size '' should be")):
        assert main([*start, "--sizes", given]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert part in line


def test_one_size_among_sizes_is_a_bundle_of_that_size() -> None:
    found = frames_for(VITMATTE_TINY, None, [(64, 64), (64, 64)], "minimal", None, "int8")
    assert found == Frames(((64, 64),))
