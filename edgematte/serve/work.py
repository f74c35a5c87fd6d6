"""The work on one picture, in three parts: taking it, matting it, giving the result's file."""

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgematte.arrays import Bytes
from edgematte.errors import (
    EdgematteError,
    OptionError,
    PictureError,
    PictureSizeError,
)
from edgematte.pictures import alpha_bytes, composite, cutout, encode, open_picture
from edgematte.pictures.cutouts import colour_picture, fit_background
from edgematte.pictures.masks import read_mask_for
from edgematte.pictures.reading import Picture, Sent
from edgematte.pictures.trimaps import read_trimap_for
from edgematte.runtime.matte import Matte
from edgematte.runtime.matter import Matter
from edgematte.serve.jobs import FORMATS, MEDIA, Answer, Box, Job, Refusal


@dataclass(frozen=True)
class Taken:
    """A job whose files are decoded."""

    job: Job
    picture: Picture
    trimap: Bytes | None  # (H, W)
    mask: NDArray[Any] | None  # (h, w)
    notes: tuple[str, ...]
    seconds: float


def take(job: Job) -> Taken:
    """Decode the files of a job.

    Raises:
        PictureSizeError: one has more pixels than the job allows.
        PictureError: one is no picture, or of no format that is read of clients.
    """
    start = time.perf_counter()
    picture = open_picture(_sent(job.picture, job), "the picture", depth=False)
    trimap, mask, notes = None, None, picture.notes
    if job.trimap is not None:
        trimap, more = read_trimap_for(_sent(job.trimap, job), picture, "the trimap")
        notes += more
    if job.mask is not None:
        mask, more = read_mask_for(_sent(job.mask, job), picture, "the mask")
        notes += more
    if job.reduce_to is not None:
        picture = _reduced(picture, job.reduce_to)
    return Taken(job, picture, trimap, mask, notes, time.perf_counter() - start)


def matte(matter: Matter, taken: Taken) -> Matte:
    """The matte of a job; errors as of :class:`edgematte.Matter`."""
    return matter(taken.picture, taken.trimap, mask=taken.mask)


def give(taken: Taken, matte: Matte, shared_with: int = 0) -> Answer:
    """The result's file.

    Raises:
        OptionError: the format cannot hold a picture of this size.
    """
    start, job, picture = time.perf_counter(), taken.job, taken.picture
    kind = job.kind or ("JPEG" if job.background or matte.alpha.min() == 1 else "PNG")
    if job.write == "alpha":
        array: NDArray[Any] = alpha_bytes(matte.alpha)
    elif job.write == "trimap":
        array = matte.trimap
    elif job.background is not None or kind == "JPEG":  # which holds no alpha: on white
        profile, size = picture.profile, (matte.alpha.shape[1], matte.alpha.shape[0])
        behind = colour_picture(job.background or (255, 255, 255), "of the answer")
        fitted = fit_background(behind, size, profile)
        array = composite(picture.pixels, matte.alpha, fitted, linear=True, profile=profile)
    else:
        array = cutout(picture.pixels, matte.alpha)
    content = encode(array, kind, picture.profile)
    notes = taken.notes
    if matte.odd_trimap_pixels:
        notes += (
            f"the trimap has {matte.odd_trimap_pixels} pixels that are not 0, 128 or 255; below 85 "
            "was read as background, from 170 as foreground",
        )
    seconds = {"decode": taken.seconds, **matte.timings, "encode": time.perf_counter() - start}
    height, width = matte.alpha.shape
    box = _box(matte)
    return Answer(content, MEDIA[kind], width, height, box, seconds, notes, shared_with)


def refusal_of(error: BaseException) -> Refusal | None:
    """How an error of a job is answered; None for one that nobody foresaw."""
    if isinstance(error, PictureSizeError):
        return Refusal(413, str(error))
    if isinstance(error, PictureError):
        return Refusal(422, str(error))
    if isinstance(error, OptionError):
        return Refusal(400, str(error))
    if isinstance(error, EdgematteError):
        return Refusal(500, str(error))
    if isinstance(error, MemoryError):
        return Refusal(503, "there is not enough memory for this picture now: send it again later")
    return None


def _sent(content: bytes, job: Job) -> Sent:
    return Sent(content, job.max_pixels, FORMATS)


def _reduced(picture: Picture, pixels: int) -> Picture:
    """The picture with so many pixels at most, of the same proportions."""
    height, width = picture.pixels.shape[:2]
    share = (pixels / (width * height)) ** 0.5
    if share >= 1:
        return picture
    size = max(1, int(width * share)), max(1, int(height * share))
    how = Image.Resampling.LANCZOS
    small = np.array(Image.fromarray(picture.pixels).resize(size, how))
    alpha = picture.alpha
    if alpha is not None:
        alpha = np.array(Image.fromarray(alpha).resize(size, how))
    return replace(picture, pixels=small, alpha=alpha)


def _box(matte: Matte) -> Box | None:
    """The smallest box around what is not clear in 8 bits."""
    seen = alpha_bytes(matte.alpha) > 0
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    if not len(rows):
        return None
    left, top = int(columns[0]), int(rows[0])
    return left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1
