"""Trimaps that are carried on from frame to frame: what they cover, and what drifts.

    python benchmarks/carried.py [--frames 50] [--net closed-form]

Scenes are made: a subject with hair, whose alpha is known, moves before a background, 192x144.
Printed for each scene, means over the frames:

* by the true alpha of the frame before, for each way of carrying it on (`still`: where it was;
  `shift`: moved as most of the subject; `blocks`: block by block; `both`, as edgematte does) and
  each width of the band, in shares of the longer side: the share of soft pixels (alpha within 0.05
  and 0.95) that is unknown, the share of the picture that is known and wrong (off by more than
  half), and the share that is unknown;
* how unlike each frame is from the one before, which tells a cut: the largest, and the least of
  frames of different scenes;
* with `--net`, from one trimap of the first frame: the mean error of alpha within 8 pixels of soft
  ones, levels of 255, in the first and in the last ten frames, beside the same with a trimap of
  every frame's true alpha, and what is unknown in the last frame. The net is pymatting's
  closed-form estimate (group `evaluation`), `default`, the bundle that ships, or a bundle's path.
"""

import argparse
from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

import edgematte
from edgematte.arrays import Bytes, Floats
from edgematte.runtime.host.carried_trimap import (
    BAND_SHARE,
    CarriedTrimap,
    Motion,
    find_motion,
    moved_along,
    reduced,
    subject_move,
)
from edgematte.runtime.host.mask import band_around
from edgematte.runtime.host.trimap import BACKGROUND, FOREGROUND, UNKNOWN, dilate
from edgematte.training.pictures.procedural import attach_strands, blob, texture

WIDTH, HEIGHT, SUBJECT = 192, 144, 75
BANDS = (0.01, 0.02, 0.035)
Shot = list[tuple[Bytes, Floats]]
Net = Callable[[Bytes, Bytes], Floats]


