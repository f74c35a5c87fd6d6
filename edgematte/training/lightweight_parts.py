"""The lightweight net's two networks trained apart: what each of them is shown."""

import numpy as np
from PIL import Image

from edgematte.training.augment import BILINEAR
from edgematte.training.crops import make_crop
from edgematte.training.data import WHOLE, Rng, Sample, Samples, make_sample
from edgematte.training.sources import Library

WHOLE_SCENES = {"whole": 0.85, "zoomed": 0.15}
GIVEN = 0.6  # share of MRN's crops that come with a trimap
CROPS = {"whole": 0.3, "zoomed": 0.3, "split": 0.4}  # shares of the others
BAND = 1 / 12  # of a crop's side: how far a trimap's unknown region reaches at most


def make_refining(rng: Rng, library: Library, side_px: int, crop_px: int) -> Sample:
    """What MRN is shown: a crop with a trimap, or one with a scene for SN to look at."""
    if rng.random() >= GIVEN:
        return make_sample(rng, library, side_px, crop_px, CROPS)
    crop = make_crop(rng, library, crop_px, round(BAND * crop_px))
    known = np.full_like(crop.alpha, 255)
    planes = (crop.image, crop.alpha, known)
    # The scene is not looked at: it is there so that samples can be stacked.
    size = (side_px, side_px)
    scene = [np.asarray(Image.fromarray(plane).resize(size, BILINEAR)) for plane in planes]
    return Sample(scene[0], scene[1], scene[2], *planes, WHOLE, crop.trimap)


def make_segmenting(rng: Rng, library: Library, side_px: int, crop_px: int) -> Sample:
    """What SN is shown: whole scenes, or parts of them, at one size; no crops for MRN."""
    return make_sample(rng, library, side_px, side_px, WHOLE_SCENES)


def sn_samples(library: Library, side_px: int, crop_px: int, seed: int) -> Samples:
    """Endless scenes for SN."""
    return Samples(library, side_px, crop_px, seed, make_segmenting)


def mrn_samples(library: Library, side_px: int, crop_px: int, seed: int) -> Samples:
    """Endless crops for MRN."""
    return Samples(library, side_px, crop_px, seed, make_refining)
