"""One picture of ``edgematte matte``: reading, matting and writing it."""

import argparse
import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgematte.cli.arguments import parse_pixel
from edgematte.cli.declared import given, load_options
from edgematte.cli.masks import masked
from edgematte.cli.outputs import LONGEST_NAME, Job
from edgematte.cli.streams import input_bytes, output_bytes
from edgematte.errors import OptionError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edgematte.pictures import Picture
    from edgematte.pictures.formats import Format
    from edgematte.runtime.matte import Matte
    from edgematte.runtime.matter import Matter

JOURNAL = ".patches"


def matte_one(
    job: Job,
    matter: "Matter",
    arguments: argparse.Namespace,
    behind: "Picture | None",
    say: Callable[[str], None],
    opened: "Callable[[], Picture] | None" = None,
) -> dict[str, Any]:
    """Read, matte and write one picture.

    Args:
        job: the files.
        matter: a loaded bundle.
        arguments: those of the command.
        behind: what is put behind a cut-out.
        say: is called with each line about what was odd.
        opened: gives the picture, where it is being read already.

    Returns:
        What ``--json`` says of it.
    """
    from edgematte.pictures import encode, read_trimap_for, write_picture
    from edgematte.pictures.formats import refuse_unfit, row_of, stdout_row
    from edgematte.runtime.host.trimap import UNKNOWN, read_trimap

    picture = opened() if opened else open_job(job)
    size = picture.pixels.shape[1], picture.pixels.shape[0]
    for kind, path in job.results.items():
        if path:  # some formats limit the sides of pictures
            row = row_of(path)
            refuse_unfit(row, mode_of_result(kind, arguments, row), size)
    trimap, notes = read_trimap_for(job.trimap, picture) if job.trimap else (None, ())
    for note in (*picture.notes, *notes):
        say(note)
    if job.mask:
        trimap = masked(job.mask, picture, arguments, say)
    journal = journal_of(job) if arguments.resume else None
    image = replace(picture, alpha=None) if arguments.ignore_alpha else picture
    matte = matter(image, trimap, journal=journal)
    if behind is not None and picture.coding is not None:
        picture = picture.on_screen()
        matte = replace(matte, picture=picture)
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
        array = _result(kind, picture, matte, arguments, behind, row)
        if kind == "cutout":
            _say_shallower(job.name, path, picture.colours.dtype, array.dtype, say)
        exif = picture.exif if arguments.keep_exif and kind == "cutout" else None
        level = _level(path, arguments)
        coding = picture.coding if kind == "cutout" and row.name == "PNG" else None
        if path is None:
            data = encode(array, "PNG", picture.profile, png_level=level, exif=exif, coding=coding)
            output_bytes().write(data)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        chosen = arguments.alpha if kind == "cutout" else None
        write_picture(
            array,
            path,
            picture.profile,
            png_level=level,
            exif=exif,
            premultiplied=None if chosen is None else chosen == "premultiplied",
            header=picture.header if _of_light(row) else None,
            coding=coding,
        )
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
        "seconds": {k: round(v, 4) for k, v in matte.timings.items()},
        "counts": matte.counts,
    }


def _say_shallower(
    name: str,
    path: Path | None,
    own: "np.dtype[Any]",
    written: "np.dtype[Any]",
    say: Callable[[str], None],
) -> None:
    """Say that a cut-out or composite has less than its picture, by the dtypes of both."""
    file, bits = path.name if path else "standard output", 8 * written.itemsize
    if own.kind == "f" and written.kind == "u":
        say(f"{name} holds light, {file} stored values of {bits} bits: highlights are compressed")
    elif own.kind == "u" and written.kind == "u" and own.itemsize > written.itemsize:
        say(f"{name} has {8 * own.itemsize} bits a channel, {file} holds {bits}")


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


def mode_of_result(kind: str, arguments: argparse.Namespace, row: "Format") -> str:
    """What a result's format has to carry; see :mod:`edgematte.pictures.formats`.

    Of cut-outs and composites at least: deeper ones are written as deep as the format allows.
    """
    if kind == "cutout":
        return ("colour" if arguments.background else "cutout") + "32" * _of_light(row)
    if kind == "trimap":
        return "trimap"
    return {8: "grey", 16: "grey16", 32: "grey32"}[_alpha_bits(arguments, row)]


def _alpha_bits(arguments: argparse.Namespace, row: "Format") -> int:
    return arguments.alpha_bits or (32 if _of_light(row) else 8)


def _of_light(row: "Format") -> bool:
    """Whether a format holds floats of light alone."""
    return row.name == "EXR"


def is_png(path: Path | None) -> bool:
    """Whether a result is written as PNG; standard output (None) is."""
    from edgematte.pictures import format_of

    return path is None or format_of(path) == "PNG"


def _level(path: Path | None, arguments: argparse.Namespace) -> int | None:
    level: int | None = arguments.png_level
    return level if is_png(path) else None


def _result(
    kind: str,
    picture: "Picture",
    matte: "Matte",
    arguments: argparse.Namespace,
    behind: "Picture | None",
    row: "Format",
) -> "NDArray[Any]":
    from edgematte.pictures import alpha_bytes, composite, cutout
    from edgematte.pictures.cutouts import fit_background
    from edgematte.pictures.depths import at_depth

    if kind == "alpha":
        return alpha_bytes(matte.alpha, _alpha_bits(arguments, row))
    if kind == "trimap":
        return matte.trimap
    colours = matte.foreground if arguments.foreground else picture.colours
    colours = at_depth(colours, row, picture.profile, picture.primaries)
    if behind is not None:
        size = colours.shape[1], colours.shape[0]
        light = colours.dtype.kind == "f"
        fitted = fit_background(behind, size, None if light else picture.profile)
        return composite(
            colours,
            matte.alpha,
            fitted,
            linear=not arguments.gamma_composite,
            profile=None if light else picture.profile,
            primaries=picture.primaries if light else None,
        )
    return cutout(colours, matte.alpha, keep_colour=arguments.keep_colour)
