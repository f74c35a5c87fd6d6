"""Batches of whole scenes and of crops with trimaps, composed on the device.

Shares and distributions are those of `edgematte.training.pictures` where one batched operation can
make the same. Left out are JPEG's faults, drawn strands, plants and made subjects: their shares go
to the other sources. A scene is given by (seed, index), as everywhere in training.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from edgematte.training.batched.colours import Tone, blurred, draw_tone, grained, toned
from edgematte.training.batched.resident import Resident
from edgematte.training.batched.warp import Matrix, View, framed, look, placed
from edgematte.training.pictures.augment import frame_any, frame_person
from edgematte.training.pictures.data import WHOLE, Batch
from edgematte.training.pictures.scenes import SECOND, choose

Rng = np.random.Generator
KNOWN = 250 / 255  # a pixel counts as known if all that it was made of is
SUBJECTS = {"person": 0.34, "cutout": 0.44, "veil": 0.1}
SHELF = {"person": "people", "cutout": "cutouts", "veil": "veils"}
PHOTOGRAPHS = ("people", "pairs")


@dataclass(frozen=True)
class Subject:
    """A subject of a composite: where it is seen, its colours, and how its alpha is sharpened.

    `gain`, `middle`: alpha becomes (alpha - middle) gain + 1/2; a gain of 0 leaves it. `fills`: two
    colours for a veil, which has none of its own.
    """

    kind: str
    view: View
    tone: Tone
    gain: float = 0.0
    middle: float = 0.5
    fills: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True)
class Draft:
    """All numbers of one scene, drawn on the processor."""

    photograph: tuple[str, View] | None
    subjects: tuple[Subject, ...]
    background: View | None  # None: a plain colour
    plain: tuple[float, ...]
    focus: float  # radius of the background's blur, as a share of the side
    tones: tuple[Tone, Tone]  # of the whole, of the background
    blur_px: float
    grain: float
    seed: int


def draft(rng: Rng, there: Resident, shares: dict[str, float], *, close: bool = False) -> Draft:
    """Draw a scene: a photograph, a composite of one or two subjects, or a background alone.

    With `close` the scene is a part around a soft pixel of the subject.
    """
    absent = [kind for kind in PHOTOGRAPHS if kind not in there.shelves]
    kind = choose(rng, {k: v for k, v in shares.items() if k != "plant"}, absent)
    photograph, subjects = None, []
    if kind in PHOTOGRAPHS:
        shelf = there.shelves[kind]
        row = shelf.pick(rng)
        photo = shelf.pictures[row]
        person = kind == "people"
        box = frame_person(rng, photo) if person else frame_any(rng, photo.image.size, 0.5)
        matrix = framed(box, photo.image.size, mirrored=rng.random() < 0.5)
        photograph = (kind, View(row, _near(rng, photo.alpha, matrix) if close else matrix))
    elif kind == "composite":
        near: Matrix | None = None
        for _ in range(2 if rng.random() < SECOND else 1):
            subject, alpha = _subject(rng, there)
            if close and near is None:
                seen = _near(rng, alpha, subject.view.matrix)
                near = np.linalg.inv(subject.view.matrix) @ seen
            view = subject.view
            if near is not None:
                view = View(view.row, view.matrix @ near)
            subjects.append(Subject(**{**subject.__dict__, "view": view}))
    background = None
    if "backgrounds" in there.shelves and rng.random() >= 0.06:
        shelf = there.shelves["backgrounds"]
        row = shelf.pick(rng)
        size = shelf.pictures[row].size
        matrix = framed(frame_any(rng, size, 0.4), size, mirrored=rng.random() < 0.5)
        background = View(row, matrix)
    return Draft(
        photograph=photograph,
        subjects=tuple(subjects),
        background=background,
        plain=tuple(rng.uniform(0, 1, 3)),
        focus=float(rng.uniform(0.002, 0.025)) if rng.random() < 0.45 else 0.0,
        tones=(draw_tone(rng), draw_tone(rng)),
        blur_px=float(rng.uniform(0.3, 1.2)) if rng.random() < 0.15 else 0.0,
        grain=float(rng.uniform(1, 10)) / 255 if rng.random() < 0.35 else 0.0,
        seed=int(rng.integers(1 << 31)),
    )


def _subject(rng: Rng, there: Resident) -> tuple[Subject, Image.Image]:
    """A subject and its alpha at its own size."""
    absent = [name for name, kind in SHELF.items() if kind not in there.shelves]
    name = choose(rng, SUBJECTS, absent)
    shelf = there.shelves[SHELF[name]]
    row = shelf.pick(rng)
    picture, mirrored = shelf.pictures[row], bool(rng.random() < 0.5)
    tone = draw_tone(rng)
    if name == "person":
        matrix = framed(frame_person(rng, picture), picture.image.size, mirrored=mirrored)
        gain, middle = rng.uniform(1.5, 5.0), rng.uniform(0.55, 0.8)
        return Subject("people", View(row, matrix), tone, float(gain), float(middle)), picture.alpha
    share = rng.uniform(0.4, 1.25) if rng.random() < 0.85 else rng.uniform(0.2, 0.4)
    stretch = np.exp(rng.uniform(-0.25, 0.25))
    width, height = (side * share / max(picture.size) for side in picture.size)
    width, height = width * stretch, height / stretch
    turned = bool(rng.random() < 0.4)
    angle, shear = (rng.normal(0, 25), rng.normal(0, 0.1)) if turned else (0.0, 0.0)
    x, y = rng.uniform(0.25, 0.75), rng.uniform(0.3, 0.75)
    if rng.random() < 0.35:  # it stands on the lower border
        y = 1 - height * rng.uniform(0.6, 1.0) + height / 2
    size = (float(width), float(height))
    matrix = placed((x, y), size, angle_deg=angle, shear=shear, mirrored=mirrored)
    fills = tuple(tuple(rng.uniform(0, 1, 3)) for _ in range(2)) if name == "veil" else ()
    view = View(row, matrix)
    return Subject(SHELF[name], view, tone, fills=fills), picture.getchannel("A")


def _near(rng: Rng, alpha: Image.Image, matrix: Matrix) -> Matrix:
    """The matrix of a closer view (0.5 to 1 of the width) around a soft pixel that it shows."""
    pixels = np.asarray(alpha)
    ys, xs = np.nonzero((pixels > 5) & (pixels < 250))
    middle = np.zeros(2)
    if len(ys):
        at = int(rng.integers(len(ys)))
        own = np.array(
            [2 * (xs[at] + 0.5) / alpha.width - 1, 2 * (ys[at] + 0.5) / alpha.height - 1, 1]
        )
        middle = (np.linalg.inv(matrix) @ own)[:2]
    scale = rng.uniform(0.5, 1.0)
    x, y = np.clip(middle + rng.uniform(-0.5, 0.5, 2) * scale, scale - 1, 1 - scale)
    closer: Matrix = np.array([[scale, 0, x], [0, scale, y], [0, 0, 1]])
    return matrix @ closer


def compose(
    there: Resident, drafts: Sequence[Draft], side_px: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The scenes: image (B, 3, S, S), alpha and known (B, 1, S, S), float in [0, 1]."""
    image = _backgrounds(there, drafts, side_px)
    alpha = torch.zeros_like(image[:, :1])
    known = torch.ones_like(alpha)
    for turn in (1, 0):  # the second subject lies behind the first
        for kind in SHELF.values():
            rows = [
                i
                for i, d in enumerate(drafts)
                if len(d.subjects) > turn and d.subjects[turn].kind == kind
            ]
            if rows:
                at = torch.tensor(rows, device=there.device)
                subjects = [drafts[i].subjects[turn] for i in rows]
                colours, own = _seen(there, subjects, kind, side_px)
                image[at] = image[at] + own * (colours - image[at])
                alpha[at] = own + (1 - own) * alpha[at]
    for kind in PHOTOGRAPHS:
        rows = [i for i, d in enumerate(drafts) if d.photograph and d.photograph[0] == kind]
        if rows:
            at = torch.tensor(rows, device=there.device)
            views = [d.photograph[1] for d in drafts if d.photograph and d.photograph[0] == kind]
            seen = look(there.shelves[kind], views, side_px)
            image[at], alpha[at] = seen[:, :3], seen[:, 3:4]
            known[at] = (seen[:, 4:5] >= KNOWN).float()
    image = toned(image, [d.tones[0] for d in drafts])
    image = blurred(image, [d.blur_px for d in drafts])
    return grained(image, [d.grain for d in drafts], [d.seed for d in drafts]), alpha, known


