"""The whole files that mutants are made from, by kind: small, and of as many forms as there are."""

import io
import json
import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin

from edgematte.manifest import FILE
from edgematte.runtime.bundle import DEFAULT, sha256_file
from edgematte.testcard import testcard, testcard_trimap

SIZE = (41, 30)
NET_SIDE = 32
Seeds = list[bytes]


def _saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def _images() -> dict[str, Image.Image]:
    """One picture in the modes that files have."""
    colour = Image.fromarray(testcard(*SIZE))
    trimap = Image.fromarray(testcard_trimap(*SIZE))
    clear = colour.copy()
    clear.putalpha(trimap)
    deep = Image.fromarray(np.asarray(trimap).astype(np.uint16) * 257)
    return {"RGB": colour, "L": trimap, "RGBA": clear, "I;16": deep}


def _metadata() -> dict[str, Any]:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x8298] = 6, "a maker", "someone"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return {"exif": exif.tobytes(), "icc_profile": profile}


def png() -> Seeds:
    """Grey, colour, alpha, 16 bits, palettes, texts, EXIF and profiles."""
    images, more = _images(), _metadata()
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Title", "a text")
    texts.add_itxt("Comment", "ein Text", zip=True)
    palette = images["RGB"].quantize(16)
    return [
        *(_saved(image, "PNG") for image in images.values()),
        _saved(images["RGBA"], "PNG", pnginfo=texts, **more),
        _saved(palette, "PNG", transparency=3),
        _saved(images["L"].convert("1"), "PNG"),
    ]


def jpeg() -> Seeds:
    """Baseline and progressive; grey, colour and CMYK; EXIF and profiles."""
    images, more = _images(), _metadata()
    return [
        _saved(images["RGB"], "JPEG", comment=b"a comment", **more),
        _saved(images["RGB"], "JPEG", progressive=True, subsampling=0),
        _saved(images["RGB"].convert("CMYK"), "JPEG"),
        _saved(images["L"], "JPEG", restart_marker_rows=1),
    ]


def webp() -> Seeds:
    """Lossy and lossless, with transparency, moving."""
    images, more = _images(), _metadata()
    moving = {"save_all": True, "append_images": [images["RGBA"].rotate(9)]}
    return [
        _saved(images["RGB"], "WEBP", **more),
        _saved(images["RGBA"], "WEBP", lossless=True),
        _saved(images["RGBA"], "WEBP", quality=40),
        _saved(images["RGBA"], "WEBP", **moving),
    ]


def tiff() -> Seeds:
    """Compressions, 16 bits, floats, palettes, several pages."""
    images = _images()
    floats = Image.fromarray(np.asarray(images["L"]).astype(np.float32))
    kinds = ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")
    pages = {"save_all": True, "append_images": [images["RGB"]]}
    return [
        *(_saved(images["RGB"], "TIFF", compression=kind) for kind in kinds),
        *(_saved(images[mode], "TIFF") for mode in ("L", "RGBA", "I;16")),
        _saved(floats, "TIFF"),
        _saved(images["RGB"].quantize(16), "TIFF", **pages),
        _saved(images["L"].convert("1"), "TIFF", compression="group4"),
    ]


def gif() -> Seeds:
    """Still, transparent, moving."""
    images = _images()
    moving = {"save_all": True, "append_images": [images["RGB"].rotate(9)], "duration": 40}
    return [
        _saved(images["RGB"], "GIF"),
        _saved(images["RGBA"], "GIF"),
        _saved(images["RGB"], "GIF", **moving),
    ]


def bmp() -> Seeds:
    """24 and 32 bits, palettes."""
    images = _images()
    made = (images["RGB"], images["RGBA"], images["L"], images["RGB"].quantize(16))
    return [*(_saved(image, "BMP") for image in made), _saved(images["L"].convert("1"), "BMP")]


