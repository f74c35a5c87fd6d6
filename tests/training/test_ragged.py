"""Scenes of made fur, leaves and holes."""

import numpy as np

from edgematte.training.pictures.ragged import ragged_alpha, ragged_scene
from edgematte.training.pictures.sources import Library


def test_a_ragged_scene_is_composed_of_what_it_says() -> None:
    """I = alpha F + (1 - alpha) B, to 1/255."""
    for seed in range(10):
        scene = ragged_scene(np.random.default_rng(seed), Library(), 96)
        assert scene.foreground is not None and scene.background is not None
        planes = (scene.image, scene.foreground, scene.background)
        image, front, behind = (np.asarray(p, dtype=np.float64) for p in planes)
        alpha = np.asarray(scene.alpha)[..., None] / 255
        assert np.abs(alpha * front + (1 - alpha) * behind - image).max() <= 0.51
        assert np.asarray(scene.known).min() == 255


def test_ragged_alphas_have_all_three_kinds_of_pixels_and_long_edges() -> None:
    """Nearly all show foreground and background and what is between; edges are long."""
    alphas = [ragged_alpha(np.random.default_rng(seed), 128) for seed in range(60)]
    both = sum((a == 0).any() and (a > 250).any() for a in alphas)
    assert both > 45
    assert sum(((a > 0) & (a < 255)).any() for a in alphas) > 50
    lengths = [np.count_nonzero(np.diff((a > 127).astype(int), axis=1)) for a in alphas]
    disk = 2 * 64  # rows of a disk half as wide as the picture, crossed twice
    assert np.median(lengths) > 2 * disk


def test_equal_seeds_give_equal_scenes() -> None:
    first, again = (ragged_scene(np.random.default_rng(5), Library(), 64) for _ in range(2))
    assert np.array_equal(np.asarray(first.image), np.asarray(again.image))
