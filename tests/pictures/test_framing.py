"""Cropping to a subject and scaling into a size, on arrays whose answer is written down here."""

import numpy as np
import pytest

from edgematte.errors import OptionError, PictureError
from edgematte.pictures.framing import SHOWN, Framing, Margin, framed, parse_margin, subject_box

RANDOM = np.random.default_rng(0)


def subject(height: int = 40, width: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Noise, an alpha of 1 in rows 10 to 19 and columns 20 to 49, and a trimap."""
    colours = RANDOM.integers(0, 256, (height, width, 3), np.uint8)
    alpha = np.zeros((height, width), np.float32)
    alpha[10:20, 20:50] = 1
    return colours, alpha, (alpha * 255).astype(np.uint8)


def test_the_box_holds_every_pixel_that_is_seen() -> None:
    alpha = subject()[1]
    assert subject_box(alpha) == (20, 10, 50, 20)
    alpha[2, 3] = SHOWN
    alpha[39, 59] = SHOWN / 2
    assert subject_box(alpha) == (3, 2, 50, 20)
    with pytest.raises(PictureError, match="no subject was found to crop to"):
        subject_box(np.zeros((4, 5), np.float32))


def test_a_margin_is_in_pixels_or_of_the_longer_side_and_ends_at_the_picture() -> None:
    alpha = subject()[1]
    assert subject_box(alpha, parse_margin("4")) == subject_box(alpha, parse_margin("4px"))
    assert subject_box(alpha, Margin(4)) == (16, 6, 54, 24)
    assert subject_box(alpha, parse_margin("10%")) == (17, 7, 53, 23)
    assert subject_box(alpha, parse_margin("12.5%")) == (16, 6, 54, 24)
    assert subject_box(alpha, Margin(12)) == (8, 0, 60, 32)


@pytest.mark.parametrize("text", ["", "-1", "4.5", "4 pixels", "%", "-2%", "nan%", "1e9", "inf"])
def test_margins_that_are_none(text: str) -> None:
    with pytest.raises(OptionError, match="should be pixels or a share"):
        parse_margin(text)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_a_crop_keeps_values_to_the_bit(kind: type) -> None:
    colours, alpha, trimap = subject()
    colours = (colours * 1.5).astype(kind)
    shown = framed(Framing(crop=True, margin=Margin(1)), colours, alpha, trimap)
    place = slice(9, 21), slice(19, 51)
    assert shown.box == (19, 9, 51, 21) and shown.colours.dtype == kind
    np.testing.assert_array_equal(shown.colours, colours[place])
    np.testing.assert_array_equal(shown.alpha, alpha[place])
    np.testing.assert_array_equal(shown.trimap, trimap[place])


def test_what_is_scaled_fits_keeps_its_proportions_and_lies_in_the_middle() -> None:
    shown = framed(Framing(crop=True, size=(60, 60)), *subject())
    assert shown.colours.shape == (60, 60, 3) and shown.trimap.shape == (60, 60)
    # 30x10, twice as large, is 60x20: rows 20 to 39
    inside = np.zeros((60, 60), np.float32)
    inside[20:40] = 1
    np.testing.assert_allclose(shown.alpha, inside, atol=1e-6)
    np.testing.assert_array_equal(shown.trimap, inside * 255)
    assert not shown.colours[:20].any() and shown.colours[20:40].any()
    same = framed(Framing(size=(60, 40)), *subject())
    np.testing.assert_array_equal(same.alpha, subject()[1])


def test_no_colour_of_the_background_comes_into_scaled_edges() -> None:
    """A red subject on green: its soft edge stays red, unless the colours are asked to be kept."""
    _, alpha, trimap = subject()
    colours = np.where(alpha[..., None] > 0, (200, 0, 0), (0, 200, 0)).astype(np.uint8)
    clean = framed(Framing(size=(23, 17)), colours, alpha, trimap)
    soft = (clean.alpha > 0.05) & (clean.alpha < 0.95)
    assert soft.any()
    # Bicubic weights are rounded by the levels of a byte alone: numerator and weight go together.
    assert np.abs(clean.colours[soft].astype(int) - (200, 0, 0)).max() <= 1
    kept = framed(Framing(size=(23, 17)), colours, alpha, trimap, keep_colour=True)
    assert kept.colours[soft][:, 1].max() > 50


def test_sides_that_are_none_are_refused() -> None:
    with pytest.raises(OptionError, match="size 0: a whole number of pixels from 1 to"):
        Framing(size=(0, 5))
