"""What is done with a mutant of each kind: the ways on which such a file comes into edgematte.

A use ends, or raises EdgematteError. Everything else is a fault.
"""

import contextlib
import io
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import edgematte
from edgematte.cli import main
from edgematte.manifest import FILE
from edgematte.runtime.bundle import DEFAULT, open_bundle
from edgematte.testcard import testcard
from hardship import mutants, seeds, wire

MOST_PX = 250_000  # larger pictures, which a changed header makes, are read and not matted
SOME = 4  # one in so many is also matted and written


@dataclass(frozen=True)
class Kind:
    """One kind of file.

    Args:
        ending: of the file's name.
        share: how many of 10,000 mutants are of this kind.
        seeds: makes the whole files, in a folder that stays.
        mutate: makes a mutant of one.
        use: is called with the mutant's file, its number, and a folder to work in.
    """

    ending: str
    share: int
    seeds: Callable[[Path], Sequence[bytes]]
    mutate: mutants.Mutate
    use: Callable[[Path, int, "Place"], None]


class Place:
    """The folders of a worker, and what it opens once."""

    def __init__(self, folder: Path) -> None:
        """`kept` is for the seeds of all kinds, `out` is emptied before each mutant."""
        self.kept, self.out = folder.parent / "kept", folder / "out"
        self.kept.mkdir(parents=True, exist_ok=True)
        self.fresh()
        self._matter: edgematte.Matter | None = None

    def fresh(self) -> None:
        """Empty the folder of results."""
        shutil.rmtree(self.out, ignore_errors=True)
        self.out.mkdir()

    @property
    def matter(self) -> edgematte.Matter:
        """The default bundle."""
        self._matter = self._matter or edgematte.load(threads=1)
        return self._matter


def picture(file: Path, number: int, place: Place) -> None:
    """Read as `edgematte matte` does; every fourth is matted and written."""
    from edgematte.pictures import cutout, open_picture, write_picture

    found = open_picture(file)
    small = found.pixels.shape[0] * found.pixels.shape[1] <= MOST_PX
    if number % SOME == 0 and small:
        alpha = place.matter(found.image).alpha
        for name in ("cut.png", "cut.webp"):
            write_picture(cutout(found.pixels, alpha), place.out / name, found.profile)


def mask(file: Path, number: int, place: Place) -> None:
    """Read as a trimap or as a mask of a picture."""
    from edgematte.pictures import open_picture
    from edgematte.pictures.masks import read_mask_for
    from edgematte.pictures.trimaps import read_trimap_for

    of = place.kept / "of.png"
    if not of.is_file():
        of.write_bytes(seeds.png()[0])
    shown = open_picture(of)
    if number % 2:
        trimap, _ = read_trimap_for(file, shown)
        if number % SOME == 1:
            place.matter(shown.image, trimap)
        return
    values, _ = read_mask_for(file, shown)
    if values.size <= MOST_PX:
        edgematte.trimap_from_mask(values, (shown.pixels.shape[1], shown.pixels.shape[0]))


def clip(file: Path, number: int, place: Place) -> None:
    """All frames; every fourth is matted to a folder of pictures."""
    from edgematte.clips.reading import Clip
    from edgematte.video import matte_clip

    if number % SOME == 0:
        matte_clip(place.matter, file, place.out / "frames")
        return
    with Clip(file) as found:
        for _ in found.frames():
            pass


def command(*argv: str) -> None:
    """A command, as from a shell; raises what its exit code does not tell."""
    said = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        code = main(argv)
    if code not in (0, 1, 2) or "Traceback" in said.getvalue():
        raise AssertionError(f"{argv[0]} ended with {code}: {said.getvalue()[-300:]}")


def manifest(file: Path, number: int, place: Place) -> None:
    """In a bundle of which every other file is whole."""
    of = DEFAULT if number % 2 == 0 else seeds.imported(place.kept, "onnx")
    bundle = seeds.copied(of, place.out / "m.edgematte", FILE)
    shutil.copyfile(file, bundle / FILE)
    command("info", str(bundle))
    command("sbom", str(bundle))
    edgematte.load(bundle, threads=1)(testcard(40, 30))


def manifests(folder: Path) -> list[bytes]:
    """Of the bundle that ships, and of an imported one: the number's parity says which."""
    return [(bundle / FILE).read_bytes() for bundle in (DEFAULT, seeds.imported(folder, "onnx"))]


def zipped(folder: Path) -> list[bytes]:
    """A bundle in one file."""
    made = shutil.make_archive(str(folder / "b"), "zip", seeds.imported(folder, "onnx"))
    return [Path(made).read_bytes()]


def packed(file: Path, number: int, place: Place) -> None:
    """A bundle in one file, opened and matted with."""
    with edgematte.load(file, threads=1) as matter:
        matter(testcard(40, 30))


RECORDS = ("golden/end_to_end.npz", "golden/host.npz", "golden/matte.npz")


def records(folder: Path) -> list[bytes]:
    """Golden records of an imported bundle."""
    bundle = seeds.imported(folder, "onnx")
    return [(bundle / name).read_bytes() for name in RECORDS]


