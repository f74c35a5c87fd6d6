import numpy as np

from edgematte.training.pictures.foliage import plant
from edgematte.training.pictures.scenes import make_scene
from edgematte.training.pictures.sources import Library


def test_plants_follow_their_seed_and_differ() -> None:
    first, again, other = (plant(np.random.default_rng(seed), 96) for seed in (0, 0, 1))
    assert first.size == (96, 96) and first.mode == "RGBA"
    assert first.tobytes() == again.tobytes() != other.tobytes()


def test_plants_stand_up_have_edges_and_mostly_are_green() -> None:
    """Over many: there is always something, most of it opaque, with far more edge than a disc."""
    green, ragged = [], []
    for seed in range(24):
        pixels = np.asarray(plant(np.random.default_rng(seed), 128)).astype(int)
        solid = pixels[..., 3] > 200
        assert 0.01 < solid.mean() < 0.8
        upper = pixels[:64][solid[:64]]
        if len(upper):
            green.append(np.median(upper[:, 1] - upper[:, 2]) > 0)
        steps = np.abs(np.diff(solid.astype(int), axis=1)).sum()
        ragged.append(steps / (2 * np.sqrt(4 * solid.sum() / np.pi)))  # against a disc's rows
    assert np.mean(green) > 0.6 and np.median(ragged) > 2


def test_a_scene_of_a_plant_is_its_parts_put_together() -> None:
    for seed in range(4):
        scene = make_scene(np.random.default_rng(seed), Library(), 96, {"plant": 1.0})
        assert scene.foreground is not None and scene.background is not None
        alpha = np.asarray(scene.alpha)[..., None] / 255.0
        f, b = (np.asarray(p, dtype=float) for p in (scene.foreground, scene.background))
        made = alpha * f + (1 - alpha) * b
        assert np.abs(made - np.asarray(scene.image)).max() <= 1
