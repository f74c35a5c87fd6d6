import numpy as np
import pytest
from PIL import Image

from edgematte.training.pictures import scenes
from edgematte.training.pictures.augment import affine, colour, turn_hue
from edgematte.training.pictures.scenes import choose, composite_scene
from edgematte.training.pictures.sources import Library


def test_two_subjects_are_combined_as_alpha_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """alpha = a + (1 - a) b, checked against the formula in floating point."""
    front, behind = (
        Image.new("RGBA", (2, 2), (200, 0, 0, 128)),
        Image.new("RGBA", (2, 2), (0, 100, 0, 64)),
    )
    drawn = iter([front, behind])
    patch = {
        "subject_scene": lambda *_: next(drawn),
        "colour": lambda _, picture: picture,
        "SECOND": 1.0,
        "background_scene": lambda *_: Image.new("RGB", (2, 2), (0, 0, 250)),
    }
    for name, value in patch.items():
        monkeypatch.setattr(scenes, name, value)
    scene = composite_scene(np.random.default_rng(0), Library(), 2)
    a, b = 128 / 255, 64 / 255
    both = a + (1 - a) * b
    pixel = a * np.array([200, 0, 0]) + (1 - a) * (b * np.array([0, 100, 0]))
    pixel = pixel + (1 - both) * np.array([0, 0, 250])
    assert abs(np.asarray(scene.alpha)[0, 0] / 255 - both) < 1 / 255
    assert np.abs(np.asarray(scene.image)[0, 0] - pixel).max() <= 2  # rounded twice


def test_what_is_missing_leaves_its_share_to_the_others() -> None:
    rng = np.random.default_rng(0)
    drawn = [choose(rng, {"a": 0.9, "b": 0.05, "c": 0.05}, ["a"]) for _ in range(200)]
    assert set(drawn) == {"b", "c"} and 60 < drawn.count("b") < 140


def test_hues_turn_and_greys_stay() -> None:
    picture = Image.new("RGB", (2, 1), (200, 0, 0))
    picture.putpixel((1, 0), (90, 90, 90))
    turned = turn_hue(picture, 120)
    red, green, blue = np.asarray(turned)[0, 0].astype(int)
    assert green > 190 and red < 10 and blue < 10  # of 256 hues
    assert turned.getpixel((1, 0)) == (90, 90, 90)


def test_colours_change_and_alpha_stays(library: Library) -> None:
    picture = library.cutouts[0][0]
    changed = colour(np.random.default_rng(1), picture)
    assert changed.getchannel("A").tobytes() == picture.getchannel("A").tobytes()
    assert not changed.tobytes() == picture.tobytes()


def test_an_affine_picture_is_whole_and_turned() -> None:
    picture = Image.new("RGBA", (40, 20), (255, 255, 255, 255))
    upright = affine(picture, 90, 0.0)
    assert abs(upright.width - 20) <= 1 and abs(upright.height - 40) <= 1
    for angle, shear in ((0, 0.5), (30, -0.2), (200, 0.1)):
        area = np.asarray(affine(picture, angle, shear))[..., 3].sum() / 255
        assert abs(area - 800) < 40  # neither turning nor shearing changes it, but at its edge
    same = affine(picture, 0, 0)
    assert same.size == picture.size and same.tobytes() == picture.tobytes()