def _backgrounds(there: Resident, drafts: Sequence[Draft], side_px: int) -> Tensor:
    plain = torch.tensor([d.plain for d in drafts], device=there.device, dtype=torch.float32)
    image = plain[:, :, None, None].repeat(1, 1, side_px, side_px)
    rows = [i for i, d in enumerate(drafts) if d.background and not d.photograph]
    if rows:
        views = [view for i in rows if (view := drafts[i].background)]
        seen = look(there.shelves["backgrounds"], views, side_px)
        seen = blurred(seen, [drafts[i].focus * side_px for i in rows])
        image[torch.tensor(rows, device=there.device)] = toned(
            seen, [drafts[i].tones[1] for i in rows]
        )
    return image


def _seen(
    there: Resident, subjects: Sequence[Subject], kind: str, side_px: int
) -> tuple[Tensor, Tensor]:
    """Colours (B, 3, S, S) and alphas (B, 1, S, S) of subjects of one kind."""
    seen = look(there.shelves[kind], [s.view for s in subjects], side_px)
    alpha = seen[:, -1:] if kind != "people" else seen[:, 3:4]
    if kind == "veils":
        fills = torch.tensor([s.fills for s in subjects], device=there.device).float()
        mix = torch.linspace(0, 1, side_px, device=there.device).view(1, 1, -1, 1)
        first, second = fills[:, 0, :, None, None], fills[:, 1, :, None, None]
        return (first + mix * (second - first)).expand(-1, -1, -1, side_px), alpha
    if kind == "people":
        alpha = F.avg_pool2d(alpha, 5, 1, 2, count_include_pad=False)
        gains = torch.tensor([s.gain for s in subjects], device=there.device).view(-1, 1, 1, 1)
        middles = torch.tensor([s.middle for s in subjects], device=there.device).view(-1, 1, 1, 1)
        low, high = ((end - middles) * gains + 0.5 for end in (0.0, 1.0))
        low, high = low.clamp(0, 1), high.clamp(0, 1)
        ramp = ((alpha - middles) * gains + 0.5).clamp(0, 1)
        alpha = (ramp - low) / (high - low).clamp_min(1e-3)
    colours = seen[:, :3]
    if kind == "cutouts":
        colours = (colours / alpha.clamp_min(1 / 255)).clamp(0, 1)
    return toned(colours, [s.tone for s in subjects]), alpha.clamp(0, 1)


