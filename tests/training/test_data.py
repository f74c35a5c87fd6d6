from dataclasses import fields

import numpy as np
import torch

from edgematte.training.augment import frame_person
from edgematte.training.data import (
    WHOLE,
    Sample,
    Samples,
    collate,
    load,
    make_sample,
)
from edgematte.training.scenes import composite_scene, photo_scene
from edgematte.training.sources import Library


def _same(a: Sample, b: Sample) -> bool:
    pairs = ((getattr(a, f.name), getattr(b, f.name)) for f in fields(Sample))
    return all(np.array_equal(x, y) for x, y in pairs)


def test_a_seed_and_an_index_give_one_sample(library: Library) -> None:
    first, again, other = (Samples(library, 64, 48, seed) for seed in (3, 3, 4))
    for index in range(12):
        assert _same(first[index], again[index])
    assert not all(_same(first[i], other[i]) for i in range(12))


def test_composites_recompose(library: Library) -> None:
    for seed in range(12):
        scene = composite_scene(np.random.default_rng(seed), library, 64)
        assert scene.foreground is not None and scene.background is not None
        f, b, i = (
            np.asarray(p, dtype=float) for p in (scene.foreground, scene.background, scene.image)
        )
        a = np.asarray(scene.alpha, dtype=float)[..., None] / 255
        assert np.abs(a * f + (1 - a) * b - i).max() <= 1
        assert np.asarray(scene.known).min() == 255


def test_a_mask_is_not_believed_at_its_edge(library: Library) -> None:
    photo = library.people[0][0]
    known, alpha = np.asarray(photo.known), np.asarray(photo.alpha)
    assert set(np.unique(known)) == {0, 255} and set(np.unique(alpha)) == {0, 255}
    across = known[36]  # the mask begins at column 20 and ends at 43
    assert (across[16:24] == 0).all() and across[15] == across[24] == 255
    rng = np.random.default_rng(0)
    for _ in range(20):
        scene = photo_scene(rng, photo, frame_person(rng, photo), 64)
        alpha, known = np.asarray(scene.alpha), np.asarray(scene.known)
        assert set(np.unique(alpha[known == 255])) <= {0, 255}


def test_samples_are_fused_split_or_given(library: Library) -> None:
    fused = split = given = 0
    for seed in range(60):
        s = make_sample(np.random.default_rng(seed), library, 64, 64)
        assert s.image.shape == s.crop_image.shape == (64, 64, 3)
        assert s.alpha.shape == s.crop_known.shape == (64, 64)
        if s.box == WHOLE:
            fused += 1
            assert s.trimap is None and np.array_equal(s.image, s.crop_image)
        else:
            given += s.trimap is not None
            split += s.trimap is None
            left, top, right, bottom = s.box
            assert 0 <= left < right <= 1 and 0 <= top < bottom <= 1
    assert fused > split > 0 and given > 0


def test_a_crop_at_the_scene_s_size_is_a_part_of_it(library: Library) -> None:
    parts = 0
    for seed in range(20):
        s = make_sample(np.random.default_rng(seed), library, 64, 32)
        left, top, right, bottom = (round(v * 64) for v in s.box)
        if right - left == 32:
            parts += 1
            assert np.array_equal(s.image[top:bottom, left:right], s.crop_image)
            assert np.array_equal(s.alpha[top:bottom, left:right], s.crop_alpha)
    assert parts > 5


def test_collate_gives_planes_in_unit_range(library: Library) -> None:
    batch = collate([Samples(library, 64, 32, 0)[i] for i in range(3)])
    assert batch.image.shape == (3, 3, 64, 64) and batch.box.shape == (3, 4)
    assert batch.crop_image.shape == (3, 3, 32, 32)
    for plane in (batch.alpha, batch.known, batch.crop_alpha, batch.crop_known):
        assert plane.shape in {(3, 1, 64, 64), (3, 1, 32, 32)}
        assert 0 <= float(plane.min()) and float(plane.max()) <= 1


def test_no_files_are_needed() -> None:
    alphas = [Samples(Library(), 64, 64, 0)[i].alpha for i in range(10)]
    assert sum(alpha.max() > 0 for alpha in alphas) > 5


def test_workers_change_nothing(library: Library) -> None:
    samples = Samples(library, 64, 32, 1)
    here, there = (
        [batch for _, batch in zip(range(3), load(samples, range(5, 99), 2, n), strict=False)]
        for n in (0, 2)
    )
    for a, b in zip(here, there, strict=True):
        for name in ("image", "alpha", "known", "crop_image", "crop_alpha", "crop_known", "box"):
            assert torch.equal(getattr(a, name), getattr(b, name)), name
        assert [t is None for t in a.trimap] == [t is None for t in b.trimap]
        assert all(
            torch.equal(x, y)
            for x, y in zip(a.trimap, b.trimap, strict=True)
            if x is not None and y is not None
        )
