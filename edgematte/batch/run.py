"""A batch from its input to its index."""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from edgematte.batch.cluster import Actors, cluster, reach
from edgematte.batch.dispatch import Dispatch
from edgematte.batch.index import FILE, Index, key_of
from edgematte.batch.inputs import Inputs, inputs
from edgematte.batch.place import Place, is_url
from edgematte.batch.pool import Pool
from edgematte.batch.rows import FAILED
from edgematte.batch.worker import Setup, Task, digest_of
from edgematte.errors import OptionError
from edgematte.nets import find, plug_in
from edgematte.pictures.formats import refuse_premultiplied, refuse_unfit, row_named
from edgematte.pictures.results import ResultOptions, result_name
from edgematte.ranges import check_options
from edgematte.runtime.bundle import open_bundle
from edgematte.runtime.engines import AUTO, ENGINES, engine_for
from edgematte.runtime.net_options import read_load_options
from edgematte.scratch import scratch_file

LOCK = ".run"
TOLD = 8  # errors of pictures that a report has
OF_LOAD = ("engine", "device", "verify", "engine_cache", "batch", "plugins")
"""Keywords of `edgematte.load` that are of every bundle; the others are of its net."""
NOT_OF_RESULTS = ("verify", "engine_cache", "plugins", "batch")
NAMED = 16  # hexadecimal digits of a path's key, in names of results that would be the same


@dataclass(frozen=True)
class BatchOptions:
    """How a batch is run.

    `bundle`: of every worker; None: the default. `kinds`, `results`: what is written. `loading`:
    keywords of `edgematte.load` but for threads. `column`: of a Parquet file. `ray`, `actors`,
    `threads`: see :func:`edgematte.batch.cluster.cluster`. `retry`: try failed pictures again.
    """

    bundle: str | None = None
    kinds: tuple[str, ...] = ("cutout",)
    results: ResultOptions = ResultOptions()
    loading: dict[str, Any] = field(default_factory=dict)
    column: str | None = None
    ray: str | None = None
    actors: int | None = None
    threads: int = 1
    retry: bool = False


DEFAULTS = BatchOptions()


@dataclass(frozen=True)
class Report:
    """What a batch did.

    `index`: path or URL. `done`, `failed`: rows of this run. `before`: rows of runs before.
    `errors`: path and error of the first failed ones. `seconds`: from the first worker on.
    """

    index: str
    done: int
    failed: int
    before: int
    errors: tuple[tuple[str, str], ...]
    seconds: float


def run_batch(
    text: str,
    output: str,
    options: BatchOptions = DEFAULTS,
    progress: Callable[[int, int], None] = lambda done, total: None,
    say: Callable[[str], None] = lambda line: None,
) -> Report:
    """Matte all pictures of an input, and write results and `index.parquet` to a folder.

    A run that was stopped, in whatever way, is gone on with by the same call: pictures that have a
    row, and files, are left alone.

    Args:
        text: a folder, a list, a Parquet file, a tar, a pattern of these, or a URL.
        output: a folder or a URL of one; new, or of the same batch.
        options: see there.
        progress: called with the pictures done and the pictures to do.
        say: called with each remark.

    Raises:
        OptionError: an input or output that cannot be used; options that have no meaning.
        BatchError: no cluster, or no worker that can work.
        BundleError: the bundle is missing or damaged.
    """
    tiles = options.loading.get("batch")
    check_options(actors=options.actors, threads=options.threads, batch=tiles)
    reach(options.ray)
    text = text if is_url(text) else os.path.abspath(text)
    place = Place(output if is_url(output) else os.path.abspath(output))
    found = inputs(text, options.column)
    _refuse_nesting(text, place)
    setup = _setup(place, options)
    with ExitStack() as stack:
        index = stack.enter_context(_claimed(place, _settings(options, setup.digest)))
        index.read(retry=options.retry)
        before = len(index.done)
        every = _keys(found, place, say)
        total = sum(key not in index.done for key in every)
        report = Report(place.at(FILE), 0, 0, before, (), 0.0)
        if total:
            gpus = int((options.loading.get("device") or "cpu").lower() != "cpu")
            opened = cluster(options.ray, options.actors, options.threads, gpus)
            layout = stack.enter_context(opened)
            actors = Actors(replace(setup, mark=index.mark()), layout)
            stack.callback(actors.close)
            say(f"{total} pictures; workers: {layout.actors}, threads each: {layout.threads}")
            tasks = _tasks(found, every, index, options.kinds)
            report = _run(tasks, actors, index, total, progress, report)
        index.finish()
    return report


def _run(
    tasks: Iterable[Task],
    pool: Pool,
    index: Index,
    total: int,
    progress: Callable[[int, int], None],
    report: Report,
) -> Report:
    """Work through the tasks; what there is when an error ends them is in the index."""
    errors, done, failed = list[tuple[str, str]](), 0, 0
    dispatch = Dispatch(tasks, total, pool)
    try:
        for row in dispatch.rows():
            index.add(row)
            done += row.status != FAILED
            failed += row.status == FAILED
            if row.error and len(errors) < TOLD:
                errors.append((row.path, row.error))
            progress(done + failed, total)
    except BaseException:
        with suppress(OSError):  # a full disk may be why it ended
            index.flush()
        raise
    seconds = time.perf_counter() - dispatch.since
    return replace(report, done=done, failed=failed, errors=tuple(errors), seconds=seconds)


