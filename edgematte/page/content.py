"""What a report shows of one bundle: its manifest, its times here, and its mattes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgematte.arrays import Bytes
from edgematte.bench import Bench, bench
from edgematte.errors import EdgematteError, EngineError, OptionError
from edgematte.manifest import Manifest
from edgematte.page.curve import Point, curve
from edgematte.page.shown import Shown, shown
from edgematte.runtime.bundle import open_bundle
from edgematte.runtime.load import load
from edgematte.runtime.proof.goldens import read

RUNS = 5


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
    curve: tuple[Point, ...] = ()
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
    name = bundle.shown.name
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
    mattes, notes = [], []
    first = matter(goldens.picture, given)
    mattes.append(shown("The picture of the check", goldens.picture, first.alpha, goldens.alpha))
    for label, picture in pictures:
        try:
            mattes.append(shown(label, picture, matter(picture).alpha))
        except EdgematteError as error:
            notes.append(f"{label}: {error}")
    timed = bench(matter, goldens.picture, RUNS, trimap=given)
    points = curve(matter, goldens.picture, given, goldens.alpha, goldens.trimap)
    return Content(name, manifest, sizes, timed, tuple(mattes), points, notes=tuple(notes))


def _bytes(path: Path) -> int:
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    beside = path.with_suffix(".bin")
    own = path.stat().st_size
    return own + (beside.stat().st_size if path.suffix == ".xml" and beside.is_file() else 0)
