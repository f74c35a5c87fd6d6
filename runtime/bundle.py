"""Opening a bundle: nothing in it is executed, every file is checked before an engine sees it."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgematte import manifest as manifests
from edgematte.builtin import BUNDLES
from edgematte.errors import BundleError
from edgematte.host import Host
from edgematte.hub import fetch_bundle, is_hub_name
from edgematte.manifest import DTYPES, Graph, Manifest
from edgematte.runtime.engines.colours import check_colours
from edgematte.runtime.paths import inside

if TYPE_CHECKING:
    from edgematte.runtime.archive import Unpacked

PACKAGE = Path(manifests.__file__).parent
SHIPPED = {name: PACKAGE / file for name, file in BUNDLES.items()}
"""The embedded bundles, by the names of their nets."""
DEFAULT = next(iter(SHIPPED.values()))
"""The embedded default: lightweight, split cut, ONNX."""


@dataclass(frozen=True)
class Bundle:
    """A verified bundle on disk.

    `path`: its folder. `unpacked`: what that folder was unpacked from, if the bundle came as a zip;
    the folder is there for as long as this object is.
    """

    path: Path
    manifest: Manifest
    unpacked: "Unpacked | None" = None

    @property
    def shown(self) -> Path:
        """What it was opened from, as people know it: its folder, or the zip file."""
        return self.path if self.unpacked is None else self.unpacked.archive

    def file(self, graph: Graph) -> Path:
        """The file (or folder, for Core ML) of one of its graphs."""
        return self.path / graph.file

    def verify(self) -> None:
        """Compare every file with what was exported, as opening the bundle did.

        Raises:
            BundleError: a file is missing, or is not the one that was exported.
        """
        for name, digest in self.manifest.files.items():
            _verify(self.path, name, digest)


def open_bundle(path: Path | str | None = None) -> Bundle:
    """Read and verify a bundle, a folder or a zip file of one; None is the embedded default.

    A name in `SHIPPED` is the embedded bundle of that net, unless something lies at that path.
    ``hf:OWNER/NAME@REVISION`` is one on the Hugging Face hub, put there by `edgematte publish`; it
    is fetched once, at one commit, and verified as any other.

    The files may be symbolic links, as in the caches of hubs: the file at the end of the link must
    have the manifest's sha256. Names that lead out of the bundle are refused.

    Raises:
        BundleError: it is missing, its manifest does not fit, or a file is missing, edited,
            swapped, or named outside of the bundle.
    """
    if path is not None and is_hub_name(path):
        path = fetch_bundle(str(path))
    folder = DEFAULT if path is None else Path(path)
    if str(path) in SHIPPED and not folder.exists():
        folder = SHIPPED[str(path)]
    if folder.is_file() and is_zip(folder):
        from edgematte.runtime.archive import Unpacked

        unpacked = Unpacked(folder)
        try:
            return replace(_open(unpacked.folder), unpacked=unpacked)
        except BundleError as error:
            raise unpacked.shown(error) from None
    return _open(folder)


def _open(folder: Path) -> Bundle:
    file = folder / manifests.FILE
    if not folder.is_dir():
        raise BundleError(_no_folder(folder))
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        inner = sorted(folder.glob(f"*/{manifests.FILE}"))
        instead = f"; give {inner[0].parent}, which is one" if inner else ""
        raise BundleError(
            f"{folder} has no {manifests.FILE}: it is not a bundle{instead}"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(f"{file} cannot be read ({error})") from None
    manifest = Manifest.from_json(text, str(file))
    bundle = Bundle(folder, manifest)
    bundle.verify()
    for graph in manifest.graphs:
        if not graph.inputs or not graph.outputs:
            raise BundleError(f"{file}: graph {graph.name[:60]!r} takes or gives nothing")
    for part in filter(None, (manifest.host, manifest.trimap_stage)):
        _check_lengths(part, manifest.graphs, file)
        check_colours(part, tuple(g for g in manifest.graphs if manifest.host_of(g) is part))
    for graph in manifest.graphs:
        inside = (n for n in manifest.files if n == graph.file or n.startswith(graph.file + "/"))
        if next(inside, None) is None:
            raise BundleError(
                f"graph {graph.name}: its file {graph.file!r} is not in the file list"
            )
        _check_names(graph, file)
    return bundle


def _no_folder(path: Path) -> str:
    """The sentence for a path that is no folder: what is there instead, and what to do about it."""
    if not path.exists():
        return f"no bundle at {path}; `edgematte export` makes one"
    if (path.parent / manifests.FILE).is_file():
        return f"{path} is one file of a bundle: give its folder, {path.parent}"
    if _is_tar(path):
        return (
            f"{path} is a tar archive; bundles are read from folders and zip files: unpack it, and "
            f"give the folder that holds {manifests.FILE}"
        )
    return f"no bundle at {path}, which is a file: a bundle is a folder that holds {manifests.FILE}"


def is_zip(path: Path) -> bool:
    """Whether a file is a zip; a tar that ends with golden records ends as a zip does, too."""
    import zipfile  # most bundles are folders, and need neither

    try:
        return zipfile.is_zipfile(path) and not _is_tar(path)
    except OSError:
        return False


def _is_tar(path: Path) -> bool:
    import tarfile

    try:
        return tarfile.is_tarfile(path)
    except OSError:
        return False


def _check_names(graph: Graph, file: Path) -> None:
    """Refuse names that are no identifiers: they become file names and names of arguments."""
    tensors = (*graph.inputs, *graph.outputs)
    for name in (graph.name, *(t.name for t in tensors)):
        if not name.isidentifier():
            raise BundleError(f"{file} names a graph or tensor {name!r}, which is no identifier")
    for tensor in tensors:
        if tensor.dtype not in DTYPES:
            raise BundleError(
                f"{file}: {tensor.name} has dtype {tensor.dtype!r}; known are {', '.join(DTYPES)}"
            )


def _check_lengths(part: Host, graphs: tuple[Graph, ...], file: Path) -> None:
    """Refuse pictures and patches larger than what all graphs see: they would take memory first."""
    tensors = (t for graph in graphs for t in (*graph.inputs, *graph.outputs))
    most = max((side for tensor in tensors for side in tensor.shape), default=0)
    for name, sides in (("size", part.size), ("patch", (getattr(part, "patch", 0),))):
        if most and max(sides) > most:
            raise BundleError(
                f"{file}: {name} {max(sides)} of the host section is larger than all graphs: "
                "export again"
            )


def _verify(folder: Path, name: str, digest: str) -> None:
    file = folder / name
    if not inside(name):
        raise BundleError(f"the file list of {folder} names {name!r}, which leaves the bundle")
    try:
        actual = sha256_file(file) if file.is_file() else None
    except OSError as error:
        raise BundleError(
            f"{folder}: its file {name[:60]!r} cannot be read ({error.strerror})"
        ) from None
    if actual is None and file.is_symlink():
        raise BundleError(
            f"{folder}: its file {name} is a link to nothing: copy the folder again with what its "
            "links lead to (cp -rL)"
        )
    if actual is None:
        raise BundleError(f"{folder} lacks the file {name}: copy the whole folder again")
    if actual != digest:
        raise BundleError(
            f"{file} is not what was exported (its sha256 differs): export or copy again"
        )


TEXTS = {".config", ".json", ".md", ".xml"}
"""Endings of text files. They are hashed with LF line endings, whichever a copy of them has."""


def sha256_file(file: Path) -> str:
    """Hexadecimal sha256 of a file's bytes; in :data:`TEXTS` CR LF counts as LF."""
    if file.suffix in TEXTS:
        return hashlib.sha256(file.read_bytes().replace(b"\r\n", b"\n")).hexdigest()
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
