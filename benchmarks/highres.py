"""HDMatt at 1 to 36 megapixels: time by unknown patches, peak memory, what a whole picture needs.

    python benchmarks/highres.py [--model hdmatt-tiny] [--megapixels 1 4 9 16 36] [--bundle B]
        [--patch 320] [--memory MB] [--threads N] [--whole-limit MB] [--receptive]

Made pictures, 10 % of them unknown: a wavering outline whose band grows with the picture. Each is
matted in a process of its own, by ONNX Runtime in fp32, and its peak resident memory is the
system's figure. `exponent` is the slope of log seconds over log patches with unknown pixels, by
least squares: 1 is linear. `cpu` counts processor seconds of all threads: on a machine that others
use, they and --threads 1 say more than the clock on the wall.

`whole`: the same picture through the net's encoder alone, all at once, by PyTorch, in a process
that may allocate no more than --whole-limit; what its first layer holds at the least stands beside.

--receptive: how far around a pixel the net looks, by the gradient of alpha at a patch's middle; and
how much alpha changes because a patch ends, by distance from where it ends. The overlap of patches
is chosen from these. Weights are random unless --weights names some.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

MEGAPIXELS = [1.0, 4.0, 9.0, 16.0, 36.0]
UNKNOWN_SHARE = 0.10
SMALL = 400  # side of what pictures and trimaps are enlarged from
DISTANCES = (0, 4, 8, 16, 32, 48, 64, 96, 128)


def scene(side: int) -> tuple[np.ndarray, np.ndarray]:
    """A picture (side, side, 3) and its trimap, made small and enlarged: memory is the result's."""
    from edgematte.testcard import testcard

    small = Image.fromarray(testcard(SMALL, SMALL)).resize((side, side), Image.Resampling.BICUBIC)
    y, x = np.mgrid[:SMALL, :SMALL] - (SMALL - 1) / 2
    radius = np.hypot(y, x) + 12 * np.sin(7 * np.arctan2(y, x))
    apart = np.abs(radius - 0.3 * SMALL)
    trimap = np.where(radius < 0.3 * SMALL, np.uint8(255), np.uint8(0))
    trimap[apart <= np.quantile(apart, UNKNOWN_SHARE)] = 128
    known = Image.fromarray(trimap).resize((side, side), Image.Resampling.NEAREST)
    return np.asarray(small), np.asarray(known)


