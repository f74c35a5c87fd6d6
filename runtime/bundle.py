"""Opening a bundle: nothing in it is executed, every file is checked before an engine sees it."""

import hashlib
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from edgematte import manifest as manifests
from edgematte.errors import BundleError
from edgematte.manifest import DTYPES, Graph, Manifest
from edgematte.runtime.engines.colours import check_colours

DEFAULT = Path(manifests.__file__).parent / "default.edgematte"
"""The embedded default: lightweight, split cut, ONNX."""


@dataclass(frozen=True)
class Bundle:
    """A verified bundle on disk."""

    path: Path
    manifest: Manifest

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
    """Read and verify a bundle; None is the embedded default.

    The files may be symbolic links, as in the caches of hubs: the file at the end of the link must
    have the manifest's sha256. Names that lead out of the bundle are refused.

    Raises:
        BundleError: it is missing, its manifest does not fit, or a file is missing, edited,
            swapped, or named outside of the bundle.
    """
    folder = DEFAULT if path is None else Path(path)
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
    for part in filter(None, (manifest.host, manifest.trimap_stage)):
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
    try:  # tar first: a tar that ends with golden records ends as a zip does, too
        kind = "tar" if tarfile.is_tarfile(path) else "zip" if zipfile.is_zipfile(path) else ""
    except OSError:
        kind = ""
    if kind:
        return (
            f"{path} is a {kind} archive; bundles are read from folders: unpack it, and give the "
            f"folder that holds {manifests.FILE}"
        )
    return f"no bundle at {path}, which is a file: a bundle is a folder that holds {manifests.FILE}"


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


def _verify(folder: Path, name: str, digest: str) -> None:
    file = folder / name
    if not _inside(name):
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


def _inside(name: str) -> bool:
    """Whether a name, by its letters alone, stays inside the folder it is looked up in."""
    relative = PurePosixPath(name)
    leaves = relative.is_absolute() or ".." in relative.parts
    return not leaves and not any(letter in name for letter in "\\:\0")


TEXTS = {".config", ".json", ".md", ".xml"}
"""Endings of text files. They are hashed with LF line endings, whichever a copy of them has."""


def sha256_file(file: Path) -> str:
    """Hexadecimal sha256 of a file's bytes; in :data:`TEXTS` CR LF counts as LF."""
    if file.suffix in TEXTS:
        return hashlib.sha256(file.read_bytes().replace(b"\r\n", b"\n")).hexdigest()
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
