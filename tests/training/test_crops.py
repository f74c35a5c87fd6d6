import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from edgematte.training.nets import vitmatte
from edgematte.training.pictures.augment import frame_any
from edgematte.training.pictures.crops import (
    WIDE_BAND,
    Crops,
    collate_crops,
    crop_corner,
    crops_and_ragged,
    make_crop,
    random_trimap,
    zoom,
)
from edgematte.training.pictures.scenes import Scene, composite_scene, photo_scene
from edgematte.training.pictures.sources import Library


def _recomposed(scene: Scene) -> np.ndarray:
    assert scene.foreground is not None and scene.background is not None
    f, b = (np.asarray(p, dtype=float) for p in (scene.foreground, scene.background))
    a = np.asarray(scene.alpha, dtype=float)[..., None] / 255
    return np.asarray(a * f + (1 - a) * b)


def test_a_zoomed_scene_still_recomposes(library: Library) -> None:
    """To one of 255: the picture is rounded once."""
    for seed in range(10):
        rng = np.random.default_rng(seed)
        scene = zoom(rng, composite_scene(rng, library, 120), 64)
        assert scene.image.size == scene.alpha.size == scene.known.size == (64, 64)
        assert np.abs(_recomposed(scene) - np.asarray(scene.image)).max() <= 1


def test_a_crop_is_centred_on_an_unknown_pixel(library: Library) -> None:
    inside = 0
    for seed in range(20):
        scene = composite_scene(np.random.default_rng(seed), library, 128)
        alpha = np.asarray(scene.alpha)
        left, top = crop_corner(np.random.default_rng(seed), scene, 32)
        if 0 < left < 96 and 0 < top < 96:
            inside += 1
            assert 5 < alpha[top + 16, left + 16] < 250
    assert inside > 10


def test_crops_of_photographs_keep_what_is_not_known(library: Library) -> None:
    photo = library.people[0][0]
    rng = np.random.default_rng(0)
    scene = photo_scene(rng, photo, frame_any(rng, photo.image.size), 128)
    zoomed = zoom(rng, scene, 64)
    known, alpha = np.asarray(zoomed.known), np.asarray(zoomed.alpha)
    assert set(np.unique(known)) == {0, 255}
    assert set(np.unique(alpha[known == 255])) <= {0, 255}


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_a_trimap_is_the_alpha_eroded_on_both_sides(seed: int) -> None:
    """Brute force with the radii that the same random numbers give."""
    rng = np.random.default_rng(seed)
    alpha = rng.choice(
        np.array([0, 1, 120, 254, 255], np.uint8), (12, 14), p=[0.5, 0.1, 0.02, 0.08, 0.3]
    )
    known = np.where(rng.random((12, 14)) < 0.02, 0, 255).astype(np.uint8)
    found = random_trimap(np.random.default_rng(seed), alpha, known, 3)
    inner, outer = np.random.default_rng(seed).integers(1, 4, 2)
    for y, x in np.ndindex(*alpha.shape):

        def near(r: int, y: int = y, x: int = x) -> tuple[slice, slice]:
            return slice(max(0, y - r), y + r + 1), slice(max(0, x - r), x + r + 1)

        foreground = (alpha[near(inner)] >= 253).all() and known[near(inner)].all()
        background = (alpha[near(outer)] <= 2).all() and known[near(outer)].all()
        assert found[y, x] == (255 if foreground else 0 if background else 128)


def test_crops_follow_their_seed_and_show_all_kinds(library: Library) -> None:
    crops = Crops(library, 64, 3)
    seen = [crops[i] for i in range(24)]
    again = Crops(library, 64, 3)[5]
    assert np.array_equal(again.image, seen[5].image)
    assert np.array_equal(again.trimap, seen[5].trimap)
    others = [*seen[:5], *seen[6:], Crops(library, 64, 4)[5]]
    assert not any(np.array_equal(again.image, other.image) for other in others)
    assert {crop.composed for crop in seen} == {True, False}
    for crop in seen:
        assert crop.image.shape == crop.foreground.shape == crop.background.shape == (64, 64, 3)
        assert set(np.unique(crop.trimap)) <= {0, 128, 255}
        sure = crop.trimap != 128
        assert (np.abs(crop.alpha[sure].astype(int) - crop.trimap[sure]) <= 2).all()


def test_rough_trimaps_are_unknown_over_much_more(library: Library) -> None:
    """Radii up to a fifth of the side, not a twelfth: about twice the unknown pixels."""
    drawn, rough = (Crops(library, 96, 3, 1.0, WIDE_BAND, share) for share in (0.0, 1.0))
    shares = [[(c[i].trimap == 128).mean() for i in range(20)] for c in (drawn, rough)]
    assert np.mean(shares[1]) > 1.3 * np.mean(shares[0])
    mixed = [(crops_and_ragged(library, 96, 96, 3)[i].trimap == 128).mean() for i in range(20)]
    assert np.mean(mixed) < np.mean(shares[1])


@pytest.mark.parametrize("seed", range(3))
def test_crops_need_no_files(seed: int) -> None:
    crop = make_crop(np.random.default_rng(seed), Library(), 64)
    assert crop.composed and crop.image.shape == (64, 64, 3)


def test_collated_trimaps_are_one_hot_and_hold_every_soft_pixel(library: Library) -> None:
    crops = Crops(library, 64, 3)
    batch = collate_crops([crops[i] for i in range(3)])
    assert batch.image.shape == batch.trimap.shape == (3, 3, 64, 64)
    assert torch.equal(batch.trimap.sum(dim=1), torch.ones(3, 64, 64))
    background, unknown, foreground = batch.trimap.chunk(3, dim=1)
    assert (batch.alpha[background == 1] < 0.01).all()
    assert (batch.alpha[foreground == 1] > 0.99).all()
    assert 0 < unknown.mean() < 1
    assert batch.image.is_contiguous(memory_format=torch.channels_last)


def test_vitmatte_sees_a_trimap_as_the_host_gives_it(library: Library) -> None:
    """Bytes 0, 128, 255 over 255; the answer counts in known pixels as well."""
    crops = Crops(library, 64, 3)
    batch = collate_crops([crops[i] for i in range(3)])
    answer = torch.full_like(batch.alpha, 0.5, requires_grad=True)
    planes: list[torch.Tensor] = []

    def model(image: torch.Tensor, trimap: torch.Tensor) -> torch.Tensor:
        planes.append(trimap)
        return answer

    vitmatte.losses(model, batch)["total"].backward()  # type: ignore[arg-type, no-untyped-call]
    expected = torch.from_numpy(np.stack([crops[i].trimap for i in range(3)]))[:, None]
    assert torch.equal((planes[0] * 255).round().to(torch.uint8), expected)
    assert answer.grad is not None and (answer.grad != 0).float().mean() > 0.9
