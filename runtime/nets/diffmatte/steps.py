"""DiffMatte's host steps, declared for records, checks and ports of the host side.

Noisy mattes and the mattes that graphs answer with are recorded as bytes: (value - 128) / 64.
"""

import numpy as np
from numpy.typing import NDArray

from edgematte.arrays import Bytes, Floats
from edgematte.runtime.host.made import Pool, row_of
from edgematte.runtime.host.patches import Patch, boxes, window
from edgematte.runtime.host.resize import resize_picture
from edgematte.runtime.host.steps import ALPHA, PICTURE, RUN, TRIMAP, Array, Arrays, HostStep, Steps
from edgematte.runtime.nets.diffmatte import frames as framing
from edgematte.runtime.nets.diffmatte import planes
from edgematte.runtime.nets.diffmatte.diffusion import advance, schedule, standardised
from edgematte.runtime.nets.diffmatte.host import DiffusionHost, TilesHost
from edgematte.runtime.nets.diffmatte.noise import noise

Boxes = NDArray[np.int32]

SIGNED = "value * 64 + 128"


def _noisy(pool: Pool) -> Bytes:
    row, column = np.indices(pool["framed_trimap"].shape)
    return np.asarray((row * 29 + column * 53) % 256, np.uint8)


def _matte(pool: Pool) -> Bytes:
    row, column = np.indices(pool["framed_trimap"].shape)
    return np.asarray((row // 2 + column // 4) % 256, np.uint8)


def _frame_mattes(pool: Pool) -> Bytes:
    frames = pool["frames"]
    number, row, column = np.indices((len(frames), frames[0, 3], frames[0, 2]))
    return np.asarray((row // 2 + column // 4 + 16 * number) % 256, np.uint8)


def _mattes(pool: Pool) -> Bytes:
    tiles = pool["tiles"]
    number, row, _ = np.indices((len(tiles), tiles[0, 2], tiles[0, 2]))
    return np.asarray((row + row // 2 + 16 * number) % 256, np.uint8)


FRAMED = Array(
    "framed",
    "(h, w, 3)",
    "uint8",
    note="reduced where there is no context and it is larger",
    fixed=True,
)
FRAMED_TRIMAP = Array("framed_trimap", "(h, w)", "uint8")
NOISE = Array("noise", "(h, w)", every=(4, 4), note="from the seed, as noise.py says")
FRAMES = Array("frames", "(n, 4)", "int32", note="left, top, width, height")
FRAME_BOX = Array(
    "frame_box", "(4,)", "int32", note="a row of frames", made=row_of("frames", "run")
)
FRAME_MATTES = Array("frame_mattes", "(n, height, width)", "uint8", note=SIGNED, made=_frame_mattes)
NOISY = Array("noisy", "(h, w)", "uint8", note=SIGNED, made=_noisy)
CONDITION = Array("condition", "(7, height, width)", every=(1, 8, 8))
MATTE = Array("matte", "(h, w)", "uint8", note=SIGNED, made=_matte)
ADVANCED = Array("advanced", "(h, w)", every=(4, 4), note="noisy after the middle one of the steps")
TILES = Array("tiles", "(n, 3)", "int32", note="left, top, side, inside the frame")
MATTES = Array("mattes", "(n, side, side)", "uint8", note=SIGNED, made=_mattes)
STITCHED = Array("stitched", "(h, w)", every=(4, 4), note="of the frame")
JOINED = Array("joined", "(h, w)", every=(4, 4))


def frame(host: DiffusionHost, picture: Bytes, trimap: Bytes) -> Arrays:
    """The picture as the graphs see it: at its own size, or reduced where there is no context."""
    used = framing.used_frame((picture.shape[1], picture.shape[0]), _sized(host, trimap)).used
    small = planes.reduced_trimap(trimap, used)
    return {"framed": resize_picture(picture, used), "framed_trimap": small}


def draw(host: DiffusionHost, framed_trimap: Bytes) -> Arrays:
    """The noise that the diffusion starts from."""
    return {"noise": noise(host.seed, *framed_trimap.shape)}


def frames(host: DiffusionHost, framed_trimap: Bytes) -> Arrays:
    """Where frames lie in a larger picture, and on which of them the graphs run."""
    places = framing.frames(framed_trimap, _sized(host, framed_trimap))
    run = [framing.runs(host, framed_trimap, place) for place in places]
    return {"frames": boxes(places, tall=True), "run": np.array(run, np.bool_)}


def condition(
    host: DiffusionHost, framed: Bytes, framed_trimap: Bytes, noisy: Bytes, frame_box: Boxes
) -> Arrays:
    """What the denoiser sees of a frame."""
    place = Patch.of(frame_box)
    inside = window(framed_trimap, place)
    size = _sized(host, framed_trimap).size
    seen = planes.condition(window(framed, place), inside, size)
    height, width = inside.shape
    seen[0, 6, :height, :width] = window(standardised(_signed(noisy)), place)
    return {"condition": seen[0]}


def only_condition(
    host: DiffusionHost, framed: Bytes, framed_trimap: Bytes, noisy: Bytes
) -> Arrays:
    """The same where larger pictures are reduced to one frame."""
    return condition(host, framed, framed_trimap, noisy, _only(host))


def step(host: DiffusionHost, noisy: Bytes, matte: Bytes) -> Arrays:
    """From one step to the next."""
    intervals = schedule(host.steps)
    middle = intervals[len(intervals) // 2]
    return {"advanced": advance(_signed(noisy), _signed(matte), middle)}


def finish(host: DiffusionHost, matte: Bytes, trimap: Bytes) -> Arrays:
    """Alpha of the picture from the last matte."""
    where = framing.used_frame((trimap.shape[1], trimap.shape[0]), _sized(host, trimap))
    return {"alpha": planes.alpha_of(_signed(matte), trimap, where, host)}


def tiles(host: TilesHost, framed_trimap: Bytes, frame_box: Boxes) -> Arrays:
    """The tiles of a frame that are denoised."""
    inside = window(framed_trimap, Patch.of(frame_box))
    return {"tiles": boxes(planes.unknown_tiles(inside, _sized_tiles(host, framed_trimap)))}


def only_tiles(host: TilesHost, framed_trimap: Bytes) -> Arrays:
    """The same where larger pictures are reduced to one frame."""
    return tiles(host, framed_trimap, _only(host))


def stitch(
    host: TilesHost, tiles: Boxes, mattes: Bytes, framed_trimap: Bytes, frame_box: Boxes
) -> Arrays:
    """The matte of a frame from those of its tiles."""
    inside = window(framed_trimap, Patch.of(frame_box))
    places = [Patch.of(row) for row in tiles]
    sized = _sized_tiles(host, framed_trimap)
    return {"stitched": planes.stitched(places, list(_signed(mattes)), inside, sized)}


def only_stitch(host: TilesHost, tiles: Boxes, mattes: Bytes, framed_trimap: Bytes) -> Arrays:
    """The same where larger pictures are reduced to one frame."""
    return stitch(host, tiles, mattes, framed_trimap, _only(host))


def join(
    host: DiffusionHost,
    frames: Boxes,
    run: NDArray[np.bool_],
    frame_mattes: Bytes,
    framed_trimap: Bytes,
) -> Arrays:
    """The matte of the picture from those of its frames."""
    places = [Patch.of(row) for row in frames]
    mattes = [m if ran else None for m, ran in zip(_signed(frame_mattes), run, strict=True)]
    return {"joined": framing.joined(places, mattes, framed_trimap, _sized(host, framed_trimap))}


def _sized(host: DiffusionHost, trimap: Bytes) -> DiffusionHost:
    return host.for_picture((trimap.shape[1], trimap.shape[0]))


def _sized_tiles(host: TilesHost, trimap: Bytes) -> TilesHost:
    return host.for_picture((trimap.shape[1], trimap.shape[0]))


def _only(host: DiffusionHost) -> Boxes:
    return np.array([0, 0, *host.size], np.int32)


def _signed(recorded: Bytes) -> Floats:
    return (recorded.astype(np.float32) - np.float32(128)) / np.float32(64)


def _framed(host: DiffusionHost) -> bool:
    return host.context is not None


def _reduced(host: DiffusionHost) -> bool:
    return host.context is None


IN_FRAMES, IN_ONE = "with context", "without context"
SEEN = (FRAMED, FRAMED_TRIMAP, NOISY)
_FIRST = (
    HostStep("frame", frame, (PICTURE, TRIMAP), (FRAMED, FRAMED_TRIMAP)),
    HostStep("noise", draw, (FRAMED_TRIMAP,), (NOISE,)),
    HostStep("frames", frames, (FRAMED_TRIMAP,), (FRAMES, RUN), _framed, IN_FRAMES),
    HostStep("condition", condition, (*SEEN, FRAME_BOX), (CONDITION,), _framed, IN_FRAMES),
    HostStep("condition", only_condition, SEEN, (CONDITION,), _reduced, IN_ONE),
    HostStep("advance", step, (NOISY, MATTE), (ADVANCED,)),
    HostStep("finish", finish, (MATTE, TRIMAP), (ALPHA,)),
)
_TILES = (
    HostStep("tiles", tiles, (FRAMED_TRIMAP, FRAME_BOX), (TILES,), _framed, IN_FRAMES),
    HostStep("tiles", only_tiles, (FRAMED_TRIMAP,), (TILES,), _reduced, IN_ONE),
    HostStep(
        "stitch", stitch, (TILES, MATTES, FRAMED_TRIMAP, FRAME_BOX), (STITCHED,), _framed, IN_FRAMES
    ),
    HostStep("stitch", only_stitch, (TILES, MATTES, FRAMED_TRIMAP), (STITCHED,), _reduced, IN_ONE),
)
_JOIN = HostStep(
    "join", join, (FRAMES, RUN, FRAME_MATTES, FRAMED_TRIMAP), (JOINED,), _framed, IN_FRAMES
)

STEPS: Steps = {"whole": (*_FIRST, _JOIN), "tiles": (*_FIRST, *_TILES, _JOIN)}
