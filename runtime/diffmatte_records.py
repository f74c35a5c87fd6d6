"""DiffMatte's host steps as functions of named arrays, for golden records and ports of the host.

``noisy``, ``matte``, ``mattes`` and ``frame_mattes`` are bytes here: (value - 128) / 64.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgematte.manifest import Host
from edgematte.runtime import diffmatte_frames as framing
from edgematte.runtime import diffmatte_steps as host_side
from edgematte.runtime.diffusion import advance, schedule, standardised
from edgematte.runtime.noise import noise
from edgematte.runtime.patches import Patch, window
from edgematte.runtime.pipeline import Step
from edgematte.runtime.resize import resize_picture
from edgematte.runtime.sizes import host_for

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Boxes = NDArray[np.int32]
Arrays = dict[str, NDArray[Any]]


def host_steps(host: Host) -> dict[str, Step]:
    """Every host step by name; those of frames read ``frame_box``, a row of ``frames``."""
    host_side.check_host(host)
    assert host.steps is not None and host.seed is not None
    seed = host.seed
    intervals = schedule(host.steps)

    def sized(trimap: Bytes) -> Host:
        return host_for(host, (trimap.shape[1], trimap.shape[0]))

    def frame(picture: Bytes, trimap: Bytes) -> Arrays:
        used = framing.used_frame((picture.shape[1], picture.shape[0]), sized(trimap)).used
        small = host_side.reduced_trimap(trimap, used)
        return {"framed": resize_picture(picture, used), "framed_trimap": small}

    def draw(framed_trimap: Bytes) -> Arrays:
        return {"noise": noise(seed, *framed_trimap.shape)}

    def frames(framed_trimap: Bytes) -> Arrays:
        found = framing.frames(framed_trimap, sized(framed_trimap))
        run = [framing.runs(host, framed_trimap, f) for f in found]
        boxes = [(f.left, f.top, f.side, f.height) for f in found]
        return {"frames": np.array(boxes, np.int32), "run": np.array(run)}

    def condition(framed: Bytes, framed_trimap: Bytes, noisy: Bytes, frame_box: Boxes) -> Arrays:
        place = _patch(frame_box)
        inside = window(framed_trimap, place)
        shown = window(framed, place)
        planes = host_side.condition(shown, inside, sized(framed_trimap).size)
        height, width = inside.shape
        planes[0, 6, :height, :width] = window(standardised(_signed(noisy)), place)
        return {"condition": planes[0]}

    def step(noisy: Bytes, matte: Bytes) -> Arrays:
        middle = intervals[len(intervals) // 2]
        return {"advanced": advance(_signed(noisy), _signed(matte), middle)}

    def finish(matte: Bytes, trimap: Bytes) -> Arrays:
        where = framing.used_frame((trimap.shape[1], trimap.shape[0]), sized(trimap))
        return {"alpha": host_side.alpha_of(_signed(matte), trimap, where, host)}

    def tiles(framed_trimap: Bytes, frame_box: Boxes) -> Arrays:
        inside = window(framed_trimap, _patch(frame_box))
        found = host_side.unknown_tiles(inside, sized(framed_trimap))
        places = [(t.left, t.top, t.side) for t in found]
        return {"tiles": np.array(places, np.int32).reshape(-1, 3)}

    def stitch(tiles: Boxes, mattes: Bytes, framed_trimap: Bytes, frame_box: Boxes) -> Arrays:
        inside = window(framed_trimap, _patch(frame_box))
        places, known = [_patch(row) for row in tiles], sized(framed_trimap)
        return {"stitched": host_side.stitched(places, list(_signed(mattes)), inside, known)}

    def join(
        frames: Boxes, run: NDArray[np.bool_], frame_mattes: Bytes, framed_trimap: Bytes
    ) -> Arrays:
        places = [_patch(row) for row in frames]
        mattes = [m if ran else None for m, ran in zip(_signed(frame_mattes), run, strict=True)]
        found = framing.joined(places, mattes, framed_trimap, sized(framed_trimap))
        return {"joined": found}

    steps: dict[str, Step] = {"frame": frame, "noise": draw}
    if host.context is not None:
        steps |= {"frames": frames, "condition": condition, "advance": step, "finish": finish}
        steps |= {} if host.cut == "whole" else {"tiles": tiles, "stitch": stitch}
        return steps | {"join": join}
    only = np.array([0, 0, *host.size], np.int32)  # larger pictures are reduced to one frame

    def only_condition(framed: Bytes, framed_trimap: Bytes, noisy: Bytes) -> Arrays:
        return {"condition": condition(framed, framed_trimap, noisy, only)["condition"]}

    def only_tiles(framed_trimap: Bytes) -> Arrays:
        return {"tiles": tiles(framed_trimap, only)["tiles"]}

    def only_stitch(tiles: Boxes, mattes: Bytes, framed_trimap: Bytes) -> Arrays:
        return {"stitched": stitch(tiles, mattes, framed_trimap, only)["stitched"]}

    steps |= {"condition": only_condition, "advance": step, "finish": finish}
    return steps | ({} if host.cut == "whole" else {"tiles": only_tiles, "stitch": only_stitch})


def _patch(row: Boxes) -> Patch:
    return Patch(*(int(n) for n in row))


def _signed(recorded: Bytes) -> Floats:
    return (recorded.astype(np.float32) - np.float32(128)) / np.float32(64)
