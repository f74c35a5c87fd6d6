"""What DiffMatte's steps and tiles cost, and what they are worth.

    python benchmarks/diffusion.py [--weights model.safetensors] [--model diffmatte-lightweight]
        [--size 512] [--patches 64 96 128] [--margins 8 16] [--ranges]

On made pictures whose trimaps are unknown in a tenth of their pixels, by PyTorch's graphs: the
sampler of 10 whole-picture steps (the reference), then fewer steps, early stops, only tiles with
unknown pixels, and both. Multiply-adds are those of the graphs that were called; the difference is
the mean of |alpha - alpha of the reference| over the unknown pixels, the error the same against the
true alpha. Without ``--weights`` they are random: multiply-adds then mean something, the rest
little.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from edgematte.arrays import Bytes, Floats
from edgematte.checkpoint import load_model, random_model
from edgematte.export.capture import capture
from edgematte.export.cuts.diffmatte import CUT
from edgematte.export.torch_graph import torch_calls
from edgematte.models.diffmatte.network import DiffMatte
from edgematte.nets import find
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.host.trimap import FOREGROUND, UNKNOWN, dilate
from edgematte.runtime.nets.diffmatte.host import DiffusionHost, Sizes, TilesHost
from edgematte.runtime.nets.diffmatte.pipeline import pipeline
from edgematte.training.pictures.scenes import composite_scene
from edgematte.training.pictures.sources import Library

SHARE = 0.1  # of the pixels that are unknown
STEPS = (1, 2, 3, 4, 5, 7, 10, 20)
STOPS = (0.002, 0.005)


def scene(seed: int, side_px: int) -> tuple[Bytes, Floats, Bytes]:
    """Picture (H, W, 3), true alpha (H, W), trimap (H, W) with a tenth of its pixels unknown."""
    library = Library()
    for number in range(1000):
        rng = np.random.default_rng((seed, number))
        made = composite_scene(rng, library, side_px)
        alpha: Floats = np.asarray(made.alpha, np.float32) / np.float32(255)
        soft = (alpha > 0.02) & (alpha < 0.98)
        if not 0.005 < soft.mean() < 0.8 * SHARE or not 0.1 < alpha.mean() < 0.7:
            continue
        radius = 0
        while (grown := dilate(soft, radius)).mean() < SHARE:
            radius += 1
        trimap: Bytes = np.where(alpha > 0.5, np.uint8(FOREGROUND), np.uint8(0))
        trimap[grown] = UNKNOWN
        return np.asarray(made.image, np.uint8), alpha, trimap
    raise AssertionError("no such scene")


class Costs:
    """Runs one host on some scenes; counts calls of the graphs."""

    def __init__(self, model: DiffMatte, scenes: list[tuple[Bytes, Floats, Bytes]]) -> None:
        self.model, self.scenes = model, scenes
        self.macs: dict[tuple[str, int | None], int] = {}

    def run(self, host: DiffusionHost) -> tuple[list[Floats], float]:
        """Alphas of the scenes, and the mean of 1e9 multiply-adds of a scene."""
        sources = CUT.graphs(self.model, host)
        for source in sources:
            key = (source.graph.name, side_of(host))
            if key not in self.macs:
                self.macs[key] = capture(source).graph.macs
        calls = torch_calls(sources)
        made = pipeline(host, calls)
        alphas, total = [], 0
        for picture, _, trimap in self.scenes:
            for call in calls.values():
                call.calls, call.remember = [], True
            alphas.append(made(picture, trimap, Clock())[0])
            total += sum(len(c.calls) * self.macs[n, side_of(host)] for n, c in calls.items())
        return alphas, total / len(self.scenes) / 1e9


def side_of(host: DiffusionHost) -> int:
    """Of its tiles; 0 where every step denoises the whole."""
    return host.patch if isinstance(host, TilesHost) else 0


def ranges(model: DiffMatte, host: DiffusionHost, picture: Bytes, trimap: Bytes) -> list[str]:
    """Markdown lines: what the decoder's blocks give at the first, a middle and the last step."""
    seen: dict[str, list[tuple[float, float]]] = {}

    def note(name: str) -> Callable[[nn.Module, object, Tensor], None]:
        def hook(module: nn.Module, given: object, out: Tensor) -> None:
            seen.setdefault(name, []).append((float(out.min()), float(out.max())))

        return hook

    blocks = {"time": model.decoder.time, "middle": model.decoder.middle}
    blocks |= {f"down {i}": block for i, block in enumerate(model.decoder.downs)}
    blocks |= {f"up {i}": block for i, block in enumerate(model.decoder.ups)}
    blocks |= {"logit": model.decoder.head}
    hooks = [block.register_forward_hook(note(name)) for name, block in blocks.items()]
    calls = torch_calls(CUT.graphs(model, host))
    calls["denoise"].remember = True
    pipeline(host, calls)(picture, trimap, Clock())
    noisy = [call["condition"][0, 6] for call in calls["denoise"].calls]
    seen["noisy matte"] = [(float(x.min()), float(x.max())) for x in noisy]
    for hook in hooks:
        hook.remove()
    lines = ["| tensor | first step | middle | last | last / widest |", "|---|---|---|---|---|"]
    for name, found in seen.items():
        chosen = (found[0], found[len(found) // 2], found[-1])
        widest = max(high - low for low, high in found)
        share = (found[-1][1] - found[-1][0]) / max(widest, 1e-12)
        cells = [f"{low:.2f} .. {high:.2f}" for low, high in chosen]
        lines.append(f"| {name} | {' | '.join(cells)} | {share:.2f} |")
    return lines


def main(arguments: argparse.Namespace) -> None:
    torch.set_num_threads(arguments.threads)
    chosen = find(arguments.model)
    if arguments.weights:
        model, _ = load_model(chosen, Path(arguments.weights))
    else:
        model, _ = random_model(chosen, {}, 0)
    assert isinstance(model, DiffMatte)
    size = (arguments.size, arguments.size)
    whole = CUT.host("whole", size, Sizes(context=0), model)
    scenes = [scene(seed, arguments.size) for seed in range(arguments.scenes)]
    if arguments.ranges:
        print("\n".join(ranges(model, whole, *scenes[0][::2])))
        return
    costs = Costs(model, scenes)
    reference, most = costs.run(whole)
    true = [alpha for _, alpha, _ in scenes]
    unknown = [trimap == UNKNOWN for _, _, trimap in scenes]

    def apart(found: list[Floats], expected: list[Floats]) -> float:
        pairs = zip(found, expected, unknown, strict=True)
        return float(np.mean([np.abs(a - b)[where].mean() for a, b, where in pairs]))

    share = np.mean([where.mean() for where in unknown])
    print(f"{arguments.model}, {size[0]}x{size[1]}, {100 * share:.1f} % unknown, means of")
    print(f"{len(scenes)} scenes; 10 whole steps: {most:.1f} G multiply-adds\n")
    head = ("steps", "stop below", "tile", "GMAC", "ratio", "difference", "error")
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    tiled = []
    for patch in arguments.patches:
        for margin in arguments.margins:
            if 2 * margin + model.stride <= patch:
                sizes = Sizes(patch=patch, overlap=margin, context=0)
                tiled.append(CUT.host("tiles", size, sizes, model))
    rows: list[DiffusionHost] = [replace(whole, steps=steps) for steps in STEPS]
    rows += [replace(whole, stop_below=stop) for stop in STOPS]
    rows += tiled + [replace(t, steps=s) for t in tiled for s in (3, 4, 5)]
    rows += [replace(t, stop_below=stop) for t in tiled for stop in STOPS]
    for host in rows:
        found, macs = costs.run(host)
        tile = f"{host.patch}, margin {host.overlap}" if isinstance(host, TilesHost) else "whole"
        print(
            f"| {host.steps} | {host.stop_below or '-'} | {tile} | {macs:.1f} | {most / macs:.1f}x "
            f"| {apart(found, reference):.4f} | {apart(found, true):.4f} |",
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="diffmatte-lightweight")
    parser.add_argument("--weights", help="default: random ones")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--patches", type=int, nargs="+", default=[96, 128])
    parser.add_argument("--margins", type=int, nargs="+", default=[8, 16])
    parser.add_argument("--scenes", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--ranges", action="store_true", help="of activations, by step")
    main(parser.parse_args())
