"""Commands that write something, small ones; and whether what is there after one is whole."""

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from edgematte.errors import EdgematteError
from edgematte.manifest import FILE, SIGNATURE
from edgematte.nets import plug_in
from edgematte.runtime.bundle import DEFAULT, open_bundle
from edgematte.scratch import PREFIX
from edgematte.testcard import testcard, testcard_trimap
from hardship import seeds
from hardship.forge import SAMPLE

RUNTIME = ("onnxruntime", "PIL.PngImagePlugin", "edgematte.runtime.load", "edgematte.cli.matte")
CLIPS = (*RUNTIME, "av", "edgematte.video")
PLUGIN = "portrait_unet.net"
EXPORTS = (
    *("torch", "onnx", "onnxscript", "onnxsim", "onnxruntime", "edgematte.export.exporter"),
    *("portrait_unet.network", "portrait_unet.cut"),
)
TRAINING = ("torch", "safetensors.torch", "edgematte.training.recipes", "edgematte.checkpoint")
HELD = "run/.edgematte-run"  # of a training run without a state: its folder may be gone on with
PICTURES = 6
FRAMES = 6


@dataclass(frozen=True)
class Work:
    """One command.

    Args:
        argv: of the command line, from the folders of inputs and of results.
        modules: what it needs, imported before it is run.
        again: whether it may be run again where its results are.
        written: the end of the names of the files that it writes; others were there before.
    """

    argv: Callable[[Path, Path], list[str]]
    modules: tuple[str, ...] = RUNTIME
    again: bool = True
    written: str = ""


def _matte(name: str, *more: str, of: str = "a.png") -> Callable[[Path, Path], list[str]]:
    return lambda given, out: ["matte", str(given / of), "-o", str(out / name), *more]


def _export(target: str) -> Callable[[Path, Path], list[str]]:
    small = ["--random-weights", "--size", "64", "--edge-px", "4", "--force"]
    return lambda _, out: [
        *("export", "--plugin", PLUGIN, "--model", "portrait-unet-tiny", "--target", target),
        *small,
        *("--output", str(out / f"{target}.edgematte")),
    ]


def _train(_: Path, out: Path) -> list[str]:
    small = ["--size", "64", "--batch", "2", "--workers", "0", "--device", "cpu"]
    return [
        *("train", "--model", "lightweight", "--procedural", "--output", str(out / "run")),
        *(*small, "--steps", "4", "--save-every", "0", "--log-every", "1", "--samples-every", "2"),
    ]


def _sign(given: Path, out: Path) -> list[str]:
    from edgematte.trust.signature import make_key

    if not (given / "team.pem").is_file():
        make_key(given / "team.pem")
    bundle = out / "b.edgematte"
    if not bundle.is_dir():
        shutil.copytree(DEFAULT, bundle)
    return ["sign", str(bundle), "--key", str(given / "team.pem")]


ALL_KINDS = ("--write", "cutout", "alpha", "trimap", "--alpha-bits", "16")
WORKS: dict[str, Work] = {
    "picture": Work(_matte("a.png", *ALL_KINDS)),
    "webp": Work(_matte("a.webp")),
    "tiff": Work(_matte("a.tiff", *ALL_KINDS)),
    "jpeg": Work(_matte("a.jpg", "--background", "white")),
    "folder": Work(_matte("all", "--write", "cutout", "alpha", of="in")),
    "clip": Work(_matte("a.mov", of="a.mp4"), CLIPS),
    "clip webm": Work(_matte("a.webm", of="a.mp4"), CLIPS),
    "clip mp4": Work(_matte("a.mp4", "--background", "white", of="a.mp4"), CLIPS),
    "clip folder": Work(_matte("frames", of="a.mp4"), CLIPS, again=False),
    "trimap": Work(lambda given, out: ["trimap", str(given / "m.png"), "-o", str(out / "t.png")]),
    "goldens": Work(lambda _, out: ["goldens", "--to", str(out / "raw")], again=False),
    "key": Work(lambda _, out: ["sign", "--new-key", str(out / "team.pem")], again=False),
    "sign": Work(_sign, written=SIGNATURE),
    "sbom": Work(lambda _, out: ["sbom", "-o", str(out / "bill.json")]),
    "report": Work(lambda _, out: ["report", "-o", str(out / "report.html")]),
    "import": Work(
        lambda given, out: [
            *("import", str(given / "net.onnx"), "-o", str(out / "i.edgematte"), "--force"),
            *("--kind", "matte", "--scale", "1/255"),
        ],
        ("onnx", "onnxsim", "onnxruntime", "edgematte.export.foreign.importer"),
    ),
    "export": Work(_export("onnx"), EXPORTS),
    "export openvino": Work(_export("openvino"), (*EXPORTS, "openvino")),
    "export coreml": Work(_export("coreml"), (*EXPORTS, "coremltools")),
    "training": Work(_train, TRAINING, again=False),
}


