"""For nets with a state: consecutive frames, each of which sees what the frames before left."""

import numpy as np

from edgematte.arrays import Bytes, Floats
from edgematte.errors import BundleError
from edgematte.manifest import Difference
from edgematte.runtime.clips.stream import stream
from edgematte.runtime.pipeline import Sourced
from edgematte.runtime.proof.difference import difference
from edgematte.runtime.proof.tolerances import Tolerance

FRAMES = 4
STEP_PX = 12


def frames_of(picture: Bytes) -> list[Bytes]:
    """A clip of a picture (H, W, 3) that moves to the right; what leaves it comes in at the left.

    A record holds the alphas of its frames alone.
    """
    return [np.roll(picture, STEP_PX * number, axis=1) for number in range(FRAMES)]


def compare_clip(
    alphas: Floats, picture: Bytes, pipeline: Sourced, engine: str, tolerance: Tolerance | None
) -> list[Difference]:
    """Alpha of every frame against the recorded ones (FRAMES, H, W); one row a frame."""
    if len(alphas) != FRAMES:
        raise BundleError(f"the golden record has a clip of {len(alphas)} frames, not {FRAMES}")
    mattes = stream(pipeline, frames_of(picture))
    return [
        difference("end-to-end", f"alpha, frame {n}", engine, matte.alpha, expected, tolerance)
        for n, (matte, expected) in enumerate(zip(mattes, alphas, strict=True), 1)
    ]
