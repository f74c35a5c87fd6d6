"""Opening a bundle: nothing in it is executed, every file is checked before an engine sees it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from edgematte import manifest as manifests
from edgematte.errors import BundleError
from edgematte.manifest import DTYPES, Graph, Manifest

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
            BundleError: a file is missing or another one.
        """
        for name, digest in self.manifest.files.items():
            _verify(self.path, name, digest)


def open_bundle(path: Path | str | None = None) -> Bundle:
    """Read and verify a bundle; None is the embedded default.

    Raises:
        BundleError: it is missing, its manifest does not fit, or a file is missing, edited,
            swapped, or outside of the bundle.
    """
    folder = DEFAULT if path is None else Path(path)
    file = folder / manifests.FILE
    if not folder.is_dir():
        raise BundleError(f"no bundle at {folder}; `edgematte export` makes one")
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BundleError(f"{folder} has no {manifests.FILE}: it is not a bundle") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(f"{file} cannot be read ({error})") from None
    manifest = Manifest.from_json(text, str(file))
    bundle = Bundle(folder, manifest)
    bundle.verify()
    for graph in manifest.graphs:
        inside = (n for n in manifest.files if n == graph.file or n.startswith(graph.file + "/"))
        if next(inside, None) is None:
            raise BundleError(
                f"graph {graph.name}: its file {graph.file!r} is not in the file list"
            )
        _check_names(graph, file)
    return bundle


def _check_names(graph: Graph, file: Path) -> None:
    """Names become file names (golden records, runners) and arguments: nothing but identifiers."""
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
    if not _inside(folder, name):
        raise BundleError(f"the file list of {folder} names {name!r}, which leaves the bundle")
    try:
        found = sha256_file(file) if file.is_file() else None
    except OSError as error:
        raise BundleError(
            f"{folder}: its file {name[:60]!r} cannot be read ({error.strerror})"
        ) from None
    if found is None:
        raise BundleError(f"{folder} lacks the file {name}: copy the whole folder again")
    if found != digest:
        raise BundleError(
            f"{file} is not what was exported (its sha256 differs): export or copy again"
        )


def _inside(folder: Path, name: str) -> bool:
    relative = PurePosixPath(name)
    if relative.is_absolute() or ".." in relative.parts or "\\" in name or ":" in name:
        return False
    try:
        return (folder / relative).resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):  # a loop of links, a NUL in the name
        return False


def sha256_file(file: Path) -> str:
    """Hexadecimal sha256 of a file's bytes."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
