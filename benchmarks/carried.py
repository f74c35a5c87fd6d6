"""Trimaps that are carried on from frame to frame: what they cover, and what drifts.

    python benchmarks/carried.py [--frames 50] [--bundle B]

Scenes are made: a subject with hair, whose alpha is known, moves before a background. Printed for
each scene, means over the frames:

* by the true alpha of the frame before, for each way of carrying it on (`still`: where it was;
  `shift`: moved as most of the subject; `blocks`: block by block; `both`, as edgematte does) and
  each width of the band, in shares of the longer side: the share of soft pixels (alpha within 0.05
  and 0.95) that is unknown, the share of the picture that is known and wrong (off by more than
  half), and the share that is unknown;
* with `--bundle`, by a bundle that takes trimaps (`default`: that which ships), from one trimap of
  the first frame: the mean error of alpha in the soft band's surroundings, levels of 255, in the
  first and in the last ten frames, beside the same with a trimap of every frame's true alpha;
* how unlike each frame is from the one before, which tells a cut: the largest of the scenes, and
  the least between frames of different scenes.
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
    Motion,
    find_motion,
    moved_along,
    reduced,
    subject_move,
)
from edgematte.runtime.host.mask import band_around
from edgematte.runtime.host.trimap import BACKGROUND, FOREGROUND, UNKNOWN, dilate
from edgematte.training.pictures.procedural import attach_strands, blob, texture

WIDTH, HEIGHT, SUBJECT = 384, 288, 150
BANDS = (0.01, 0.02, 0.035)
Shot = list[tuple[Bytes, Floats]]


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


def closed_loop(scene: Shot, matter: edgematte.Matter) -> Iterator[tuple[float, float]]:
    """Errors carried on, and with a trimap of each frame."""
    pictures = [picture for picture, _ in scene]
    given = [trimap_of(alpha, 0.02) for _, alpha in scene]
    carried = matter.stream(pictures, trimap=given[0], carry=True)
    each = matter.stream(pictures, trimaps=given)
    for one, other, (_, true) in zip(carried, each, scene, strict=True):
        yield error(one.alpha, true), error(other.alpha, true)


def main(frames: int, bundle: str | None) -> None:
    scenes = {name: shot(frames, 3 + i, **how) for i, (name, how) in enumerate(SCENES.items())}
    print("covered / wrong / unknown, %; by the true alpha of the frame before")
    for name, scene in scenes.items():
        for way, (covered, wrong, unknown) in open_loop(scene).items():
            print(f"{name:20} {way:12} {covered:6.1f} {wrong:6.2f} {unknown:6.1f}")
    unlike = {
        n: [find_motion(*map(reduced, (a[0], b[0]))).unlike for a, b in pairwise(s)]
        for n, s in scenes.items()
    }
    for name, values in unlike.items():
        print(f"{name:20} unlike at most {max(values):.2f}")
    heads = [scene[0][0] for scene in scenes.values()]
    cuts = [find_motion(reduced(a), reduced(b)).unlike for a in heads for b in heads if a is not b]
    print(f"cuts between scenes: unlike at least {min(cuts):.2f}, mean {np.mean(cuts):.2f}")
    if bundle is None:
        return
    with edgematte.load(None if bundle == "default" else bundle, threads=1) as matter:
        print("carried: first ten, last ten; a trimap for each: the same")
        for name, scene in scenes.items():
            rows = np.array(list(closed_loop(scene, matter)))
            first, last = rows[:10].mean(0), rows[-10:].mean(0)
            print(f"{name:20} {first[0]:6.1f} {last[0]:6.1f}   {first[1]:6.1f} {last[1]:6.1f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--frames", type=int, default=50)
    parser.add_argument("--bundle", help="also with this bundle; default: the one that ships")
    given = parser.parse_args()
    main(given.frames, given.bundle)