def _setup(place: Place, options: BatchOptions) -> Setup:
    """What workers are told; what can be known to be wrong without one is refused here.

    Raises:
        BundleError, OptionError, EngineError, PluginError: as `edgematte.load`; or the bundle's net
            needs a trimap for every picture.
    """
    png = row_named("PNG")
    for kind in options.kinds:
        refuse_unfit(png, options.results.mode(kind, png))
    if options.results.premultiplied:
        refuse_premultiplied(png)
    loading = dict(options.loading)
    plug_in(loading.get("plugins", ()))
    bundle = None if options.bundle is None else os.path.abspath(options.bundle)
    manifest = open_bundle(bundle).manifest
    variant = find(manifest.model)
    if variant.net.needs_trimap and manifest.trimap_stage is None:
        raise OptionError(
            f"{manifest.model} needs a trimap of every picture, which a batch has not: export it "
            "with a cascade, which estimates them"
        )
    if loading.get("engine") == AUTO:
        raise OptionError(
            f"engine {AUTO} has no meaning for a batch, whose workers must compute alike: name one"
        )
    engine = engine_for(manifest.target, loading.get("engine"))
    read_load_options(variant, {k: v for k, v in loading.items() if k not in OF_LOAD})
    if ENGINES[engine].threads:
        loading["threads"] = options.threads
    elif options.threads != 1:
        raise OptionError(f"threads has no meaning for engine {engine}, which has its own")
    return Setup(
        bundle, digest_of(bundle), place.root, ("", b""), options.kinds, options.results, loading
    )


def _settings(options: BatchOptions, digest: str) -> dict[str, Any]:
    """What must not change between the runs of a batch."""
    results, behind = options.results, options.results.background
    return {
        "bundle": digest,
        "write": sorted(options.kinds),
        "alpha_bits": results.alpha_bits or 8,
        "background": None if behind is None else sha256(behind.pixels.tobytes()).hexdigest(),
        "foreground": results.foreground,
        "keep_colour": results.keep_colour,
        "ignore_alpha": results.ignore_alpha,
        "linear": results.linear,
        "keep_exif": results.keep_exif,
        "framing": str(results.framing),
        "options": {k: v for k, v in sorted(options.loading.items()) if k not in NOT_OF_RESULTS},
    }


@contextmanager
def _claimed(place: Place, settings: dict[str, Any]) -> Iterator[Index]:
    """The index of a place; on a local file system no other run may write to it meanwhile.

    Raises:
        OptionError: another run is writing there, or it is no folder.
    """
    folder = place.folder
    if folder is None:
        yield Index(place, settings)
        return
    if folder.exists() and not folder.is_dir():
        raise OptionError(f"{folder} is a file: give a folder for the results")
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with scratch_file(folder / LOCK):
            yield Index(place, settings)
    finally:
        for path in missing:  # where nothing came of it
            with suppress(OSError):
                path.rmdir()


def _refuse_nesting(text: str, place: Place) -> None:
    if is_url(text) or place.folder is None or not Path(text).is_dir():
        return
    source, target = Path(text).resolve(), place.folder.resolve()
    if source == target or source in target.parents:
        raise OptionError(
            f"{place.root} lies in {text}: results would be pictures of the next run; give an "
            "output outside of it"
        )


def _keys(found: Inputs, place: Place, say: Callable[[str], None]) -> set[bytes]:
    """The key of every picture.

    Raises:
        OptionError: there is none, or one lies among the results.
    """
    keys: set[bytes] = set()
    own = f"{place.root}{os.sep}" if place.folder is not None else f"{place.root.rstrip('/')}/"
    count = 0
    for source in found:
        count += 1
        if source.where.place.startswith(own):
            raise OptionError(f"{source.path} lies among the results: give another output")
        keys.add(key_of(source.path))
    if not count:
        raise OptionError("the input holds no pictures (.png, .jpg, .webp, .avif, ...)")
    if count > len(keys):
        say(f"{count - len(keys)} of {count} pictures are named twice; each is matted once")
    return keys


def _tasks(
    found: Inputs, every: set[bytes], index: Index, kinds: tuple[str, ...]
) -> Iterator[Task]:
    """The pictures without a row, each once, with the names of their results."""
    for source in found:
        key = key_of(source.path)
        if key not in every:
            continue
        every.discard(key)
        if key in index.done:
            continue
        names = _names(source.stem, kinds)
        if any(key_of(name.casefold()) in index.taken for _, name in names):
            names = _names(f"{source.stem}-{key.hex()[:NAMED]}", kinds)
        index.taken |= {key_of(name.casefold()) for _, name in names}
        yield Task(source, names)


def _names(stem: str, kinds: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    return tuple((kind, result_name(stem, kind)) for kind in kinds)