def prepare(folder: Path) -> None:
    """The inputs of all works, and the plug-in whose bundles are read."""
    sys.path.append(str(SAMPLE))
    plug_in([PLUGIN])
    (folder / "in").mkdir(parents=True)
    for number in range(PICTURES):
        picture = Image.fromarray(testcard(60 + 10 * number, 48))
        picture.save(folder / "in" / f"{number}.png")
    Image.fromarray(testcard(60, 48)).save(folder / "a.png")
    Image.fromarray(testcard_trimap(60, 48)).save(folder / "m.png")
    (folder / "a.mp4").write_bytes(seeds.clips(folder)[0])
    seeds.net(folder)


def visible(out: Path) -> set[str]:
    """All files of a folder but those in hidden scratch, and the folders that are results."""
    return {p for p in _all(out) if not any(part.startswith(PREFIX) for part in Path(p).parts)}


def scratch(out: Path) -> set[str]:
    """Hidden files and folders that a killed run may leave to the next one."""
    return _all(out) - visible(out)


def _all(out: Path) -> set[str]:
    return {p.relative_to(out).as_posix() for p in out.rglob("*")}


def half_written(out: Path) -> list[str]:
    """A sentence for each result that is there and not whole."""
    return list(_problems(out))


def _problems(out: Path) -> Iterator[str]:
    inside: list[str] = []
    for name in sorted(visible(out)):
        place = out / name
        if name.endswith(".edgematte") and place.is_dir():
            inside.append(f"{name}/")
            try:
                listed = open_bundle(place).manifest.files
            except EdgematteError as error:
                yield str(error)
                continue
            held = {f.relative_to(place).as_posix() for f in place.rglob("*") if f.is_file()}
            if more := held - {*listed, FILE, SIGNATURE}:
                yield f"{name} holds {sorted(more)[0]}, which its manifest does not list"
        elif place.is_file() and not any(name.startswith(bundle) for bundle in inside):
            try:
                _read(place)
            except Exception as error:  # of whatever library reads such files
                yield f"{name}: {type(error).__name__} {error}"


def _read(file: Path) -> None:
    """Read a file to its end; raises an error if it is not whole."""
    data = file.read_bytes()
    if not data:
        raise ValueError("empty")
    if file.suffix in (".png", ".webp", ".tiff", ".jpg"):
        Image.open(file).load()
    elif file.suffix in (".mov", ".webm", ".mp4"):
        import av

        with av.open(str(file)) as clip:
            frames = sum(1 for _ in clip.decode(video=0))
        if frames != FRAMES:
            raise ValueError(f"{frames} of {FRAMES} frames")
    elif file.suffix == ".json":
        json.loads(data)
    elif file.suffix in (".csv", ".html", ".pem", ".pub") and not data.endswith(b"\n"):
        raise ValueError("breaks off")
    elif file.suffix == ".safetensors":
        from safetensors.numpy import load

        load(data)
    elif file.suffix == ".pt":
        import torch

        torch.load(file, weights_only=True)