def whole_scenes(
    there: Resident, shares: dict[str, float], side_px: int, seed: int, indices: Sequence[int]
) -> Batch:
    """Scenes as `edgematte.training.recipe.parts.whole_scenes` shows them: a tenth are close."""
    drafts = []
    for index in indices:
        rng = np.random.default_rng((seed, index))
        close = bool(rng.random() < 0.1)
        drafts.append(draft(rng, there, {"composite": 1.0} if close else shares, close=close))
    image, alpha, known = compose(there, drafts, side_px)
    box = torch.tensor([WHOLE] * len(drafts))
    return Batch(image, alpha, known, image, alpha, known, box, [None] * len(drafts))


def crops(
    there: Resident, side_px: int, largest_px: int, seed: int, indices: Sequence[int]
) -> Batch:
    """Close views with random trimaps, for a network that refines them.

    Both sides of a trimap are eroded by radii of 1 to `largest_px` pixels, as in
    `edgematte.training.pictures.crops.random_trimap`. Three in ten are whole scenes without one.
    """
    drafts, radii = [], []
    for index in indices:
        rng = np.random.default_rng((seed, index))
        free = bool(rng.random() < 0.3)
        shares = {"composite": 0.8, "pairs": 0.2}
        drafts.append(draft(rng, there, shares, close=not free))
        radii.append(None if free else rng.integers(1, largest_px + 1, 2).tolist())
    image, alpha, known = compose(there, drafts, side_px)
    trimaps = [
        None if pair is None else _trimap(alpha[i], known[i], pair) for i, pair in enumerate(radii)
    ]
    box = torch.tensor([WHOLE] * len(drafts))
    return Batch(image, alpha, known, image, alpha, known, box, trimaps)


def _trimap(alpha: Tensor, known: Tensor, radii: Sequence[int]) -> Tensor:
    """Background, foreground, unknown (3, S, S) of an alpha (1, S, S) eroded on both sides."""
    doubt = known == 0
    not_foreground, not_background = (
        _grown(mask | doubt, radius)
        for mask, radius in zip((alpha < 253 / 255, alpha > 2 / 255), radii, strict=True)
    )
    unknown = not_foreground & not_background
    background = not_foreground & ~not_background
    return torch.cat([background, ~not_foreground, unknown]).float()


def _grown(mask: Tensor, radius: int) -> Tensor:
    side = 2 * radius + 1
    rows = F.max_pool2d(mask.float(), (side, 1), 1, (radius, 0))
    return F.max_pool2d(rows, (1, side), 1, (0, radius)) > 0
