"""``edgematte matte``."""

import argparse
import hashlib
import os
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
)
from edgematte.cli.declared import given, load_options
from edgematte.cli.masks import add_mask_options, masked, refuse_masks
from edgematte.cli.outputs import LONGEST_NAME, Job, plan
from edgematte.cli.streams import input_bytes, output_bytes, say
from edgematte.errors import EdgematteError, OptionError
from edgematte.ranges import ALPHA_BITS, KINDS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgematte.pictures import Picture
    from edgematte.runtime.matte import Matte
    from edgematte.runtime.matter import Matter

JOURNAL = ".patches"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument(
        "pictures", nargs="+", metavar="IMAGE", help="files, folders, - for stdin, or one clip"
    )
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        help="a file, a folder, or - for stdout; of a clip: .mov, .webm, .mp4 or a folder",
    )
    parser.add_argument("--bundle", help="default: the one that ships with edgematte")
    parser.add_argument(
        "--trimap", help="0 background, 128 unknown, 255 foreground; file or folder"
    )
    parser.add_argument(
        "--mask",
        help="bright on the subject, of any size, in place of a trimap; file or folder",
    )
    parser.add_argument(
        "--write",
        nargs="+",
        choices=KINDS,
        default=["cutout"],
        help="what to write (default: cutout)",
    )
    parser.add_argument(
        "--alpha-bits", type=int, choices=ALPHA_BITS, help="of alpha files (default: 8)"
    )
    parser.add_argument("--background", help="a colour or a picture, instead of transparency")
    parser.add_argument(
        "--foreground",
        action="store_true",
        help="in cut-outs, take the old background's tint out of soft edges",
    )
    parser.add_argument(
        "--ignore-alpha",
        action="store_true",
        help="matte what the own transparency of a picture or clip hides too (default: it stays "
        "hidden)",
    )
    parser.add_argument(
        "--keep-colour",
        action="store_true",
        help="in cut-outs, keep the background's colours where alpha is 0 (default: black)",
    )
    parser.add_argument(
        "--no-reuse",
        action="store_true",
        help="clips, of nets that gain from the frames before: matte every frame alone",
    )
    add_engine(parser)
    add_batch(parser, "tiles of a picture that run in one call")
    add_patches(parser)
    add_mask_options(parser)
    add_load_options(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Matte every picture; reports bad ones and goes on, and then returns 1."""
    from edgematte.cli.clip import any_clip, run_clip
    from edgematte.pictures.cutouts import open_background

    if any_clip(arguments.pictures):
        return run_clip(arguments)
    _refuse(arguments)
    explained = Path(arguments.explain) if arguments.explain else None
    jobs = plan(
        arguments.pictures,
        arguments.output,
        arguments.write,
        arguments.trimap,
        arguments.mask,
        read=[Path(arguments.background)] if arguments.background else (),
        written=[explained] if explained else (),
        say=_say,
    )
    _refuse_jobs(arguments, jobs)
    behind = open_background(arguments.background) if arguments.background else None
    for note in behind.notes if behind else ():
        _say(note)
    from edgematte.runtime.capabilities import Explains, Resumable, require

    matter = load_matter(arguments)
    model = matter.bundle.manifest.model
    if arguments.resume:
        require(matter.pipeline, Resumable, model, "--resume")
    if arguments.explain:
        require(matter.pipeline, Explains, model, "--explain")
    done: list[dict[str, Any]] = []
    bad: list[tuple[str, str]] = []
    for job in jobs:
        try:
            done.append(_one(job, matter, arguments, behind))
        except (EdgematteError, OSError) as error:
            if len(jobs) == 1:
                raise
            reason = error.strerror if isinstance(error, OSError) and error.strerror else error
            say(f"edgematte: {job.name}: {reason}")
            bad.append((job.name, str(reason)))
    if arguments.json:
        failed = [{"picture": name, "error": reason} for name, reason in bad]
        print_json({"done": done, "failed": failed})
    elif arguments.output != "-":
        for result in done:
            for path in result["results"].values():
                print(path)
    if bad:
        names = ", ".join(name for name, _ in bad)
        say(f"edgematte: {len(bad)} of {len(jobs)} pictures failed: {names}")
    return 1 if bad else 0


def _say(line: str) -> None:
    say(f"edgematte: {line}")


def _refuse(arguments: argparse.Namespace) -> None:
    """Refuse options that have no meaning for pictures, before any work."""
    if (arguments.background or arguments.foreground) and "cutout" not in arguments.write:
        raise OptionError("--background and --foreground need a cutout among what --write names")
    refuse_masks(arguments)
    if arguments.keep_colour and ("cutout" not in arguments.write or arguments.background):
        raise OptionError("--keep-colour needs a cutout with transparency among what is written")
    if arguments.no_reuse:
        raise OptionError("--no-reuse is of clips: a picture has no frame before it; leave it out")
    if arguments.alpha_bits and "alpha" not in arguments.write:
        raise OptionError("--alpha-bits needs an alpha among what --write names")
    if arguments.explain_at and not arguments.explain:
        raise OptionError("--explain-at is the pixel of --explain: give --explain FILE with it")
    if arguments.explain_at:
        parse_pixel(arguments.explain_at)


def _refuse_jobs(arguments: argparse.Namespace, jobs: list[Job]) -> None:
    """Refuse results that the formats of their files, or standard output, cannot hold."""
    from edgematte.pictures.formats import refuse_unfit, row_of

    for job in jobs:
        for kind, path in job.results.items():
            if path:
                refuse_unfit(row_of(path), _mode(kind, arguments))
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
            _journal(job)


def _mode(kind: str, arguments: argparse.Namespace) -> str:
    """What a result's format has to carry; see :mod:`edgematte.pictures.formats`."""
    if kind == "cutout":
        return "colour" if arguments.background else "cutout"
    if kind == "trimap":
        return "trimap"
    return "grey16" if arguments.alpha_bits == 16 else "grey"


def _one(
    job: Job, matter: "Matter", arguments: argparse.Namespace, behind: "Picture | None"
) -> dict[str, Any]:
    from edgematte.pictures import encode, open_picture, read_trimap_for, write_picture
    from edgematte.pictures.formats import refuse_unfit, row_of
    from edgematte.runtime.host.explanation_drawing import draw
    from edgematte.runtime.host.trimap import UNKNOWN, read_trimap

    picture = open_picture(job.source or input_bytes())
    size = picture.pixels.shape[1], picture.pixels.shape[0]
    for kind, path in job.results.items():
        if path:  # some formats limit the sides of pictures
            refuse_unfit(row_of(path), _mode(kind, arguments), size)
    trimap, notes = read_trimap_for(job.trimap, picture) if job.trimap else (None, ())
    for note in (*picture.notes, *notes):
        _say(note)
    if job.mask:
        trimap = masked(job.mask, picture, arguments)
    journal = _journal(job) if arguments.resume else None
    image = picture.pixels if arguments.ignore_alpha else picture.image
    matte = matter(image, trimap, journal=journal)
    if matte.odd_trimap_pixels:
        share = 100 * matte.odd_trimap_pixels / matte.trimap.size
        say(
            f"edgematte: {job.trimap}: {matte.odd_trimap_pixels} pixels ({share:.1f} %) are not "
            "0, 128 or 255; below 85 was read as background, from 170 as foreground"
        )
    all_known = trimap is not None and not (read_trimap(trimap, size)[0] == UNKNOWN).any()
    if all_known and given(arguments, load_options()).get("keep_known") is not False:
        say(
            f"edgematte: {job.trimap or job.mask}: no pixel is unknown (85 to 169), so that alpha "
            "is 0 or 1 as it says"
        )
    for kind, path in job.results.items():
        array = _result(kind, picture, matte, arguments, behind)
        if path is None:
            output_bytes().write(encode(array, "PNG", picture.profile))
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        write_picture(array, path, picture.profile)
    if arguments.explain:
        pixel = parse_pixel(arguments.explain_at) if arguments.explain_at else None
        explanation = matter.explain(picture.pixels, matte.trimap, pixel)
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


def _journal(job: Job) -> Path:
    """Where a picture's finished patches are recorded: beside its first result."""
    path = next(iter(job.results.values()))
    if path is None:
        raise OptionError("--resume needs an output file: its journal lies beside it")
    name = f"{path.name}{JOURNAL}"
    if len(os.fsencode(name)) > LONGEST_NAME:
        name = f"{hashlib.sha256(os.fsencode(path.name)).hexdigest()}{JOURNAL}"
    return path.with_name(name)


def _result(
    kind: str,
    picture: "Picture",
    matte: "Matte",
    arguments: argparse.Namespace,
    behind: "Picture | None",
) -> "NDArray[Any]":
    from edgematte.pictures import alpha_bytes, composite, cutout
    from edgematte.pictures.cutouts import fit_background
    from edgematte.runtime.host.foreground import estimate_foreground

    if kind == "alpha":
        return alpha_bytes(matte.alpha, arguments.alpha_bits or 8)
    if kind == "trimap":
        return matte.trimap
    colours = picture.pixels
    if arguments.foreground:
        colours = estimate_foreground(colours, matte.alpha)
    if behind is not None:
        size = colours.shape[1], colours.shape[0]
        fitted = fit_background(behind, size, picture.profile)
        return composite(colours, matte.alpha, fitted)
    return cutout(colours, matte.alpha, keep_colour=arguments.keep_colour)
