"""Which pictures a `matte` call reads and where each result goes."""

import os
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from edgematte.errors import OptionError, PictureError
from edgematte.ranges import check_options

LONGEST_NAME = 255
"""Longest name of a file in bytes, the limit of today's file systems."""
NAMED = 8  # how many left-out files of a folder a message names


@dataclass(frozen=True)
class Job:
    """A picture (None: standard input), its trimap or mask, a file (None: stdout) for each kind."""

    source: Path | None
    trimap: Path | None
    results: dict[str, Path | None]
    mask: Path | None = None

    @property
    def name(self) -> str:
        """The name of the picture in messages."""
        return str(self.source) if self.source else "standard input"


def plan(
    sources: list[str],
    output: str,
    kinds: list[str],
    trimap: str | None,
    mask: str | None = None,
    *,
    read: Iterable[Path] = (),
    written: Iterable[Path] = (),
    among: Iterable[Path] = (),
    say: Callable[[str], None] = lambda line: None,
) -> list[Job]:
    """The jobs of a command line; folders are read one level deep, in the order of names.

    ``read`` and ``written`` are other files that the command reads and writes. Pictures ``among``
    which those lie have results of their own names in the same folder. ``say`` is called
    with a line about files of a folder that are left out because they are no pictures.

    Raises:
        OptionError: arguments that do not go together, a result that would replace an input, two
            results that would go to one file, or one with a name that no file system takes.
        PictureError: a folder without pictures.
    """
    from edgematte.pictures.results import result_name

    files = list(dict.fromkeys(file for source in sources for file in _expand(source, say)))
    kinds = list(dict.fromkeys(kinds))
    for kind in kinds:
        check_options(kind=kind)
    single = len(files) == 1 and (files[0] is None or not Path(sources[0]).is_dir())
    if len(files) > 1 and None in files:
        raise OptionError("standard input (-) cannot be mixed with other pictures")
    if output == "-":
        if not single or len(kinds) != 1:
            raise OptionError("-o - writes one picture of one kind")
        stdout: dict[str, Path | None] = {kinds[0]: None}
        found = _beside(files[0], trimap, single, "trimap"), _beside(files[0], mask, single, "mask")
        return [Job(files[0], found[0], stdout, found[1])]
    target = Path(output)
    to_file = single and bool(target.suffix) and not is_folder(output)
    if single and files[0] is None and not to_file:
        raise OptionError("a picture from standard input needs -o FILE or -o -")
    jobs = []
    stems = Counter(f.stem for f in {*files, *among} if f)
    for file in files:
        if to_file:
            first, *others = kinds
            named = {k: target.with_stem(f"{target.stem}-{k}") for k in others}
            results: dict[str, Path | None] = {first: target, **named}
        else:
            assert file is not None
            stem = file.stem if stems[file.stem] == 1 else file.name.replace(".", "-")
            results = {k: target / result_name(stem, k, _ending(file, k)) for k in kinds}
        found = _beside(file, trimap, single, "trimap"), _beside(file, mask, single, "mask")
        jobs.append(Job(file, found[0], results, found[1]))
    _refuse_overwriting(jobs, read, written)
    return jobs


def _ending(file: Path, kind: str) -> str:
    """That of a result in a folder: light stays light, and trimaps are no light."""
    return ".exr" if file.suffix.lower() == ".exr" and kind != "trimap" else ".png"


def is_folder(output: str) -> bool:
    """Whether an output names a folder: one that is there, or a name that ends in a slash."""
    return output.endswith(tuple(filter(None, ("/", os.sep, os.altsep)))) or Path(output).is_dir()


def _refuse_overwriting(jobs: list[Job], read: Iterable[Path], others: Iterable[Path]) -> None:
    sources = {p for job in jobs for p in (job.source, job.trimap, job.mask) if p} | set(read)
    taken = {identity for p in sources for identity in _identities(p)}
    written: dict[Path, str] = {}
    results = [(job.name, path) for job in jobs for path in job.results.values() if path]
    for name, path in [*results, *(("another result", path) for path in others)]:
        place = path.resolve()
        if taken & _identities(path):
            raise OptionError(f"{path} would replace a picture that is read; choose another -o")
        if place in written:
            raise OptionError(
                f"{written[place]} and {name} would both be written to {path}; "
                "matte them into two folders"
            )
        if (length := len(os.fsencode(path.name))) > LONGEST_NAME:
            raise OptionError(
                f"{path.name[:40]}... would be a name of {length} bytes, and file systems take "
                f"{LONGEST_NAME}: rename the picture, or give -o FILE"
            )
        written[place] = name


def _identities(path: Path) -> set[object]:
    """Values that two names of the same file share, also by links or where case does not matter."""
    try:
        status = path.stat()
    except OSError:
        return {path.resolve()}
    return {path.resolve(), (status.st_dev, status.st_ino)} if status.st_ino else {path.resolve()}


def _expand(source: str, say: Callable[[str], None]) -> list[Path | None]:
    if source == "-":
        return [None]
    path = Path(source)
    if not path.is_dir():
        return [path]
    from edgematte.pictures.folders import sort_files

    pictures, skipped = sort_files(path.iterdir())
    if not pictures:
        raise PictureError(f"the folder {path} holds no pictures (.png, .jpg, .webp, .avif, ...)")
    if skipped:
        names = ", ".join(f.name for f in skipped[:NAMED]) + (", ..." if skipped[NAMED:] else "")
        files = "file is" if len(skipped) == 1 else "files are"
        say(f"{path}: {len(skipped)} {files} left out, by name no pictures: {names}")
    return list(pictures)


def _beside(file: Path | None, given: str | None, single: bool, what: str) -> Path | None:
    """The trimap or mask (``what``) of a picture, from a file or a folder that was given."""
    if given is None:
        return None
    path = Path(given)
    if single and not path.is_dir():
        return path
    if not path.is_dir():
        raise OptionError(
            f"several pictures need --{what} FOLDER, with one {what} of each one's name"
        )
    if file is None:
        raise OptionError(f"a picture from standard input has no name: give --{what} FILE")
    for candidate in (path / file.name, path / f"{file.stem}.png"):
        if candidate.is_file():
            return candidate
    raise OptionError(f"{path} holds no {what} for {file.name}")
