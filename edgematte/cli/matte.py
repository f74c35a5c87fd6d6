"""``edgematte matte``."""

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgematte.cli.arguments import (
    add_batch,
    add_engine,
    add_json,
    add_load_options,
    add_patches,
    load_matter,
    parse_pixel,
    print_json,
    told_choice,
)
from edgematte.cli.collector import leave_at_end
from edgematte.cli.in_flight import (
    IN_FLIGHT,
    background_of,
    failed,
    in_flight_of,
    matted,
    remarked,
)
from edgematte.cli.masks import add_mask_options, refuse_masks
from edgematte.cli.matting import journal_of, open_job
from edgematte.cli.outputs import Job, is_folder, plan
from edgematte.cli.results import add_results, refuse_results, results_of
from edgematte.cli.streams import input_bytes, output_bytes, say
from edgematte.errors import OptionError
from edgematte.ranges import OPTIONS, check
from edgematte.sequences.pattern import parse_pattern

if TYPE_CHECKING:
    from edgematte.pictures.results import ResultOptions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument(
        "pictures",
        nargs="*",
        metavar="IMAGE",
        help="files, folders, - for stdin, one clip, or one sequence: frame_%%05d.png",
    )
    parser.add_argument(
        "--watch",
        metavar="FOLDER",
        help="in place of IMAGE: matte the pictures of a folder, and those that come into it, "
        "until Ctrl-C",
    )
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        help="a file, a folder, or - for stdout; of a clip or sequence: .mov, .webm, .mp4, "
        "frame_%%05d.png or a folder",
    )
    parser.add_argument(
        "--bundle",
        help="default: one that ships with edgematte, another one for pictures with --trimap or "
        "--mask; the name of its net chooses either",
    )
    parser.add_argument(
        "--trimap",
        help="0 background, 128 unknown, 255 foreground; file or folder; of a clip or sequence "
        "also trimap_%%05d.png or a clip; a file is of the first frame",
    )
    parser.add_argument(
        "--mask",
        help="bright on the subject, of any size, in place of a trimap, from the same",
    )
    add_results(parser)
    parser.add_argument(
        "--no-reuse",
        action="store_true",
        help="clips, of nets that gain from the frames before: matte every frame alone",
    )
    parser.add_argument(
        "--carry",
        action="store_true",
        help="of a clip or sequence: a frame without a trimap or mask gets its trimap from the "
        "frame before (default: only of nets that need one, from a single file)",
    )
    parser.add_argument(
        "--fps",
        metavar="RATE",
        help="of a clip that is written from a sequence: 24, 24000/1001 (default: 25)",
    )
    parser.add_argument(
        "--in-flight",
        type=int,
        metavar="N",
        help="of several pictures, how many are worked on at a time, which takes memory for so "
        f"many (default: one a thread, at most {IN_FLIGHT})",
    )
    add_engine(parser)
    add_batch(parser, "tiles of a picture that run in one call")
    add_patches(parser)
    add_mask_options(parser)
    add_load_options(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Matte every picture; reports bad ones and goes on, and then returns 1."""
    if bool(arguments.watch) == bool(arguments.pictures):
        raise OptionError(
            "give pictures, or --watch FOLDER for those that come into it: one of both"
        )
    if _any_clip(arguments.pictures):
        from edgematte.cli.clip import run_clip

        return run_clip(arguments)
    _refuse(arguments)
    if arguments.bundle is None and (arguments.trimap or arguments.mask):
        from edgematte.builtin import FOR_TRIMAPS

        arguments.bundle = FOR_TRIMAPS
    if arguments.watch:
        from edgematte.cli.watching import run_watch

        return run_watch(arguments)
    explained = Path(arguments.explain) if arguments.explain else None
    jobs = plan(
        arguments.pictures,
        arguments.output,
        arguments.write,
        arguments.trimap,
        arguments.mask,
        read=[Path(arguments.background)] if arguments.background else (),
        written=[explained] if explained else (),
        say=remarked,
    )
    wanted = results_of(arguments, background_of(arguments))
    _refuse_jobs(arguments, jobs, wanted)
    leave_at_end()
    from edgematte.runtime.overlap import Ahead

    only = Ahead(partial(open_job, jobs[0])) if len(jobs) == 1 else None  # while the net is loaded
    from edgematte.runtime.capabilities import Explains, Resumable, require

    in_flight = in_flight_of(arguments, len(jobs))
    matter = load_matter(arguments, in_flight)
    model = matter.bundle.manifest.model
    if arguments.resume:
        require(matter.pipeline, Resumable, model, "--resume")
    if arguments.explain:
        require(matter.pipeline, Explains, model, "--explain")
    done: list[dict[str, Any]] = []
    bad: list[tuple[str, str]] = []
    for job, result in matted(jobs, matter, arguments, wanted, in_flight, only):
        if isinstance(result, dict):
            done.append(result)
            continue
        bad.append(failed(job, result))
    if arguments.json:
        told = [{"picture": name, "error": reason} for name, reason in bad]
        print_json({"done": done, "failed": told, **told_choice(matter)})
    elif arguments.output != "-":
        for result in done:
            for path in result["results"].values():
                print(path)
    if bad:
        names = ", ".join(name for name, _ in bad)
        say(f"edgematte: {len(bad)} of {len(jobs)} pictures failed: {names}")
    return 1 if bad else 0


def _any_clip(sources: list[str]) -> bool:
    """Whether clips or sequences are among what a command was given."""
    from edgematte.clips.container import is_clip

    return any(
        (is_clip(source) or parse_pattern(source)) and not Path(source).is_dir()
        for source in sources
    )


def _refuse(arguments: argparse.Namespace) -> None:
    """Refuse options that have no meaning for pictures, before any work."""
    refuse_results(arguments)
    refuse_masks(arguments)
    if arguments.no_reuse:
        raise OptionError("--no-reuse is of clips: a picture has no frame before it; leave it out")
    for flag, there in (("--carry", arguments.carry), ("--fps", arguments.fps)):
        if there:
            raise OptionError(
                f"{flag} is of a clip or a sequence (frame_%05d.png), not of pictures: leave it out"
            )
    if not is_folder(arguments.output) and parse_pattern(arguments.output, exists=False):
        raise OptionError(
            f"-o {arguments.output} numbers the frames of a clip or sequence: of pictures give -o "
            "FOLDER, or name them as a sequence (frame_%05d.png)"
        )
    if arguments.in_flight is not None:
        check("--in-flight", arguments.in_flight, OPTIONS["in_flight"])
    if arguments.explain_at and not arguments.explain:
        raise OptionError("--explain-at is the pixel of --explain: give --explain FILE with it")
    if arguments.explain_at:
        parse_pixel(arguments.explain_at)


def _refuse_jobs(arguments: argparse.Namespace, jobs: list[Job], wanted: "ResultOptions") -> None:
    """Refuse results that the formats of their files, or standard output, cannot hold."""
    from edgematte.pictures.formats import refuse_unfit, row_of, stdout_row
    from edgematte.pictures.results import is_png

    for job in jobs:
        for kind, path in job.results.items():
            row = row_of(path) if path else stdout_row()
            wanted.refuse(kind, row)
    if arguments.png_level is not None and not any(
        is_png(path) for job in jobs for path in job.results.values()
    ):
        raise OptionError("--png-level is of PNG files, and none is written: leave it out")
    if arguments.in_flight is not None and len(jobs) == 1:
        raise OptionError("--in-flight is of several pictures, and there is one: leave it out")
    if arguments.explain:
        refuse_unfit(row_of(Path(arguments.explain)), "colour")
        if len(jobs) > 1:
            raise OptionError("--explain draws one picture: give one")
    if arguments.output == "-":
        output_bytes()
        if arguments.json:
            raise OptionError("--json and -o - both want standard output: give -o FILE")
    for job in jobs:
        if job.source is None:
            input_bytes()
        if arguments.resume:
            journal_of(job)
