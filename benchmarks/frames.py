"""What a frame other than the authors' costs ViTMatte and DiffMatte, on photographs.

    python benchmarks/frames.py [--models vitmatte-s diffmatte-lightweight] [--weights FILE]
        [--photos samples/astronaut.jpg ...] [--crop 500x375] [--steps 10]

The authors run the whole picture, padded to multiples of 32: the reference here. Against it stand
the frames that a bundle may have: the authors' padding where one side is a multiple, a larger graph
that holds the picture, overlapping tiles or frames, and (DiffMatte) a reduced picture. Differences
are over the unknown pixels of the trimap that the embedded default bundle estimates; processor
seconds are PyTorch's on one thread, means of the photographs. Without ``--weights`` they are
random: the differences then say how far two computations are apart, not how much worse a matte is.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from edgematte.arrays import Bytes, Floats
from edgematte.checkpoint import load_model, random_model
from edgematte.cli.arguments import parse_size
from edgematte.export.cuts import diffmatte, vitmatte
from edgematte.export.torch_graph import torch_calls
from edgematte.host import Size, SizedHost, padded
from edgematte.models.vitmatte.network import ViTMatte
from edgematte.nets import find
from edgematte.pictures import read_picture
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.host.trimap import UNKNOWN
from edgematte.runtime.load import load
from edgematte.runtime.nets.diffmatte import host as diffmatte_host
from edgematte.runtime.nets.diffmatte import pipeline as diffmatte_pipeline
from edgematte.runtime.nets.vitmatte import host as vitmatte_host
from edgematte.runtime.nets.vitmatte import pipeline as vitmatte_pipeline
from edgematte.runtime.pipeline import Pipeline

ASTRONAUT = Path(__file__).resolve().parent.parent / "samples" / "astronaut.jpg"


def hosts(
    model: nn.Module, size: Size, multiple: int, steps: int
) -> Iterator[tuple[str, SizedHost]]:
    """Ways to run a picture of ``size``, the reference first."""
    fitting = padded(size, multiple)
    half = max(multiple, min(fitting) // 2 // multiple * multiple)

    def made(frame: Size, shared: int) -> SizedHost:
        if isinstance(model, ViTMatte):
            sizes = vitmatte_host.Sizes(overlap=max(shared, 1))
            return vitmatte.CUT.host("tiles", frame, sizes, model)
        frames = diffmatte_host.Sizes(context=shared)
        return replace(diffmatte.CUT.host("whole", frame, frames, model), steps=steps)

    yield "whole, minimal padding", made(fitting, 1)
    if (other := padded(size, multiple, authors=True)) != fitting:
        yield f"whole, the authors' padding, {shown(other)}", made(other, 1)
    for more in (2 * multiple, 8 * multiple):
        larger = fitting[0] + more, fitting[1] + more
        yield f"a larger graph, {shown(larger)}", made(larger, 1)
    for shared in (half // 8, half // 4, half // 2):
        yield f"{half}x{half}, sharing {shared}", made((half, half), shared)
    three = max(multiple, min(fitting) * 3 // 4 // multiple * multiple)
    for shared in (three // 4, three // 2):
        yield f"{three}x{three}, sharing {shared}", made((three, three), shared)
    if not isinstance(model, ViTMatte):
        yield f"reduced to {three}x{three}", made((three, three), 0)


def shown(size: Size) -> str:
    return f"{size[0]}x{size[1]}"


def run(model: nn.Module, host: SizedHost, picture: Bytes, trimap: Bytes) -> tuple[Floats, float]:
    """Alpha, and processor seconds."""
    matte: Pipeline
    if isinstance(host, vitmatte_host.TilesHost):
        matte = vitmatte_pipeline.pipeline(host, torch_calls(vitmatte.CUT.graphs(model, host)))
    else:
        assert isinstance(host, diffmatte_host.DiffusionHost)
        matte = diffmatte_pipeline.pipeline(host, torch_calls(diffmatte.CUT.graphs(model, host)))
    start = time.process_time()
    alpha, _ = matte(picture, trimap, Clock())
    return alpha, time.process_time() - start


def cropped(picture: Bytes, size: Size | None) -> Bytes:
    """The middle of it."""
    if size is None:
        return picture
    height, width = picture.shape[:2]
    left, top = max(0, width - size[0]) // 2, max(0, height - size[1]) // 2
    return np.ascontiguousarray(picture[top : top + size[1], left : left + size[0]])


def main(arguments: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    crop = parse_size(arguments.crop) if arguments.crop else None
    pictures = [cropped(read_picture(file), crop) for file in arguments.photos]
    default = load()
    trimaps = [default(picture).trimap for picture in pictures]
    for name in arguments.models:
        chosen = find(name)
        if arguments.weights:
            model, _ = load_model(chosen, arguments.weights)
        else:
            model, _ = random_model(chosen, {}, 0)
        sizes = sorted({shown((p.shape[1], p.shape[0])) for p in pictures})
        print(f"\n{name}, {len(pictures)} photographs of {', '.join(sizes)}\n")
        print("| frame | max | MAD | s |\n|---|---|---|---|")
        rows: dict[str, list[tuple[float, float, float]]] = {}
        for picture, trimap in zip(pictures, trimaps, strict=True):
            size = picture.shape[1], picture.shape[0]
            unknown, whole = trimap == UNKNOWN, None
            for label, host in hosts(model, size, chosen.multiple, arguments.steps):
                alpha, seconds = run(model, host, picture, trimap)
                whole = alpha if whole is None else whole
                apart = np.abs(alpha - whole)[unknown]
                rows.setdefault(label, []).append((apart.max(), apart.mean(), seconds))
        for label, found in rows.items():
            worst = max(row[0] for row in found)
            mean, seconds = (float(np.mean([row[i] for row in found])) for i in (1, 2))
            print(f"| {label} | {worst:.3f} | {mean:.4f} | {seconds:.2f} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["vitmatte-s", "diffmatte-lightweight"])
    parser.add_argument("--weights", type=Path, help="default: random ones")
    parser.add_argument("--photos", type=Path, nargs="+", default=[ASTRONAUT])
    parser.add_argument("--crop", metavar="WxH", help="the middle of each photograph")
    parser.add_argument("--steps", type=int, default=10, help="diffmatte's")
    main(parser.parse_args())
