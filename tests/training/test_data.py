from dataclasses import fields
from functools import partial

import numpy as np
import torch

from edgematte.training.pictures.augment import frame_person
from edgematte.training.pictures.data import (
    MODES,
    WHOLE,
    Sample,
    Samples,
    collate,
    load,
    make_sample,
)
from edgematte.training.pictures.scenes import composite_scene, photo_scene
from edgematte.training.pictures.sources import Library

GIVEN = {"given": 0.5, "split": 0.25, "whole": 0.25}


def _same(a: Sample, b: Sample) -> bool:
    pairs = ((getattr(a, f.name), getattr(b, f.name)) for f in fields(Sample))
    return all(np.array_equal(x, y) for x, y in pairs)


def test_a_seed_and_an_index_give_one_sample(library: Library) -> None:
    first, again, other = (Samples(library, 64, 48, seed) for seed in (3, 3, 4))
    for index in range(12):
        assert _same(first[index], again[index])
        assert not _same(first[index], other[index])
        assert not _same(first[index], first[index + 1])


def test_composites_recompose(library: Library) -> None:
    soft = 0
    for seed in range(12):
        scene = composite_scene(np.random.default_rng(seed), library, 64)
        assert scene.foreground is not None and scene.background is not None
        f, b, i = (
            np.asarray(p, dtype=float) for p in (scene.foreground, scene.background, scene.image)
        )
        a = np.asarray(scene.alpha, dtype=float)[..., None] / 255
        # Rounded to the nearest, by float32, which has 255 to 1.5e-5.
        assert np.abs(a * f + (1 - a) * b - i).max() <= 0.5 + 1e-4
        assert np.asarray(scene.known).min() == 255
        apart = np.abs(f - b).max(axis=2) > 20  # or alpha would not show
        soft += int(np.count_nonzero(apart & (a[..., 0] > 0.1) & (a[..., 0] < 0.9)))
    assert soft > 12 * 20  # pixels whose colour tells what alpha they were mixed by


def test_a_mask_is_not_believed_at_its_edge(library: Library) -> None:
    photo = library.people[0][0]
    known, alpha = np.asarray(photo.known), np.asarray(photo.alpha)
    assert set(np.unique(known)) == {0, 255} and set(np.unique(alpha)) == {0, 255}
    across = known[36]  # the mask begins at column 20 and ends at 43
    assert (across[16:24] == 0).all() and across[15] == across[24] == 255
    rng = np.random.default_rng(0)
    believed = []
    for _ in range(20):
        scene = photo_scene(rng, photo, frame_person(rng, photo), 64)
        alpha, known = np.asarray(scene.alpha), np.asarray(scene.known)
        assert set(np.unique(known)) <= {0, 255}
        assert set(np.unique(alpha[known == 255])) <= {0, 255}
        for one, other, doubt, more in (
            (alpha[1:], alpha[:-1], known[1:], known[:-1]),
            (alpha[:, 1:], alpha[:, :-1], known[:, 1:], known[:, :-1]),
        ):
            edge = one != other
            assert not doubt[edge].any() and not more[edge].any()
        believed.append([int(np.count_nonzero(alpha[known == 255] == v)) for v in (0, 255)])
    # Away from edges both classes are: most pixels of most framings.
    assert (np.array(believed) > 0).all(axis=1).mean() > 0.5
    assert np.median(np.sum(believed, axis=1)) > 64 * 64 / 2


def test_samples_are_fused_split_or_given(library: Library) -> None:
    fused = split = given = 0
    for seed in range(200):
        s = make_sample(np.random.default_rng(seed), library, 64, 64)
        assert s.image.shape == s.crop_image.shape == (64, 64, 3)
        assert s.alpha.shape == s.crop_known.shape == (64, 64)
        if s.box == WHOLE:
            fused += 1
            assert s.trimap is None
            for whole, crop in (("image", "crop_image"), ("alpha", "crop_alpha")):
                assert np.array_equal(getattr(s, whole), getattr(s, crop))
            continue
        left, top, right, bottom = s.box
        assert 0 <= left < right <= 1 and 0 <= top < bottom <= 1
        # Of a scene 1.25 to 3 times as large, what the crop shows.
        assert 1 / 3 - 0.01 < right - left < 1 / 1.25 + 0.01
        assert abs((right - left) - (bottom - top)) < 1e-9
        if s.trimap is None:
            split += 1
            continue
        given += 1
        assert s.trimap.shape == (64, 64) and set(np.unique(s.trimap)) <= {0, 128, 255}
        # An alpha within 2 of 0 or 255 is taken for it.
        assert (s.crop_alpha[s.trimap == 255] >= 253).all()
        assert (s.crop_alpha[s.trimap == 0] <= 2).all()
        assert (s.trimap[s.crop_known == 0] == 128).all()
    for found, share in (
        (fused, MODES["whole"] + MODES["zoomed"]),
        (split, MODES["split"]),
        (given, MODES["given"]),
    ):  # within three standard deviations of so many draws
        assert abs(found - 200 * share) < 3 * np.sqrt(200 * share * (1 - share))


