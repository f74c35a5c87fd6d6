"""Bundles in one file: a zip of the folder, of which only what its manifest lists is unpacked.

The files go to a scratch folder in the system's temporary folder, which is removed with the last
thing that uses it. What a killed process left there is removed by the next one that opens a zip.
"""

import tempfile
import weakref
import zipfile
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import Any

from edgematte.codec import parse
from edgematte.errors import BundleError
from edgematte.manifest import FILE, SIGNATURE
from edgematte.runtime.paths import inside
from edgematte.scratch import scratch_folder, sweep

MOST_BYTES = 8 << 30  # of all files of a bundle together
MANIFEST_BYTES = 64 << 20
CHUNK = 1 << 20


class Unpacked:
    """The files of a zipped bundle in `folder`, for as long as this object is alive."""

    def __init__(self, archive: Path) -> None:
        """Unpack; nothing in the archive is trusted, and the caller compares the hashes.

        Raises:
            BundleError: it is damaged, encrypted, holds no bundle or several, has two files of one
                name, or is larger than a bundle can be.
        """
        self.archive = archive
        place = Path(tempfile.gettempdir()) / "edgematte-unzipped"
        sweep(place)
        with ExitStack() as opened:
            self.folder = opened.enter_context(scratch_folder(place, shared=True))
            try:
                with zipfile.ZipFile(archive) as pack:
                    _unpack(pack, archive, self.folder)
            except BundleError:
                raise
            except OSError as error:
                raise BundleError(
                    f"{archive} cannot be unpacked to {self.folder.parent} ({error.strerror})"
                ) from None
            except Exception as error:  # of many kinds: BadZipFile, zlib.error, struct.error, ...
                raise BundleError(f"{archive} is a damaged zip file ({error})") from None
            weakref.finalize(self, opened.pop_all().close)

    def shown(self, error: BundleError) -> BundleError:
        """The error about a file in the folder, as one about the archive."""
        return BundleError(str(error).replace(str(self.folder), str(self.archive)))


def _unpack(pack: zipfile.ZipFile, archive: Path, folder: Path) -> None:
    entries = {}
    for entry in pack.infolist():
        if entry.filename in entries:
            raise BundleError(f"{archive} holds two files named {entry.filename[:60]!r}")
        if entry.flag_bits & 1:
            raise BundleError(f"{archive} is encrypted: bundles are read without a password")
        entries[entry.filename] = entry
    roots = [name.removesuffix(FILE) for name in entries if PurePosixPath(name).name == FILE]
    if len(roots) != 1 or roots[0].count("/") > 1:
        held = f"{len(roots)} bundles" if roots else "no bundle"
        raise BundleError(f"{archive} is a zip file of {held}: it should hold one, with {FILE}")
    (root,) = roots
    if entries[root + FILE].file_size > MANIFEST_BYTES:
        raise BundleError(f"{archive} has a {FILE} that is too large for one")
    _copy(pack, entries[root + FILE], folder / FILE)
    listed = (*_listed(folder / FILE), SIGNATURE)
    names = [name for name in listed if root + name in entries and inside(name)]
    total = sum(entries[root + name].file_size for name in names)
    if total > MOST_BYTES:
        raise BundleError(
            f"{archive} would unpack to {total / 2**30:.1f} GiB, more than {MOST_BYTES >> 30}: "
            "unpack it yourself if you trust it, and give the folder"
        )
    for name in names:
        _copy(pack, entries[root + name], folder / name)


def _listed(file: Path) -> list[str]:
    """The files that a manifest lists; none where it cannot be read, which opening it will say."""
    try:
        manifest: Any = parse(file.read_text(encoding="utf-8"))
        return [name for name in manifest["files"] if isinstance(name, str)]
    except (ValueError, TypeError, KeyError):
        return []


def _copy(pack: zipfile.ZipFile, entry: zipfile.ZipInfo, place: Path) -> None:
    """Write one entry as a plain file, whatever kind of file the archive calls it."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with pack.open(entry) as source, place.open("xb") as target:
        while chunk := source.read(CHUNK):
            target.write(chunk)
