"""One picture of ``edgematte matte``: reading, matting and writing it."""

import argparse
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgematte.cli.arguments import parse_pixel
from edgematte.cli.declared import given, load_options
from edgematte.cli.masks import masked
from edgematte.cli.outputs import LONGEST_NAME, Job
from edgematte.cli.streams import input_bytes, output_bytes
from edgematte.errors import OptionError

if TYPE_CHECKING:
    from edgematte.pictures import Picture
    from edgematte.pictures.results import ResultOptions
    from edgematte.runtime.matter import Matter

JOURNAL = ".patches"


def matte_one(
    job: Job,
    matter: "Matter",
    arguments: argparse.Namespace,
    wanted: "ResultOptions",
    say: Callable[[str], None],
    opened: "Callable[[], Picture] | None" = None,
) -> dict[str, Any]:
    """Read, matte and write one picture.

    Args:
        job: the files.
        matter: a loaded bundle.
        arguments: those of the command.
        wanted: how its results look.
        say: is called with each line about what was odd.
        opened: gives the picture, where it is being read already.

    Returns:
        What ``--json`` says of it.
    """
    from edgematte.pictures import encode, read_trimap_for, write_picture
    from edgematte.pictures.formats import refuse_unfit, row_of, stdout_row
    from edgematte.pictures.results import shallower
    from edgematte.runtime.host.trimap import UNKNOWN, read_trimap

    picture = opened() if opened else open_job(job)
    size = picture.pixels.shape[1], picture.pixels.shape[0]
    made = wanted.framing.size or size
    for kind, path in job.results.items():
        if path:  # some formats limit the sides of pictures
            row = row_of(path)
            refuse_unfit(row, wanted.mode(kind, row), made)
    trimap, notes = read_trimap_for(job.trimap, picture) if job.trimap else (None, ())
    for note in (*picture.notes, *notes):
        say(note)
    if job.mask:
        trimap = masked(job.mask, picture, arguments, say)
    journal = journal_of(job) if arguments.resume else None
    matte = matter(wanted.image(picture), trimap, journal=journal)
    picture, matte = wanted.on_screen(picture, matte)
    if matte.odd_trimap_pixels:
        share = 100 * matte.odd_trimap_pixels / matte.trimap.size
        say(
            f"{job.trimap}: {matte.odd_trimap_pixels} pixels ({share:.1f} %) are not "
            "0, 128 or 255; below 85 was read as background, from 170 as foreground"
        )
    all_known = trimap is not None and not (read_trimap(trimap, size)[0] == UNKNOWN).any()
    if all_known and given(arguments, load_options()).get("keep_known") is not False:
        say(
            f"{job.trimap or job.mask}: no pixel is unknown (85 to 169), so that alpha "
            "is 0 or 1 as it says"
        )
    for kind, path in job.results.items():
        row = row_of(path) if path else stdout_row()
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            array = wanted.write(kind, picture, matte, path)
        else:
            array = wanted.make(kind, picture, matte, row)
            output_bytes().write(
                encode(
                    array,
                    "PNG",
                    picture.profile,
                    png_level=wanted.level(None),
                    exif=wanted.exif(kind, picture),
                    coding=wanted.coding(kind, picture, row),
                )
            )
        file = path.name if path else "standard output"
        if kind == "cutout" and (
            lost := shallower(job.name, file, picture.colours, array, row.bits)
        ):
            say(lost)
    if arguments.explain:
        from edgematte.runtime.host.explanation_drawing import draw

        pixel = parse_pixel(arguments.explain_at) if arguments.explain_at else None
        explanation = matter.explain(picture, matte.trimap, pixel)
        Path(arguments.explain).parent.mkdir(parents=True, exist_ok=True)
        drawing = draw(explanation, picture.pixels)
        write_picture(drawing, Path(arguments.explain), picture.profile)
    if journal is not None:
        journal.unlink(missing_ok=True)
    return {
        "picture": job.name,
        "results": {k: str(p) for k, p in job.results.items() if p},
        "size": list(size),
        **({"box": list(wanted.framing.box(matte.alpha))} if wanted.framing.crop else {}),
        "seconds": {k: round(v, 4) for k, v in matte.timings.items()},
        "counts": matte.counts,
    }


def open_job(job: Job) -> "Picture":
    """The picture of a job."""
    from edgematte.pictures import open_picture

    return open_picture(job.source or input_bytes())


def journal_of(job: Job) -> Path:
    """Where a picture's finished patches are recorded: beside its first result."""
    path = next(iter(job.results.values()))
    if path is None:
        raise OptionError("--resume needs an output file: its journal lies beside it")
    name = f"{path.name}{JOURNAL}"
    if len(os.fsencode(name)) > LONGEST_NAME:
        name = f"{hashlib.sha256(os.fsencode(path.name)).hexdigest()}{JOURNAL}"
    return path.with_name(name)
