"""``edgematte matte`` on a clip."""

import argparse
from pathlib import Path

from edgematte.cli.arguments import load_matter, print_json, told_choice
from edgematte.cli.masks import first_masked, refuse_masks
from edgematte.cli.outputs import is_folder
from edgematte.cli.progress import counted
from edgematte.cli.streams import say
from edgematte.clips.writing import format_for
from edgematte.errors import OptionError
from edgematte.video import ClipOptions, matte_clip


def run_clip(arguments: argparse.Namespace) -> int:
    """Matte one clip; returns 1 if it breaks off, after writing what it had and a message."""
    if len(arguments.pictures) != 1:
        raise OptionError("one clip at a time: give it alone")
    refuse_masks(arguments)
    if arguments.trimap:
        raise OptionError(
            "--trimap has no meaning for a clip: its frames differ; --mask is of its first frame"
        )
    if len(arguments.write) != 1:
        raise OptionError("a clip is written as one kind: --write cutout, alpha or trimap")
    if arguments.output == "-":
        raise OptionError("a clip is written to a file or a folder, not to standard output")
    source, output = Path(arguments.pictures[0]), Path(arguments.output)
    of_pictures = ("alpha", "alpha_bits", "keep_exif", "in_flight", "resume")
    for name in (*of_pictures, "explain", "explain_at", "crop", "margin", "size"):
        if getattr(arguments, name):
            raise OptionError(
                f"--{name.replace('_', '-')} is of single pictures, not of a clip; leave it out"
            )
    folder = is_folder(arguments.output)
    options = ClipOptions(
        arguments.write[0],
        arguments.background,
        arguments.foreground,
        not arguments.no_reuse,
        arguments.ignore_alpha,
        folder,
        arguments.keep_colour,
        arguments.png_level,
        arguments.gamma_composite,
    )
    if not folder:
        format_for(output, clear=options.clear)
    first = first_masked(arguments, lambda line: say(f"edgematte: {line}"))
    matter = load_matter(arguments)
    manifest = matter.bundle.manifest
    if first and matter.variant.net.needs_trimap and manifest.trimap_stage is None:
        raise OptionError(
            f"--mask is of a clip's first frame alone, and {manifest.model} needs a trimap for "
            "every frame: export it with a cascade, which estimates those of the others"
        )
    if arguments.no_reuse and not matter.reuses:
        raise OptionError(
            f"--no-reuse has no meaning for {manifest.model}, which reuses nothing "
            "of the frames before; leave it out"
        )
    with counted(" frames") as progress:
        report = matte_clip(matter, source, output, options, progress, first)
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
                "note": report.note,
                "warnings": list(report.warnings),
                **told_choice(matter),
            }
        )
    else:
        print(output)
    return 1 if report.note else 0