def record(file: Path, number: int, place: Place) -> None:
    """In a bundle that lists it: compared, and written out for ports."""
    from edgematte.check.engines import check_engines
    from edgematte.check.raw_goldens import write_goldens
    from edgematte.check.run import check_bundle
    from edgematte.runtime.load import matter_from

    name = RECORDS[number % len(RECORDS)]
    place_of = seeds.copied(seeds.imported(place.kept, "onnx"), place.out / "r.edgematte", name)
    shutil.copyfile(file, place_of / name)
    seeds.reseal(place_of)
    bundle = open_bundle(place_of)
    check_bundle(bundle, check_engines(bundle.manifest))
    write_goldens(bundle, place.out / "raw", matter_from(bundle, "onnxruntime"), "onnxruntime")


def weights(file: Path, number: int, place: Place) -> None:
    """A checkpoint of the lightweight net."""
    from edgematte.checkpoint import load_model
    from edgematte.nets import find

    load_model(find("lightweight"), file)


def beside(name: str) -> Callable[[Path, int, Place], None]:
    """JSON beside a checkpoint that is whole."""

    def use(file: Path, number: int, place: Place) -> None:
        whole = place.out / "w.safetensors"
        whole.symlink_to(DEFAULT.parent / "weights" / "lightweight.safetensors")
        shutil.copyfile(file, place.out / name)
        weights(whole, number, place)

    return use


def stored(kind: str) -> Callable[[Path], Sequence[bytes]]:
    """Whole checkpoints."""
    return lambda folder: seeds.checkpoints(folder)[kind]


def onnx_file(file: Path, number: int, place: Place) -> None:
    """Imported as far as its graph is understood; every fourth to a bundle."""
    from edgematte.export.foreign.importer import import_onnx
    from edgematte.export.foreign.options import Given
    from edgematte.export.foreign.understood import understood
    from edgematte.progress import silent

    if number % SOME == 0:
        import_onnx(file, output=place.out / "o.edgematte", kind="matte", scale=1 / 255)
        return
    understood(file, "matte", Given(scale=1 / 255), None, silent)


def graph_of(target: str, name: str) -> Callable[[Path, int, Place], None]:
    """A graph's file in a bundle that lists it, opened and run by its engine or evaluator."""

    def use(file: Path, number: int, place: Place) -> None:
        from edgematte.check.engines import check_engines
        from edgematte.check.run import check_bundle

        of = _bundle(place.kept, target)
        bundle = seeds.copied(of, place.out / "g.edgematte", name)
        shutil.copyfile(file, bundle / name)
        if number % SOME:
            seeds.reseal(bundle)  # else its hash says that it was changed, as it should
        opened = open_bundle(bundle)
        check_bundle(opened, check_engines(opened.manifest))

    return use


def _bundle(folder: Path, target: str) -> Path:
    return (seeds.exported if target == "coreml" else seeds.imported)(folder, target)


def graphs(target: str, name: str) -> Callable[[Path], Sequence[bytes]]:
    """The file of a graph."""
    return lambda folder: [(_bundle(folder, target) / name).read_bytes()]


def plain(make: Callable[[], Sequence[bytes]]) -> Callable[[Path], Sequence[bytes]]:
    """Seeds that need no folder."""
    return lambda _: make()


MIL = "matte.mlpackage/Data/com.apple.CoreML/model.mlmodel"
KINDS: dict[str, Kind] = {
    "png": Kind(".png", 1300, plain(seeds.png), mutants.png, picture),
    "jpeg": Kind(".jpg", 1300, plain(seeds.jpeg), mutants.blindly, picture),
    "webp": Kind(".webp", 1000, plain(seeds.webp), mutants.blindly, picture),
    "tiff": Kind(".tiff", 1300, plain(seeds.tiff), mutants.blindly, picture),
    "gif": Kind(".gif", 700, plain(seeds.gif), mutants.blindly, picture),
    "bmp": Kind(".bmp", 700, plain(seeds.bmp), mutants.blindly, picture),
    "masks": Kind(".png", 900, plain(seeds.masks), mutants.blindly, mask),
    "manifests": Kind(".json", 800, manifests, mutants.manifest, manifest),
    "zips": Kind(".zip", 200, zipped, mutants.archive(), packed),
    "goldens": Kind(".npz", 300, records, mutants.archive(mutants.array), record),
    "safetensors": Kind(".safetensors", 300, stored("safetensors"), mutants.safetensors, weights),
    "pth": Kind(".pth", 300, stored("pth"), mutants.archive(), weights),
    "configs": Kind(".json", 100, stored("configs"), mutants.text, beside("config.json")),
    "cards": Kind(".json", 100, stored("cards"), mutants.text, beside("weights.json")),
    "onnx": Kind(".onnx", 300, lambda f: [seeds.net(f).read_bytes()], wire.protobuf, onnx_file),
    "ir": Kind(
        ".xml",
        100,
        graphs("openvino", "matte.xml"),
        mutants.blindly,
        graph_of("openvino", "matte.xml"),
    ),
    "mil": Kind(".mlmodel", 100, graphs("coreml", MIL), wire.protobuf, graph_of("coreml", MIL)),
    "clips": Kind(".mp4", 200, seeds.clips, mutants.blindly, clip),
}
"""By name; the shares add up to 10,000."""


def made(name: str, number: int, folder: Path, whole: dict[str, Any]) -> bytes:
    """The mutant of a kind with this number; `whole` keeps the seeds from call to call."""
    kind = KINDS[name]
    if name not in whole:
        whole[name] = kind.seeds(folder)
    return mutants.mutant(whole[name], kind.mutate, name, number)
