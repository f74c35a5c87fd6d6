"""The manifest's colours are obeyed: channel order and scale, in every pipeline, or refused."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgematte import load, testcard
from edgematte.builtin import BUILTIN
from edgematte.cli import main
from edgematte.codec import encode
from edgematte.errors import BundleError
from edgematte.host import Host, StageHost
from edgematte.manifest import STAGE, Graph, Tensor
from edgematte.net import load_part
from edgematte.nets import find
from edgematte.runtime.bundle import open_bundle
from edgematte.runtime.engines.colours import NORMALISED, PLAIN, check_colours, colours_of
from edgematte.runtime.engines.graph import RunnableGraph
from edgematte.runtime.host.planes import to_input

Edit = Callable[[Path, Callable[[dict[str, Any]], object]], None]
PICTURE = testcard.testcard(90, 70)


class Seen:
    """An engine that keeps what it is given and answers nothing."""

    def __init__(self) -> None:
        self.given: dict[str, NDArray[Any]] = {}

    def run(self, inputs: Any) -> dict[str, NDArray[Any]]:
        self.given = dict(inputs)
        return {}


def fed(host: Host, name: str, value: NDArray[np.float32], top: float = 1) -> NDArray[Any]:
    """What a graph cut with ``host`` is given for an input of this name."""
    tensor = Tensor(name, value.shape, "float32", "NCHW", (0.0, top), "of the tests")
    engine = Seen()
    kept = value.copy()
    RunnableGraph(Graph("g", (tensor,), ()), engine, host)(**{name: value})
    np.testing.assert_array_equal(value, kept)  # pipelines may use it again
    return engine.given[name]


PIXEL = np.array([[[10, 20, 250]]], np.uint8)  # red, green, blue


@pytest.mark.parametrize(
    ("order", "scale", "top", "wanted"),
    [
        ("RGB", 1 / 255, 1, [10 / 255, 20 / 255, 250 / 255]),
        ("BGR", 1 / 255, 1, [250 / 255, 20 / 255, 10 / 255]),
        ("RGB", 1.0, 1, [10, 20, 250]),
        ("BGR", 1 / 127.5, 1, [250 / 127.5, 20 / 127.5, 10 / 127.5]),
        ("BGR", 1 / 255, 255, [250, 20, 10]),  # the file scales bytes itself
        ("RGB", 1.0, 255, [10, 20, 250]),  # or takes them as they are
    ],
)
def test_a_pixel_is_fed_as_the_manifest_says(
    order: str, scale: float, top: float, wanted: list[float]
) -> None:
    host = Host(size=(1, 1), channel_order=order, scale=scale)
    found = fed(host, "image", to_input(PIXEL), top)
    np.testing.assert_allclose(found.ravel(), wanted, rtol=1e-6)  # a few roundings of float32


def test_other_channels_and_other_tensors_stay() -> None:
    host = Host(size=(8, 8), channel_order="BGR", scale=1.0)
    planes = np.random.default_rng(0).random((2, 7, 8, 8), np.float32)
    region = fed(host, "region", planes[:, :4])
    np.testing.assert_allclose(region[:, :3], 255 * planes[:, 2::-1], rtol=1e-6)
    np.testing.assert_array_equal(region[:, 3], planes[:, 3])
    condition = fed(host, "condition", planes)  # the host has normalised it: no bytes any more
    np.testing.assert_array_equal(condition[:, :3], planes[:, 2::-1])
    np.testing.assert_array_equal(condition[:, 3:], planes[:, 3:])
    for name in ("trimap", "feature", "token"):
        np.testing.assert_array_equal(fed(host, name, planes[:, :3]), planes[:, :3])


@pytest.fixture
def foreign(make_tiny: Callable[..., Path], tmp_path: Path, reseal: Any) -> Callable[[str], Path]:
    """The tiny bundle with both graphs made for other colours, as ``damage`` names them."""

    def make(damage: str) -> Path:
        first = make_tiny(damage, "segment").rename(tmp_path / "foreign.edgematte")
        (make_tiny(damage, "refine") / "refine.onnx").rename(first / "refine.onnx")
        reseal(first)
        return first

    return make


COLOURS: dict[str, dict[str, Any]] = {
    "red and blue swapped": {"channel_order": "BGR"},
    "normalised twice": {"scale": 1.0},  # its weights are those for bytes
}


@pytest.mark.parametrize("damage", COLOURS)
def test_a_bundle_for_other_colours_gives_the_same_matte(
    damage: str,
    foreign: Callable[[str], Path],
    make_tiny: Callable[..., Path],
    edit_manifest: Edit,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And the check is inside its tolerance where the manifest says so, outside where it lies."""
    bundle = foreign(damage)
    assert main(["check", str(bundle)]) == 1
    edit_manifest(bundle, lambda m: m["host"].update(COLOURS[damage]))
    assert main(["check", str(bundle)]) == 0, capsys.readouterr().out
    (tmp_path / "tiny.edgematte").rename(tmp_path / "other.edgematte")
    wanted, found = load(make_tiny())(PICTURE), load(bundle)(PICTURE)
    assert (wanted.trimap == 128).any()
    # Float32 in another order: a pixel within that of a threshold may change class.
    assert (found.trimap == wanted.trimap).mean() > 0.999
    same = found.trimap == wanted.trimap
    np.testing.assert_allclose(found.alpha[same], wanted.alpha[same], atol=1e-5)


