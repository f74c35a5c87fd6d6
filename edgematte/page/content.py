"""What a report shows of one bundle: its manifest, its times here, and its mattes."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from edgematte.arrays import Bytes, Floats
from edgematte.bench import Bench, bench
from edgematte.errors import EdgematteError, EngineError, OptionError
from edgematte.manifest import Manifest
from edgematte.pictures import composite
from edgematte.runtime.bundle import open_bundle
from edgematte.runtime.load import load
from edgematte.runtime.proof.goldens import read

SHOWN_PX = 560  # longest side of a picture on the page
CHECKER_PX, LIGHT, DARK = 12, 255, 205
GAIN = 10.0  # errors are drawn so many times as bright
RUNS = 5


@dataclass(frozen=True)
class Shown:
    """One picture with its matte, as data URIs; `error` is a map against the reference's alpha.

    `worst` and `mean` are of that error, in [0, 1].
    """

    name: str
    picture: str
    alpha: str
    cutout: str
    error: str = ""
    worst: float = 0.0
    mean: float = 0.0


@dataclass(frozen=True)
class Content:
    """Everything that the page says of a bundle.

    `missing` says why it could not be run here; then `timed` is None and `shown` is empty.
    """

    name: str
    manifest: Manifest
    sizes: dict[str, int]
    timed: Bench | None = None
    shown: tuple[Shown, ...] = ()
    missing: str = ""
    notes: tuple[str, ...] = field(default_factory=tuple)


def content_of(
    path: Path | str | None, pictures: Sequence[tuple[str, Bytes]] = (), engine: str | None = None
) -> Content:
    """Open a bundle, run it on its own check picture and on others, and time it.

    Args:
        path: the bundle; None is the one that ships.
        pictures: names and uint8 (H, W, 3), for bundles that find their own trimap.
        engine: to run it with; by default the bundle's own. Where it is not installed, the page
            has what was measured at export alone.

    Raises:
        BundleError: a missing or damaged bundle.
        EngineError: the engine that was asked for is not here.
        OptionError: pictures for a net that needs a trimap.
    """
    bundle = open_bundle(path)
    manifest = bundle.manifest
    name = bundle.path.name if bundle.unpacked is None else bundle.unpacked.archive.name
    sizes = {graph.name: _bytes(bundle.file(graph)) for graph in manifest.graphs}
    try:
        matter = load(path, engine=engine)
    except EngineError as error:
        if engine is not None:
            raise
        return Content(name, manifest, sizes, missing=str(error))
    needs = matter.variant.net.needs_trimap
    if needs and manifest.trimap_stage is None and pictures:
        raise OptionError(
            f"{name} needs a trimap for every picture: leave pictures out, and it is shown on the "
            "one it was checked with"
        )
    goldens = read(bundle.path, {graph.name: graph for graph in manifest.graphs})
    given = goldens.trimap if needs else None
    shown, notes = [], []
    first = matter(goldens.picture, given)
    shown.append(_shown("The picture of the check", goldens.picture, first.alpha, goldens.alpha))
    for label, picture in pictures:
        try:
            shown.append(_shown(label, picture, matter(picture).alpha))
        except EdgematteError as error:
            notes.append(f"{label}: {error}")
    timed = bench(matter, goldens.picture, RUNS, trimap=given)
    return Content(name, manifest, sizes, timed, tuple(shown), notes=tuple(notes))


def _shown(name: str, picture: Bytes, alpha: Floats, wanted: Floats | None = None) -> Shown:
    grey = Image.fromarray((alpha * 255 + 0.5).astype(np.uint8))
    cut = Image.fromarray(composite(picture, alpha, _checker(picture.shape[:2])))
    made = (_uri(Image.fromarray(picture), "JPEG"), _uri(grey, "PNG"), _uri(cut, "JPEG"))
    if wanted is None:
        return Shown(name, *made)
    apart = np.abs(alpha - wanted)
    error = Image.fromarray(_heat(np.clip(apart * GAIN, 0, 1)))
    return Shown(name, *made, _uri(error, "PNG"), float(apart.max()), float(apart.mean()))


def _checker(shape: tuple[int, ...]) -> Bytes:
    y, x = np.mgrid[: shape[0], : shape[1]] // CHECKER_PX
    grey = np.where((x + y) % 2, LIGHT, DARK).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def _heat(unit: Floats) -> Bytes:
    """Black over red and yellow to white, for values in [0, 1]."""
    ramps = np.stack([unit * 3, unit * 3 - 1, unit * 3 - 2], axis=-1)
    return (np.clip(ramps, 0, 1) * 255).astype(np.uint8)


def _uri(picture: Image.Image, kind: str) -> str:
    picture.thumbnail((SHOWN_PX, SHOWN_PX))
    stream = io.BytesIO()
    picture.save(stream, kind, **({"quality": 85} if kind == "JPEG" else {"optimize": True}))
    data = base64.b64encode(stream.getvalue()).decode()
    return f"data:image/{kind.lower()};base64,{data}"


def _bytes(path: Path) -> int:
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    beside = path.with_suffix(".bin")
    own = path.stat().st_size
    return own + (beside.stat().st_size if path.suffix == ".xml" and beside.is_file() else 0)
