"""``edgematte matte --watch``: the pictures of a folder, as they arrive."""

import argparse
import json
import time
from pathlib import Path

from edgematte.cli.arguments import load_matter
from edgematte.cli.arrivals import INTERVAL_S, Arrivals
from edgematte.cli.in_flight import (
    IN_FLIGHT,
    Result,
    background_of,
    failed,
    in_flight_of,
    matted,
    remarked,
)
from edgematte.cli.outputs import Job, is_folder, plan
from edgematte.cli.results import results_of
from edgematte.errors import EdgematteError, OptionError


def run_watch(arguments: argparse.Namespace) -> int:
    """Matte what lies in a folder without a result, then what arrives, until it is interrupted.

    A picture that fails is told of, and left alone until it is saved anew. With ``--json`` there is
    a line for each picture.

    Raises:
        OptionError: arguments that have no meaning for a folder that is watched.
        PictureError: the folder is not there, or not any more.
    """
    folder = Path(arguments.watch)
    _refuse(arguments, folder)
    arrivals = Arrivals(folder, lambda file: _is_done(file, arguments))
    wanted = results_of(arguments, background_of(arguments))
    in_flight = in_flight_of(arguments, IN_FLIGHT)
    matter = load_matter(arguments, in_flight)
    if arguments.resume:
        from edgematte.runtime.capabilities import Resumable, require

        require(matter.pipeline, Resumable, matter.bundle.manifest.model, "--resume")
    remarked(f"watching {folder}, until Ctrl-C")
    while True:
        jobs = []
        for file in arrivals.look():
            try:
                jobs.append(_job(file, arguments, arrivals.pictures))
            except EdgematteError as error:
                _tell(Job(file, None, {}), error, arguments)
        if jobs:
            for job, result in matted(jobs, matter, arguments, wanted, in_flight):
                _tell(job, result, arguments)
        time.sleep(INTERVAL_S)


def _refuse(arguments: argparse.Namespace, folder: Path) -> None:
    if arguments.explain:
        raise OptionError("--explain draws one picture, and --watch is of many: leave one out")
    if arguments.output == "-" or (
        Path(arguments.output).exists() and not is_folder(arguments.output)
    ):
        raise OptionError("--watch writes a file for every picture: give -o FOLDER")
    for name in ("trimap", "mask", "output"):
        given = getattr(arguments, name)
        if given and Path(given).resolve() == folder.resolve():
            flag = "-o" if name == "output" else f"--{name}"
            raise OptionError(
                f"{flag} is the watched folder, where every picture is matted: give another one"
            )
    for name in ("trimap", "mask"):
        if getattr(arguments, name) and not Path(getattr(arguments, name)).is_dir():
            raise OptionError(f"--watch needs --{name} FOLDER, with one of each picture's name")


def _job(file: Path, arguments: argparse.Namespace, among: list[Path]) -> Job:
    """The job of one picture; its results are named so that those of others stay."""
    (job,) = plan(
        [str(file)],
        f"{arguments.output}/",
        arguments.write,
        arguments.trimap,
        arguments.mask,
        read=[Path(arguments.background)] if arguments.background else (),
        among=among,
    )
    return job


def _is_done(file: Path, arguments: argparse.Namespace) -> bool:
    """Whether a picture has all its results, not older than itself: a run before made them."""
    try:
        job = _job(file, arguments, [])
        made = [path.stat().st_mtime_ns for path in job.results.values() if path]
        return min(made) >= file.stat().st_mtime_ns
    except (EdgematteError, OSError):
        return False


def _tell(job: Job, result: Result, arguments: argparse.Namespace) -> None:
    """Print what came of a picture at once: another program may be waiting for it."""
    if not isinstance(result, dict):
        name, reason = failed(job, result)
        if arguments.json:
            print(json.dumps({"picture": name, "error": reason}), flush=True)
    elif arguments.json:
        print(json.dumps(result), flush=True)
    else:
        for path in result["results"].values():
            print(path, flush=True)