def test_the_trimap_stage_has_colours_of_its_own(default_bundle: Path) -> None:
    manifest = open_bundle(default_bundle).manifest
    stage = StageHost(size=(8, 8), unknown_threshold=0.1, band_px=3, channel_order="BGR")
    staged = replace(
        manifest,
        graphs=(*manifest.graphs, replace(manifest.graphs[0], name=STAGE)),
        trimap_stage=stage,
    )
    orders = {g.name: staged.host_of(g).channel_order for g in staged.graphs}
    assert orders == {"segment": "RGB", "refine": "RGB", STAGE: "BGR"}


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "order": ({"channel_order": "GBR"}, "unknown channel_order 'GBR'; there are: RGB, BGR"),
    "small letters": ({"channel_order": "bgr"}, "unknown channel_order 'bgr'"),
    "resize": ({"resize": "nearest"}, "unknown resize 'nearest'; there is: 'triangle filter"),
    "no scale": ({"scale": 0.0}, "scale 0: a number above 0"),
    "negative scale": ({"scale": -1 / 255}, "a number above 0"),
    "scale beyond bytes": ({"scale": 255.0}, "scale 255: a number above 0, 1 at the most"),
    "scale without a value": ({"scale": float("nan")}, "scale nan"),
}


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("command", ["info", "check", "bench", "matte"])
def test_colours_that_are_unknown_are_refused_by_every_command(
    kind: str,
    command: str,
    tiny_bundle: Path,
    edit_manifest: Edit,
    png: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    change, part = REFUSED[kind]
    edit_manifest(tiny_bundle, lambda m: m["host"].update(change))
    output = tiny_bundle.parent / "out.png"
    arguments = [str(tiny_bundle)]
    if command == "matte":
        arguments = [str(png()), "-o", str(output), "--bundle", str(tiny_bundle)]
    assert main([command, *arguments]) == 2
    out, err = capsys.readouterr()
    assert not out and len(err.splitlines()) == 1 and part in err and not output.exists()


@pytest.mark.parametrize("change", [{"channel_order": "YUV"}, {"scale": 2.0}])
def test_those_of_the_trimap_stage_too(
    change: dict[str, Any], tiny_bundle: Path, edit_manifest: Edit
) -> None:
    stage = encode(StageHost(size=(64, 48), unknown_threshold=0.1, band_px=3)) | change
    edit_manifest(tiny_bundle, lambda m: m.update(trimap_stage=stage))
    with pytest.raises(BundleError, match=next(iter(change))):
        open_bundle(tiny_bundle)


def test_a_scale_for_a_file_that_takes_bytes_is_refused() -> None:
    picture = Tensor("image", (1, 3, 4, 4), "uint8", "NCHW", (0.0, 255.0), "of the tests")
    graphs = (Graph("matte", (picture,), ()),)
    for scale in (1.0, 1 / 255):
        check_colours(Host(size=(4, 4), scale=scale), graphs)
    with pytest.raises(BundleError, match="image of the graph matte takes bytes"):
        check_colours(Host(size=(4, 4), scale=0.5), graphs)


def test_what_exports_write_changes_nothing() -> None:
    found = colours_of(Host(size=(8, 8)))
    assert (found.order, found.gain) == ("RGB", 1)


SMALL: dict[str, dict[str, int]] = {
    "lightweight": {},
    "regional-tiny": {},
    "vitmatte-tiny": {},
    "hdmatt-tiny": {},
    "diffmatte-lightweight": {"base": 8},
}


@pytest.mark.export
@pytest.mark.parametrize("name", SMALL)
def test_every_input_of_colours_is_known_as_one(name: str) -> None:
    """An input whose meaning speaks of RGB is in the tables that are gone by, and no other is."""
    torch = pytest.importorskip("torch")
    from edgematte.checkpoint import build

    variant = find(name)
    assert {net.name for net in BUILTIN} == {find(n).net.name for n in SMALL}
    cut = load_part(variant.net.cut)
    with torch.device("meta"):
        model = build(variant, SMALL[name])
    model = model.to_empty(device="cpu")
    for kind in variant.net.hosts:
        host = cut.host(kind, (256, 256), load_part(variant.net.sizes)(), model)
        for source in cut.graphs(model, host):
            for tensor in source.graph.inputs:
                known = tensor.name in PLAIN + NORMALISED
                assert known == ("RGB" in tensor.meaning), (kind, source.graph.name, tensor)
