"""``edgematte matte`` on a clip or an image sequence."""

import argparse
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

from edgematte.cli.arguments import load_matter, parse_size, print_json, told_choice
from edgematte.cli.masks import frame_trimaps, refuse_masks
from edgematte.cli.outputs import is_folder
from edgematte.cli.progress import counted
from edgematte.cli.results import refuse_results
from edgematte.cli.streams import say
from edgematte.errors import OptionError
from edgematte.pictures.formats import row_of
from edgematte.ranges import OPTIONS, check
from edgematte.sequences.pattern import Pattern
from edgematte.sequences.trimaps import FrameTrimaps
from edgematte.video import ClipOptions, matte_clip, places


def run_clip(arguments: argparse.Namespace) -> int:
    """Matte one clip or sequence; returns 1 if it ends early, after writing what it had.

    Raises:
        OptionError: arguments that have no meaning for it.
    """
    if len(arguments.pictures) != 1:
        raise OptionError("one clip at a time, or one sequence: give it alone")
    refuse_masks(arguments)
    if len(arguments.write) != 1:
        raise OptionError("a clip is written as one kind: --write cutout, alpha or trimap")
    if arguments.output == "-":
        raise OptionError("a clip is written to a file or a folder, not to standard output")
    if arguments.carry and not (arguments.trimap or arguments.mask):
        raise OptionError("--carry goes on from a trimap or mask: give --mask or --trimap with it")
    for name in ("in_flight", "resume", "explain", "explain_at", "crop", "margin"):
        if getattr(arguments, name):
            raise OptionError(
                f"--{name.replace('_', '-')} is of single pictures, not of a clip; leave it out"
            )
    options = _options(arguments)
    source, output, _ = places(Path(arguments.pictures[0]), Path(arguments.output), options)
    if isinstance(output, Pattern):
        refuse_results(arguments)
        options.of_pictures().refuse(options.kind, row_of(output.file(0)))
    else:
        for name in ("alpha", "alpha_bits", "keep_exif", "size"):
            if getattr(arguments, name):
                raise OptionError(
                    f"--{name.replace('_', '-')} is of single pictures and of sequences, not of a "
                    "clip; leave it out"
                )
    options.refuse(source, output)
    with ExitStack() as opened:
        trimaps = frame_trimaps(arguments)
        if trimaps is not None:
            opened.enter_context(trimaps)
        return _run(arguments, source, output, options, trimaps)


def _options(arguments: argparse.Namespace) -> ClipOptions:
    return ClipOptions(
        arguments.write[0],
        arguments.background,
        arguments.foreground,
        not arguments.no_reuse,
        arguments.ignore_alpha,
        is_folder(arguments.output),
        arguments.keep_colour,
        arguments.png_level,
        arguments.gamma_composite,
        arguments.alpha_bits,
        None if arguments.alpha is None else arguments.alpha == "premultiplied",
        arguments.keep_exif,
        None if arguments.size is None else parse_size(arguments.size),
        None if arguments.fps is None else parse_rate(arguments.fps),
        arguments.carry or None,
    )


def parse_rate(text: str) -> Fraction:
    """``24``, ``23.976`` or ``24000/1001`` -> frames a second.

    Raises:
        OptionError: anything else.
    """
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise OptionError(
            f"--fps {text!r} should be frames a second, such as 24, 23.976 or 24000/1001"
        ) from None
    check("--fps", rate, OPTIONS["fps"])
    return rate


def _run(
    arguments: argparse.Namespace,
    source: Path | Pattern,
    output: Path | Pattern,
    options: ClipOptions,
    trimaps: FrameTrimaps | None,
) -> int:
    matter = load_matter(arguments)
    manifest = matter.bundle.manifest
    if trimaps is None and matter.needs_trimap:
        raise OptionError(
            f"{manifest.model} needs trimaps: give --trimap or --mask, of every frame or of the "
            "first, or export it with a cascade, which estimates them"
        )
    if arguments.no_reuse and not matter.reuses:
        raise OptionError(
            f"--no-reuse has no meaning for {manifest.model}, which reuses nothing "
            "of the frames before; leave it out"
        )
    with counted(" frames") as progress:
        report = matte_clip(matter, source, output, options, progress, trimaps)
    for said in (*report.warnings, *filter(None, [report.note])):
        say(f"edgematte: {said}")
    if arguments.json:
        print_json(
            {
                "clip": str(source),
                "result": str(output),
                "frames": report.frames,
                "size": list(report.size),
                "seconds": round(report.seconds, 3),
                "frames_per_second": round(report.rate, 3),
                "trimaps_carried": report.carried,
                "note": report.note,
                "warnings": list(report.warnings),
                **told_choice(matter),
            }
        )
    else:
        print(output)
    return 1 if report.note else 0