def peak_mb() -> float:
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss would begin with what the parent process held
        line = next(s for s in status.read_text().splitlines() if s.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def matte_once(bundle: str, side: int, threads: int | None, memory: float | None) -> None:
    """In a process of its own: prints one JSON object."""
    from edgematte.runtime.load import load

    matter = load(bundle, threads=threads, memory_mb=memory)
    picture, trimap = scene(side)
    loaded = peak_mb()
    start, worked = time.perf_counter(), time.process_time()
    found = matter(picture, trimap)
    seconds, processor = time.perf_counter() - start, time.process_time() - worked
    assert found.alpha.shape == trimap.shape
    share = float((trimap == 128).mean())
    figures = {"seconds": seconds, "cpu": processor, "peak_mb": peak_mb(), "loaded_mb": loaded}
    print(json.dumps({**figures, "unknown": share, **found.counts}))


def encode_whole(model: str, side: int, limit_mb: float) -> None:
    """In a process of its own: prints one JSON object, or fails for lack of memory."""
    import torch

    from edgematte.checkpoint import build
    from edgematte.nets import find

    net: Any = build(find(model))
    picture, trimap = scene(side // 8 * 8)
    limit = int(limit_mb * 1e6)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    classes = np.stack([trimap == c for c in (0, 255, 128)])[None]
    start = time.perf_counter()
    with torch.inference_mode():
        image = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None] / 255
        net.encoder(image, torch.from_numpy(classes).float())
    print(json.dumps({"seconds": time.perf_counter() - start, "peak_mb": peak_mb()}))


def child(*arguments: object) -> dict[str, float] | None:
    """The JSON object that a process of this file prints, or None where it fails."""
    command = [sys.executable, __file__, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1:] or [f"exit {done.returncode}"]
        print(f"    ({arguments[0]}: {reason[0][:110]})", file=sys.stderr)
        return None
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def scale(options: argparse.Namespace, bundle: str) -> None:
    from edgematte.nets import find

    width = find(options.model).config["width"]
    print(
        f"{'MP':>4} {'side':>6} {'patches':>8} {'unknown':>8} {'seconds':>8} {'cpu':>8} "
        f"{'cpu/unknown':>12} "
        f"{'peak MB':>8} {'whole encoder: MB':>18} {'at least':>9}"
    )
    rows = []
    for megapixels in options.megapixels:
        side = round((megapixels * 1e6) ** 0.5)
        found = child("--child-matte", bundle, side, options.threads or 0, options.memory or -1)
        assert found is not None
        least = 2 * width * side**2 * 4 / 1e6  # what goes into a ReLU and what comes out of it
        whole = None
        if least < options.whole_limit:
            whole = child("--child-whole", options.model, side, options.whole_limit)
        needs = f"{whole['peak_mb']:.0f}" if whole else f"refused at {options.whole_limit:.0f}"
        rows.append((found["patches refined"], found["seconds"], found["cpu"]))
        print(
            f"{megapixels:>4g} {side:>6} {found['patches']:>8} {found['patches refined']:>8} "
            f"{found['seconds']:>8.1f} {found['cpu']:>8.1f} "
            f"{found['cpu'] / found['patches refined']:>12.3f} "
            f"{found['peak_mb']:>8.0f} {needs:>18} {least:>9.0f}",
            flush=True,
        )
    if len(rows) > 1:
        patches, seconds, processor = np.log(np.array(rows)).T
        slopes = [np.polyfit(patches, times, 1)[0] for times in (seconds, processor)]
        print(f"exponent {slopes[0]:.2f} of seconds, {slopes[1]:.2f} of processor seconds")


def receptive(options: argparse.Namespace) -> None:
    import torch

    from edgematte.checkpoint import load_model, random_model
    from edgematte.nets import find

    chosen = find(options.model)
    weights = Path(options.weights) if options.weights else None
    net: Any = load_model(chosen, weights)[0] if weights else random_model(chosen, {}, 0)[0]
    side = options.patch
    picture, _ = scene(4 * side)
    image = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None] / 255
    unknown = torch.zeros(1, 3, 4 * side, 4 * side)
    unknown[:, 2] = 1
    energy = torch.zeros(side, side)
    middle = side // 2
    for i in range(4):
        top, left = side * (i % 3), side * (i // 2)
        part = image[:, :, top : top + side, left : left + side].clone().requires_grad_()
        features, skips = net.encoder(part, unknown[:, :, :side, :side])
        mine = net.context.bank(features, unknown[:, :, : side // 8, : side // 8])
        none = net.choose(mine.query, type(mine)(*(x[:, None][:, :0] for x in mine)))
        alpha = net.decoder(net.attend(mine.key, mine.own, mine.mask, none), skips)
        alpha[0, 0, middle, middle].backward()
        assert part.grad is not None
        energy += part.grad.abs().sum(dim=1)[0]
    y, x = np.mgrid[:side, :side] - middle
    far = np.maximum(abs(y), abs(x)).ravel()
    order = np.argsort(far, kind="stable")
    shares = np.cumsum(energy.numpy().ravel()[order]) / float(energy.sum())
    radii = {share: int(far[order][np.searchsorted(shares, share)]) for share in (0.5, 0.9, 0.95)}
    print(
        "effective receptive radius, pixels: "
        + ", ".join(f"{radius} holds {share:.0%}" for share, radius in radii.items())
        + " of the gradient of alpha at a patch's middle"
    )
    changes = border_changes(net, image, unknown, side)
    print("mean change of alpha because a patch ends, by distance from its end:")
    for near, distant, change in changes:
        print(f"  {near:>3} to {distant:>3} px  {change:.4f}")


def border_changes(net, image, unknown, side: int) -> list[tuple[int, int, float]]:  # type: ignore[no-untyped-def]
    """Alpha of a patch against that of one shifted by half a side, without contexts."""
    import torch

    bounds = [*(d for d in DISTANCES if d <= side // 4), side // 2]
    sums, counts = np.zeros(len(bounds)), np.zeros(len(bounds))
    half = side // 2
    with torch.inference_mode():
        for i in range(4):
            top, left = side * (i % 3), side // 2 * (i // 2)
            first, second = (
                net(
                    image[:, :, top : top + side, start : start + side],
                    unknown[:, :, :side, :side],
                )[0, 0].numpy()
                for start in (left, left + half)
            )
            # The first patch ends where the second one has its middle.
            apart = np.abs(
                first[side // 4 : -side // 4, half:] - second[side // 4 : -side // 4, :half]
            )
            distance = np.arange(half)[::-1]
            for n, (near, distant) in enumerate(zip(bounds, bounds[1:], strict=False)):
                inside = (distance >= near) & (distance < min(distant, half // 2))
                sums[n] += apart[:, inside].sum()
                counts[n] += apart[:, inside].size
    pairs = zip(bounds, bounds[1:], sums / np.maximum(counts, 1), strict=False)
    return [(near, distant, float(change)) for near, distant, change in pairs]


def main(options: argparse.Namespace) -> None:
    if options.receptive:
        receptive(options)
    with tempfile.TemporaryDirectory() as folder:
        bundle = options.bundle
        if bundle is None:
            from edgematte.export import export

            made = export(
                options.model,
                target="onnx",
                patch=options.patch,
                weights=options.weights,
                random_weights=options.weights is None,
                output=Path(folder) / "b.edgematte",
            )
            bundle = str(made.path)
        scale(options, bundle)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child-matte"]:
        given_threads, given_memory = int(sys.argv[4]), float(sys.argv[5])
        matte_once(
            sys.argv[2],
            int(sys.argv[3]),
            given_threads or None,
            given_memory if given_memory >= 0 else None,
        )
    elif sys.argv[1:2] == ["--child-whole"]:
        encode_whole(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
    else:
        parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
        parser.add_argument("--model", default="hdmatt")
        parser.add_argument("--megapixels", type=float, nargs="+", default=MEGAPIXELS)
        parser.add_argument("--bundle", help="default: exported here with random weights")
        parser.add_argument("--weights")
        parser.add_argument("--patch", type=int, default=320)
        parser.add_argument("--memory", type=float, metavar="MB")
        parser.add_argument("--threads", type=int)
        parser.add_argument("--whole-limit", type=float, default=6000, metavar="MB")
        parser.add_argument("--receptive", action="store_true")
        main(parser.parse_args())
