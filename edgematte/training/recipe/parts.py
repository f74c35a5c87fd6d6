"""Samples for networks of a model that are trained separately."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from edgematte.training.batched import scenes
from edgematte.training.batched.resident import Resident
from edgematte.training.pictures.augment import BILINEAR, degrade
from edgematte.training.pictures.crops import make_crop, random_trimap
from edgematte.training.pictures.data import WHOLE, Batch, Rng, Sample, Samples, make_sample
from edgematte.training.pictures.ragged import ragged_scene
from edgematte.training.pictures.scenes import choose
from edgematte.training.pictures.sources import Library

# For the network that looks for the subject: half of the scenes are photographs with an alpha where
# there are any, and plants, which photographs teach to be background. Shares of sources that a
# library lacks go to the others in proportion.
WHOLE_MODES = {"whole": 0.9, "zoomed": 0.1}
WHOLE_SCENES = {"people": 0.15, "pairs": 0.52, "composite": 0.26, "plant": 0.04, "empty": 0.03}
REFINING = {"ragged": 0.35, "subject": 0.35, "free": 0.3}  # the first two have a trimap
FREE = {"whole": 0.3, "zoomed": 0.3, "split": 0.4}  # shares of samples without a trimap
BAND = 1 / 12  # largest radius of a trimap's unknown region, as a share of the crop's side


def make_refining(rng: Rng, library: Library, side_px: int, crop_px: int) -> Sample:
    """A sample for MRN: a crop with a trimap, or a crop and the scene for SN."""
    kind, largest_px = choose(rng, REFINING), round(BAND * crop_px)
    if kind == "free":
        return make_sample(rng, library, side_px, crop_px, FREE)
    if kind == "subject":
        crop = make_crop(rng, library, crop_px, largest_px)
        image, alpha, trimap = crop.image, crop.alpha, crop.trimap
    else:
        scene = ragged_scene(rng, library, crop_px)
        image, alpha = np.asarray(degrade(rng, scene.image)), np.asarray(scene.alpha)
        trimap = random_trimap(rng, alpha, np.asarray(scene.known), largest_px)
    planes = (image, alpha, np.full_like(alpha, 255))
    # No loss uses this scene; batches and the sheet of samples need one.
    size = (side_px, side_px)
    whole = [np.asarray(Image.fromarray(plane).resize(size, BILINEAR)) for plane in planes]
    return Sample(whole[0], whole[1], whole[2], *planes, WHOLE, trimap)


def make_scene_alone(rng: Rng, library: Library, side_px: int, crop_px: int) -> Sample:
    """A sample with a whole scene, or a part of one, and no crop."""
    return make_sample(rng, library, side_px, side_px, WHOLE_MODES, WHOLE_SCENES)


def whole_scenes_batched(
    there: Resident, side_px: int, crop_px: int, seed: int, indices: Sequence[int]
) -> Batch:
    """Scenes for a network that looks for the subject, composed on the device."""
    return scenes.whole_scenes(there, WHOLE_SCENES, side_px, seed, indices)


def refining_crops_batched(
    there: Resident, side_px: int, crop_px: int, seed: int, indices: Sequence[int]
) -> Batch:
    """Crops for MRN, composed on the device; those without a trimap are scenes of their size."""
    return scenes.crops(there, crop_px, round(BAND * crop_px), seed, indices)


def whole_scenes(library: Library, side_px: int, crop_px: int, seed: int) -> Samples:
    """Endless scenes for a network that looks for the subject: SN, the coarse net."""
    return Samples(library, side_px, crop_px, seed, make_scene_alone)


def refining_crops(library: Library, side_px: int, crop_px: int, seed: int) -> Samples:
    """Endless crops for MRN."""
    return Samples(library, side_px, crop_px, seed, make_refining)