def shot(
    frames: int,
    seed: int,
    *,
    step: float = 0.0,
    pan: float = 0.0,
    turn: float = 0.0,
    grow: float = 0.0,
    bend: float = 0.0,
    wave: float = 0.0,
    noise: float = 2.0,
) -> Shot:
    """A subject before a background.

    `step`, `pan`: shares of the width that subject and background move in a frame, to and fro.
    `turn`: degrees a frame. `grow`: of its size, a frame, for half of the frames, then back.
    `bend`: pixels that its rows swing to the sides. `wave`: degrees a frame that an arm turns;
    its hand moves by 0.0035 of the width for each. `noise`: levels, of a camera.
    """
    rng = np.random.default_rng(seed)
    subject = attach_strands(rng, blob(rng, SUBJECT))
    wall = np.asarray(texture(rng, (2 * WIDTH, HEIGHT)), np.float32)
    wall += rng.normal(0, 12, (HEIGHT // 4, 2 * WIDTH // 4, 1)).repeat(4, 0).repeat(4, 1)
    found: Shot = []
    at, behind, way = 0.35 * WIDTH, 0.0, 1.0
    for number in range(frames):
        if not 0.25 * WIDTH < at + way * step * WIDTH < 0.75 * WIDTH:
            way = -way
        at += way * step * WIDTH
        behind = WIDTH / 2 * (1 + np.sin(2 * pan * number))  # the fastest: pan of the width
        scale = 1 + grow * min(number, frames - number)
        turned = subject.rotate(turn * number, Image.Resampling.BICUBIC, expand=True)
        side = round(turned.width * scale), round(turned.height * scale)
        rgba = np.asarray(turned.resize(side, Image.Resampling.BILINEAR), np.float32)
        if bend:
            swing = bend * np.sin(np.arange(len(rgba)) / 25 + number / 4)
            rgba = np.stack([np.roll(r, round(s), 0) for r, s in zip(rgba, swing, strict=True)])
        if wave:
            rgba = waved(rgba, wave * (number % 24 if number % 24 < 12 else 24 - number % 24))
        canvas = np.zeros((HEIGHT + 400, WIDTH + 400, 4), np.float32)
        top, left = 200 + (HEIGHT - side[1]) // 2, 200 + round(at) - side[0] // 2
        canvas[top : top + side[1], left : left + side[0]] = rgba
        front = canvas[200 : 200 + HEIGHT, 200 : 200 + WIDTH]
        alpha = front[..., 3:] / 255
        back = np.roll(wall, round(behind), 1)[:, :WIDTH]
        picture = alpha * front[..., :3] + (1 - alpha) * back
        picture = picture + rng.normal(0, noise, picture.shape)
        found.append((picture.clip(0, 255).astype(np.uint8), alpha[..., 0].astype(np.float32)))
    return found


def waved(rgba: NDArray[np.float32], degrees: float) -> NDArray[np.float32]:
    """A subject with an arm of its own colours that points up, turned to the right."""
    side = len(rgba)
    arm = Image.new("L", (side, side))
    ImageDraw.Draw(arm).line((side / 2, side / 2, side / 2, 4), fill=255, width=side // 9)
    turned = np.asarray(arm.rotate(-degrees, Image.Resampling.BICUBIC), np.float32)[..., None]
    own = rgba[side // 2, side // 2, :3] * 0.8 + np.arange(side)[:, None, None] % 24
    share = turned / 255
    colours = share * np.broadcast_to(own, rgba[..., :3].shape) + (1 - share) * rgba[..., :3]
    return np.concatenate([colours, np.maximum(rgba[..., 3:], turned)], 2)


SCENES: dict[str, dict[str, float]] = {
    "stands": {},
    "walks, 1 %": {"step": 0.01},
    "walks, camera pans": {"step": 0.01, "pan": 0.02},
    "turns, 4 degrees": {"turn": 4.0},
    "grows, 1 %": {"grow": 0.01},
    "bends": {"bend": 8.0, "step": 0.005},
    "waves, 3 degrees": {"wave": 3.0},
    "waves, 6 degrees": {"wave": 6.0},
    "runs, 4 %": {"step": 0.04},
    "runs, 7 %": {"step": 0.07},
    "too fast, 12 %": {"step": 0.12},
}


def still(alpha: Floats, motion: Motion, before: Floats, now: Floats) -> Floats:
    return alpha


def blocks(alpha: Floats, motion: Motion, before: Floats, now: Floats) -> Floats:
    return moved_along(alpha, motion.moves, before.shape)


def shift(alpha: Floats, motion: Motion, before: Floats, now: Floats) -> Floats:
    move = subject_move(moved_along(alpha, motion.moves, before.shape), motion.moves)
    return moved_along(alpha, np.broadcast_to(move, motion.moves.shape), before.shape)


WAYS: dict[str, Callable[[Floats, Motion, Floats, Floats], Floats]] = {
    "still": still,
    "shift": shift,
    "blocks": blocks,
}


def united(one: Bytes, other: Bytes) -> Bytes:
    """Unknown where either is, or they differ."""
    return np.where(one == other, one, np.uint8(UNKNOWN))


def trimap_of(alpha: Floats, share: float) -> Bytes:
    size = alpha.shape[1], alpha.shape[0]
    return band_around(alpha, size, max(1, round(share * max(size))))


def judged(trimap: Bytes, alpha: Floats) -> tuple[float, float, float]:
    """Covered soft pixels, known and wrong, unknown; in percent."""
    soft = (alpha > 0.05) & (alpha < 0.95)
    unknown = trimap == UNKNOWN
    wrong = ((trimap == FOREGROUND) & (alpha < 0.5)) | ((trimap == BACKGROUND) & (alpha > 0.5))
    return 100 * unknown[soft].mean(), 100 * wrong.mean(), 100 * unknown.mean()


def open_loop(scene: Shot) -> dict[str, NDArray[np.float64]]:
    rows: dict[str, list[tuple[float, float, float]]] = {}
    for (picture, alpha), (now, true) in pairwise(scene):
        small, after = reduced(picture), reduced(now)
        motion = find_motion(small, after)
        for name, way in WAYS.items():
            moved = way(alpha, motion, small, after)
            for share in BANDS:
                row = judged(trimap_of(moved, share), true)
                rows.setdefault(f"{name} {share:.1%}", []).append(row)
        for share in BANDS:
            made = [
                trimap_of(WAYS[n](alpha, motion, small, after), share) for n in ("shift", "blocks")
            ]
            rows.setdefault(f"both {share:.1%}", []).append(judged(united(*made), true))
    return {name: np.mean(row, 0) for name, row in rows.items()}


def error(found: Floats, true: Floats) -> float:
    near = dilate((true > 0.05) & (true < 0.95), 8)
    return float(255 * np.abs(found - true)[near].mean())


def net_of(name: str) -> Net:
    if name != "closed-form":
        matter = edgematte.load(None if name == "default" else name, threads=1)
        return lambda picture, trimap: matter(picture, trimap).alpha
    from pymatting import estimate_alpha_cf

    def solve(picture: Bytes, trimap: Bytes) -> Floats:
        if len(np.unique(trimap)) < 3:  # there is nothing to tell from anything
            return (trimap / 255).astype(np.float32)
        known = np.select([trimap == BACKGROUND, trimap == FOREGROUND], [0.0, 1.0], 0.5)
        found = estimate_alpha_cf(picture / 255, known)
        return np.where(trimap == UNKNOWN, found.clip(0, 1), known).astype(np.float32)

    return solve


def closed_loop(scene: Shot, net: Net) -> Iterator[tuple[float, float, float]]:
    """Errors carried on, and with a trimap of each frame; what is unknown, in percent."""
    carried = CarriedTrimap()
    for number, (picture, true) in enumerate(scene):
        given = trimap_of(true, BAND_SHARE)
        trimap = carried.trimap(picture)[0] if number else given
        if trimap is None:
            raise SystemExit(f"frame {number} was taken for a cut")
        alpha = net(picture, trimap)
        carried.keep(picture, alpha)
        unknown = 100 * float((trimap == UNKNOWN).mean())
        yield error(alpha, true), error(net(picture, given), true), unknown


def unlike(one: Bytes, other: Bytes) -> float:
    return find_motion(reduced(one), reduced(other)).unlike


def main(frames: int, net: str | None) -> None:
    scenes = {name: shot(frames, 3 + i, **how) for i, (name, how) in enumerate(SCENES.items())}
    print("covered / wrong / unknown, %; by the true alpha of the frame before")
    for name, scene in scenes.items():
        for way, (covered, wrong, unknown) in open_loop(scene).items():
            print(f"{name:20} {way:12} {covered:6.1f} {wrong:6.2f} {unknown:6.1f}")
    for name, scene in scenes.items():
        most = max(unlike(before, now) for (before, _), (now, _) in pairwise(scene))
        print(f"{name:20} unlike at most {most:.2f}")
    heads = [scene[0][0] for scene in scenes.values()]
    cuts = [unlike(one, other) for one in heads for other in heads if one is not other]
    print(f"cuts between scenes: unlike at least {min(cuts):.2f}, mean {np.mean(cuts):.2f}")
    if net is None:
        return
    work = net_of(net)
    print(
        f"{net}: carried, first ten and last ten; a trimap for each, the same; unknown at last, %"
    )
    for name, scene in scenes.items():
        rows = np.array(list(closed_loop(scene, work)))
        first, last = rows[:10].mean(0), rows[-10:].mean(0)
        errors = f"{first[0]:6.1f} {last[0]:6.1f}   {first[1]:6.1f} {last[1]:6.1f}"
        print(f"{name:20} {errors}   {rows[-1, 2]:6.1f}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--frames", type=int, default=50)
    parser.add_argument("--net", help="closed-form, default, or a bundle: also what drifts")
    given = parser.parse_args()
    main(given.frames, given.net)