def test_a_split_crop_shows_the_scene_larger(library: Library) -> None:
    """What SN sees of the crop's box, enlarged, is the crop's alpha, blurred."""
    apart = []
    for seed in range(12):
        s = make_sample(np.random.default_rng(seed), library, 64, 64, {"split": 1.0})
        rows, columns = (
            np.clip(((np.arange(64) + 0.5) / 64 * (b - a) + a) * 64, 0, 63).astype(int)
            for a, b in ((s.box[1], s.box[3]), (s.box[0], s.box[2]))
        )
        small = s.alpha[rows[:, None], columns].astype(float)
        right = np.abs(small - s.crop_alpha).mean()
        wrong = min(np.abs(p - s.crop_alpha).mean() for p in (small.T, small[::-1], small[:, ::-1]))
        apart.append(wrong - right)
    assert np.median(apart) > 5  # of 255; and below 0 nowhere, but where a subject is symmetric
    assert min(apart) > -1


def test_a_crop_at_the_scene_s_size_is_a_part_of_it(library: Library) -> None:
    parts = set()
    for seed in range(60):
        s = make_sample(np.random.default_rng(seed), library, 64, 32, {"whole": 1.0})
        left, top, right, bottom = (round(v * 64) for v in s.box)
        assert right - left == bottom - top == 32
        for whole, crop in (
            (s.image, s.crop_image),
            (s.alpha, s.crop_alpha),
            (s.known, s.crop_known),
        ):
            assert np.array_equal(whole[top:bottom, left:right], crop)
        soft = ((s.alpha > 5) & (s.alpha < 250)) | (s.known == 0)
        if soft.any():  # one of them is what the crop was taken for
            assert soft[top:bottom, left:right].any()
        parts.add((left, top))
    assert len(parts) > 5  # not the same corner of all


def test_collate_gives_planes_in_unit_range() -> None:
    """Every byte over 255 in its place: channels, rows and columns, and classes in MRN's order."""
    bytes_of = np.random.default_rng(0).integers
    made = [
        Sample(
            bytes_of(0, 256, (6, 6, 3), np.uint8),
            bytes_of(0, 256, (6, 6), np.uint8),
            bytes_of(0, 256, (6, 6), np.uint8),
            bytes_of(0, 256, (4, 4, 3), np.uint8),
            bytes_of(0, 256, (4, 4), np.uint8),
            bytes_of(0, 256, (4, 4), np.uint8),
            (0.1 * i, 0.2, 0.5, 0.75),
            np.array([0, 128, 255, 128] * 4, np.uint8).reshape(4, 4) if i == 1 else None,
        )
        for i in range(3)
    ]
    batch = collate(made)
    for name in ("image", "crop_image"):
        planes = np.stack([getattr(s, name) for s in made]).transpose(0, 3, 1, 2)
        np.testing.assert_allclose(getattr(batch, name).numpy() * 255, planes, rtol=1e-6)
    for name in ("alpha", "known", "crop_alpha", "crop_known"):
        planes = np.stack([getattr(s, name) for s in made])[:, None]
        np.testing.assert_allclose(getattr(batch, name).numpy() * 255, planes, rtol=1e-6)
    np.testing.assert_allclose(batch.box.numpy(), [s.box for s in made], rtol=1e-6)
    first, second, third = batch.trimap
    assert first is None and third is None and second is not None
    background, foreground, unknown = second[:, 0].tolist()  # of the first row
    assert (background, foreground, unknown) == ([1, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 1])


def test_no_files_are_needed() -> None:
    made = [Samples(Library(), 64, 64, 0)[i] for i in range(20)]
    subjects = [s.alpha for s in made if s.alpha.max() > 0]
    assert len(subjects) > 14  # three in a hundred are empty, some have theirs elsewhere
    assert np.mean([((a > 5) & (a < 250)).any() for a in subjects]) > 0.8  # with soft edges
    assert np.mean([(a > 250).any() and (a == 0).any() for a in subjects]) > 0.5
    assert all(s.image.std() > 2 for s in made)  # textures, not one grey


def test_workers_change_nothing(library: Library) -> None:
    """Batches are of the samples of these indices in their order, whoever makes them."""
    samples = Samples(library, 64, 32, 1, partial(make_sample, modes=GIVEN))
    share = [5, 9, 6, 30, 31, 2, 99]
    wanted = [collate([samples[i] for i in share[at : at + 2]]) for at in (0, 2, 4)]
    assert {t is None for batch in wanted for t in batch.trimap} == {True, False}
    for workers in (0, 2):
        found = [b for _, b in zip(range(3), load(samples, share, 2, workers), strict=False)]
        for a, b in zip(found, wanted, strict=True):
            for name in ("image", "alpha", "known", "crop_image", "crop_alpha", "crop_known"):
                assert torch.equal(getattr(a, name), getattr(b, name)), name
            assert torch.equal(a.box, b.box)
            for one, other in zip(a.trimap, b.trimap, strict=True):
                assert (one is None) == (other is None)
                assert one is None or other is None or torch.equal(one, other)