def masks() -> Seeds:
    """Files with one channel, as segmenters and editors write them."""
    images = _images()
    labels = images["L"].quantize(3)
    return [
        *(_saved(images["L"], kind) for kind in ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF")),
        _saved(images["I;16"], "PNG"),
        _saved(images["RGBA"], "PNG"),
        _saved(labels, "PNG"),
    ]


def clips(folder: Path) -> Seeds:
    """Six frames in the containers and codecs that people have, two of them with sound."""
    import av

    made: Seeds = []
    kinds = (
        ("a.mp4", "libx264", "yuv420p", "aac"),
        ("b.mkv", "ffv1", "yuv420p", None),
        ("c.webm", "libvpx-vp9", "yuva420p", None),
        ("d.mov", "prores_ks", "yuva444p10le", "pcm_s16le"),
        ("e.avi", "mjpeg", "yuvj420p", None),
        ("f.ts", "mpeg2video", "yuv420p", None),
    )
    wide = testcard(48 + 6, 32)
    for name, codec, pixels, sound in kinds:
        place = folder / name
        with av.open(str(place), "w") as file:
            stream: Any = file.add_stream(codec, rate=25)
            stream.width, stream.height, stream.pix_fmt = 48, 32, pixels
            tone: Any = file.add_stream(sound, rate=8000, layout="mono") if sound else None
            for number in range(6):
                picture = np.ascontiguousarray(wide[:, number : number + 48])
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, 25)
                file.mux(stream.encode(frame))
            file.mux(stream.encode(None))
            if tone is not None:
                kind = "fltp" if sound == "aac" else "s16"
                wave = np.zeros((1, 1920), np.float32 if kind == "fltp" else np.int16)
                heard = av.AudioFrame.from_ndarray(wave, format=kind, layout="mono")
                heard.sample_rate, heard.pts = 8000, 0
                file.mux(tone.encode(heard))
                file.mux(tone.encode(None))
        made.append(place.read_bytes())
    return made


def net(folder: Path) -> Path:
    """A net of two convolutions as an ONNX file, such as people import."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    shape = [1, 3, NET_SIDE, NET_SIDE]
    chance = np.random.default_rng(1)
    held = {
        "w": chance.normal(0, 0.3, (4, 3, 3, 3)).astype(np.float32),
        "b": np.zeros(4, np.float32),
        "v": chance.normal(0, 1, (1, 4, 1, 1)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["wide"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["wide"], ["some"]),
        helper.make_node("Conv", ["some", "v"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["answer"]),
    ]
    values = [numpy_helper.from_array(value, name) for name, value in held.items()]
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    answer = helper.make_tensor_value_info("answer", TensorProto.FLOAT, [1, 1, *shape[2:]])
    graph = helper.make_graph(nodes, "net", [given], [answer], values)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    file = folder / "net.onnx"
    onnx.save(model, file)
    return file


def imported(folder: Path, target: str) -> Path:
    """The bundle of :func:`net`."""
    from edgematte.export.foreign.importer import import_onnx

    place = folder / f"{target}.edgematte"
    if not place.is_dir():
        import_onnx(net(folder), output=place, kind="matte", target=target, scale=1 / 255)
    return place


def exported(folder: Path, target: str) -> Path:
    """The lightweight net with random weights, as small as it goes."""
    from edgematte.export import export

    place = folder / f"{target}.edgematte"
    if not place.is_dir():
        options: dict[str, Any] = {"random_weights": True, "seed": 1, "size": (64, 64)}
        export("lightweight", target=target, output=place, cut="fused", **options)
    return place


def checkpoints(folder: Path) -> dict[str, Seeds]:
    """The lightweight net's weights, as safetensors and as torch saves them, and their JSON."""
    import torch
    from safetensors.torch import load_file, save

    shipped = DEFAULT.parent / "weights" / "lightweight.safetensors"
    state = load_file(shipped)
    card = {"license": "MIT", "authors": json.dumps(["A"]), "data": json.dumps([{"name": "D"}])}
    wrapped = {"epoch": 3, "state_dict": {f"module.{k}": v for k, v in state.items()}}
    pickles = []
    for value, modern in ((state, True), (wrapped, True), (state, False)):
        stream = io.BytesIO()
        torch.save(value, stream, _use_new_zipfile_serialization=modern)
        pickles.append(stream.getvalue())
    return {
        "safetensors": [shipped.read_bytes(), save(state, card)],
        "pth": pickles,
        "configs": [b'{"model": "lightweight", "k": 16, "cfm": 1, "ena": 1}'],
        "cards": [b'{"license": "MIT", "authors": ["A"], "data": [{"name": "D", "what": "x"}]}'],
    }


def reseal(bundle: Path) -> None:
    """Make a manifest's list of files fit what lies in its folder."""
    manifest = json.loads((bundle / FILE).read_text(encoding="utf-8"))
    manifest["files"] = {name: sha256_file(bundle / name) for name in manifest["files"]}
    (bundle / FILE).write_text(json.dumps(manifest), encoding="utf-8")


def copied(bundle: Path, place: Path, changed: str) -> Path:
    """A copy of a bundle of links, but for one file, which may be changed."""
    shutil.rmtree(place, ignore_errors=True)

    def link(source: str, target: str) -> str:
        own = Path(source).relative_to(bundle).as_posix() in (changed, FILE)
        if own:
            shutil.copyfile(source, target)
        else:
            Path(target).symlink_to(Path(source).resolve())
        return target

    shutil.copytree(bundle, place, copy_function=link)
    return place
