"""The metrics of a video: does the matte move as its reference does?"""

from collections.abc import Iterable, Iterator
from itertools import zip_longest

import numpy as np
import numpy.typing as npt

from edgematte.errors import PictureError
from edgematte.metrics.pair import Alpha, Region, check_pair


def dtssd(
    frames: Iterable[Alpha],
    reference_frames: Iterable[Alpha],
    regions: Iterable[Region] | None = None,
) -> float:
    """dtSSD: 100 x the mean over pairs of frames of the RMS difference of the two motions.

    For each pair (t - 1, t): sqrt(mean(((a_t - a_t-1) - (r_t - r_t-1))^2)) over the region of
    frame t - 1. Erofeev et al. 2015 sum where this takes the mean; the mean and the factor of 100
    are RobustVideoMatting's evaluation, which has no regions. Its spreadsheet also averages in a 0
    for the first of T frames, so its figure is (T - 1) / T of this one; MaGGIe's takes one root of
    the sum over a whole clip.

    frames, reference_frames: as many, two at least, floating (H, W) in [0, 1], of one shape; read
    once and in step, so generators do. regions: a bool (H, W) a frame, None for every pixel.
    A pair whose region is empty counts as 0. Raises PictureError for anything else.
    """
    motions = _motion_differences(frames, reference_frames, regions)
    return 100 * _mean([float(np.sqrt(np.square(m).sum() / max(1, m.size))) for m in motions])


def sad_t(
    frames: Iterable[Alpha],
    reference_frames: Iterable[Alpha],
    regions: Iterable[Region] | None = None,
) -> float:
    """SAD of the motion: the mean over pairs of frames of SAD between temporal differences.

    For each pair (t - 1, t): sum(|(a_t - a_t-1) - (r_t - r_t-1)|) / 1000 over the region of frame
    t - 1; the L1 companion of `dtssd`, in the unit of `sad`. No paper's table is known to use it.

    Takes and refuses what `dtssd` does.
    """
    motions = _motion_differences(frames, reference_frames, regions)
    return _mean([float(np.abs(m).sum()) / 1000 for m in motions])


def _mean(values: list[float]) -> float:
    if not values:
        raise PictureError("a temporal metric needs at least two frames, got fewer")
    return sum(values) / len(values)


def _motion_differences(
    frames: Iterable[Alpha],
    reference_frames: Iterable[Alpha],
    regions: Iterable[Region] | None,
) -> Iterator[npt.NDArray[np.float64]]:
    """For each pair of frames, alpha's change less the reference's, of the counted pixels."""
    upcoming = None if regions is None else iter(regions)
    before: npt.NDArray[np.float64] | None = None
    counted: Region | None = None
    for index, (frame, reference) in enumerate(zip_longest(frames, reference_frames)):
        region = None if upcoming is None else next(upcoming, None)
        missing = frame is None or reference is None
        if missing or (upcoming is not None and region is None):
            raise PictureError(
                "frames, reference_frames and regions must be as many as each other; "
                f"one of them ends before frame {index}"
            )
        check_pair(frame, reference, region)
        error = np.subtract(frame, reference, dtype=np.float64)
        if before is not None:
            if error.shape != before.shape:
                raise PictureError(
                    f"frames must have one shape, got {before.shape} then {error.shape} "
                    f"at frame {index}"
                )
            motion = error - before
            yield motion if counted is None else motion[counted]
        before, counted = error, region
