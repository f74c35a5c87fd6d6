"""Which pictures a `matte` call reads and where each result goes."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgematte.errors import OptionError, PictureError

KINDS = ("cutout", "alpha", "trimap")
NAMED = 8  # files that are left out of a folder, in one message


@dataclass(frozen=True)
class Job:
    """One picture (None: standard input), its trimap if any, and a file (None: stdout) a kind."""

    source: Path | None
    trimap: Path | None
    results: dict[str, Path | None]

    @property
    def name(self) -> str:
        """For messages."""
        return str(self.source) if self.source else "standard input"


def plan(
    sources: list[str],
    output: str,
    kinds: list[str],
    trimap: str | None,
    say: Callable[[str], None] = lambda line: None,
) -> list[Job]:
    """The jobs of a command line; folders are read one level deep, in the order of names.

    ``say`` is told which files of a folder are left out because they are no pictures.

    Raises:
        OptionError: arguments that do not go together, a result that would replace an input, or
            two results that would go to one file.
        PictureError: a folder without pictures.
    """
    files = list(dict.fromkeys(file for source in sources for file in _expand(source, say)))
    kinds = list(dict.fromkeys(kinds))
    single = len(files) == 1 and (files[0] is None or not Path(sources[0]).is_dir())
    if len(files) > 1 and None in files:
        raise OptionError("standard input (-) cannot be mixed with other pictures")
    if output == "-":
        if not single or len(kinds) != 1:
            raise OptionError("-o - writes one picture of one kind")
        return [Job(files[0], Path(trimap) if trimap else None, {kinds[0]: None})]
    target = Path(output)
    to_file = single and bool(target.suffix) and not target.is_dir()
    if single and files[0] is None and not to_file:
        raise OptionError("a picture from standard input needs -o FILE or -o -")
    jobs = []
    stems = Counter(f.stem for f in files if f)
    for file in files:
        if to_file:
            first, *others = kinds
            named = {k: target.with_stem(f"{target.stem}-{k}") for k in others}
            results: dict[str, Path | None] = {first: target, **named}
        else:
            assert file is not None
            stem = file.stem if stems[file.stem] == 1 else file.name.replace(".", "-")
            results = {
                k: target / (f"{stem}.png" if k == "cutout" else f"{stem}-{k}.png") for k in kinds
            }
        jobs.append(Job(file, _trimap_for(file, trimap, single), results))
    _refuse_overwriting(jobs)
    return jobs


def _refuse_overwriting(jobs: list[Job]) -> None:
    read = {p.resolve() for job in jobs for p in (job.source, job.trimap) if p}
    written: dict[Path, Job] = {}
    for job in jobs:
        for path in filter(None, job.results.values()):
            place = path.resolve()
            if place in read:
                raise OptionError(f"{path} would replace a picture that is read; choose another -o")
            if place in written:
                raise OptionError(
                    f"{written[place].name} and {job.name} would both be written to {path}; "
                    "matte them into two folders"
                )
            written[place] = job


def _expand(source: str, say: Callable[[str], None]) -> list[Path | None]:
    if source == "-":
        return [None]
    path = Path(source)
    if not path.is_dir():
        return [path]
    from edgematte.pictures.folders import sort_files

    found, skipped = sort_files(path.iterdir())
    if not found:
        raise PictureError(f"the folder {path} holds no pictures (.png, .jpg, .webp, .avif, ...)")
    if skipped:
        names = ", ".join(f.name for f in skipped[:NAMED]) + (", ..." if skipped[NAMED:] else "")
        files = "file is" if len(skipped) == 1 else "files are"
        say(f"{path}: {len(skipped)} {files} left out, by name no pictures: {names}")
    return list(found)


def _trimap_for(file: Path | None, trimap: str | None, single: bool) -> Path | None:
    if trimap is None:
        return None
    path = Path(trimap)
    if single and not path.is_dir():
        return path
    if not path.is_dir():
        raise OptionError(
            "several pictures need --trimap FOLDER, with one trimap of each one's name"
        )
    assert file is not None
    for candidate in (path / file.name, path / f"{file.stem}.png"):
        if candidate.is_file():
            return candidate
    raise OptionError(f"{path} holds no trimap for {file.name}")
