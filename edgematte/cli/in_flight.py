"""Several pictures worked on at a time, and what is said of them."""

import argparse
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

from edgematte.cli.matting import matte_one
from edgematte.cli.outputs import Job
from edgematte.cli.streams import remark, say
from edgematte.errors import EdgematteError

if TYPE_CHECKING:
    from edgematte.pictures import Picture
    from edgematte.pictures.results import ResultOptions
    from edgematte.runtime.matter import Matter
    from edgematte.runtime.overlap import Ahead

IN_FLIGHT = 4  # pictures at a time at most, unless --in-flight says so: each takes its memory
IN_FLIGHT_ELSEWHERE = 2  # on devices that one picture has for itself: the next one is prepared

Result = dict[str, Any] | EdgematteError | OSError
"""What ``--json`` says of a picture, or the error that it ended in."""


def in_flight_of(arguments: argparse.Namespace, count: int) -> int:
    """How many of so many pictures are worked on at a time: one a thread, in bounded memory."""
    from edgematte.runtime.engines.workers import usable_cores

    if arguments.in_flight is not None:
        return min(int(arguments.in_flight), count)
    if (arguments.device or "cpu") != "cpu" or arguments.engine == "coreml":
        return min(IN_FLIGHT_ELSEWHERE, count)
    return min(arguments.threads or usable_cores(), IN_FLIGHT, count)


def matted(
    jobs: list[Job],
    matter: "Matter",
    arguments: argparse.Namespace,
    wanted: "ResultOptions",
    in_flight: int,
    only: "Ahead[Picture] | None" = None,
) -> Iterator[tuple[Job, Result]]:
    """Every job, in order, with its result; remarks about it are said.

    An only picture may be read already; its error is raised.
    """
    from edgematte.runtime.overlap import Stage, overlapped

    if only is not None:
        yield jobs[0], matte_one(jobs[0], matter, arguments, wanted, remarked, only.result)
        return

    def work(job: Job) -> tuple[Job, list[str], Result]:
        said: list[str] = []
        try:
            return job, said, matte_one(job, matter, arguments, wanted, said.append)
        except (EdgematteError, OSError) as error:
            return job, said, error

    with closing(overlapped(jobs, Stage(work, in_flight), ahead=len(jobs))) as worked:
        for job, said, result in worked:
            for line in said:
                remarked(line)
            yield job, result


def background_of(arguments: argparse.Namespace) -> "Picture | None":
    """The picture or colour behind cut-outs; what is odd in its file is said."""
    from edgematte.pictures.cutouts import open_background

    behind = open_background(arguments.background) if arguments.background else None
    for note in behind.notes if behind else ():
        remarked(note)
    return behind


def failed(job: Job, error: EdgematteError | OSError) -> tuple[str, str]:
    """Say why a picture failed; its name and the reason."""
    told = isinstance(error, OSError) and error.strerror
    reason = str(told or error)
    say(f"edgematte: {job.name}: {reason}")
    return job.name, reason


def remarked(line: str) -> None:
    """Say something about a picture that --quiet leaves out."""
    remark(f"edgematte: {line}")
