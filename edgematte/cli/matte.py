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
from edgematte.cli.streams import input_bytes, output_bytes, say
from edgematte.errors import EdgematteError, OptionError
from edgematte.outputs import LONGEST_NAME, Job, plan
from edgematte.ranges import ALPHA_BITS, KINDS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

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
        "--no-reuse",
        action="store_true",
        help="clips, of nets that gain from the frames before: matte every frame alone",
    )
    add_engine(parser)
    add_batch(parser, "tiles of a picture that run in one call")
    add_patches(parser)
    add_load_options(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Matte every picture; a bad one is reported and the rest go on: exit 1 when there was one."""
    from edgematte.cli.clip import any_clip, run_clip
    from edgematte.pictures import format_of, read_background

    if any_clip(arguments.pictures):
        return run_clip(arguments)
    explained = Path(arguments.explain) if arguments.explain else None
    jobs = plan(
        arguments.pictures,
        arguments.output,
        arguments.write,
        arguments.trimap,
        read=[Path(arguments.background)] if arguments.background else (),
        written=[explained] if explained else (),
    )
    for path in (path for job in jobs for path in job.results.values() if path):
        format_of(path)  # refused before any work, as is a background that is none
    if (arguments.background or arguments.foreground) and "cutout" not in arguments.write:
        raise OptionError("--background and --foreground need a cutout among what --write names")
    if arguments.background:
        read_background(arguments.background, (1, 1))
    _refuse(arguments, jobs)
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
            done.append(_one(job, matter, arguments))
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


def _refuse(arguments: argparse.Namespace, jobs: list[Job]) -> None:
    """Refuse what has no meaning for pictures, before any work."""
    from edgematte.pictures import format_of

    if arguments.no_reuse:
        raise OptionError("--no-reuse is of clips: a picture has no frame before it; leave it out")
    if arguments.alpha_bits and "alpha" not in arguments.write:
        raise OptionError("--alpha-bits needs an alpha among what --write names")
    if arguments.explain_at and not arguments.explain:
        raise OptionError("--explain-at is the pixel of --explain: give --explain FILE with it")
    if arguments.explain_at:
        parse_pixel(arguments.explain_at)
    if arguments.explain:
        format_of(Path(arguments.explain))
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


def _one(job: Job, matter: "Matter", arguments: argparse.Namespace) -> dict[str, Any]:
    from edgematte.pictures import encode, read_grey, read_picture, write_picture
    from edgematte.runtime.host.explanation_drawing import draw
    from edgematte.runtime.host.trimap import UNKNOWN

    picture = read_picture(job.source or input_bytes())
    journal = _journal(job) if arguments.resume else None
    matte = matter(picture, read_grey(job.trimap) if job.trimap else None, journal=journal)
    if matte.odd_trimap_pixels:
        share = 100 * matte.odd_trimap_pixels / matte.trimap.size
        say(
            f"edgematte: {job.trimap}: {matte.odd_trimap_pixels} pixels ({share:.1f} %) are not "
            "0, 128 or 255; below 85 was read as background, from 170 as foreground"
        )
    all_known = not (matte.trimap == UNKNOWN).any()
    if job.trimap and all_known and arguments.keep_known is not False:
        say(
            f"edgematte: {job.trimap}: no pixel is unknown (85 to 169), so that alpha is 0 or 1 as "
            "the trimap says"
        )
    for kind, path in job.results.items():
        array = _result(kind, picture, matte, arguments)
        if path is None:
            output_bytes().write(encode(array, "PNG"))
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        write_picture(array, path)
    if arguments.explain:
        pixel = parse_pixel(arguments.explain_at) if arguments.explain_at else None
        explanation = matter.explain(picture, matte.trimap, pixel)
        Path(arguments.explain).parent.mkdir(parents=True, exist_ok=True)
        write_picture(draw(explanation, picture), Path(arguments.explain))
    if journal is not None:
        journal.unlink(missing_ok=True)
    return {
        "picture": job.name,
        "results": {k: str(p) for k, p in job.results.items() if p},
        "size": [picture.shape[1], picture.shape[0]],
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
    kind: str, picture: "NDArray[np.uint8]", matte: "Matte", arguments: argparse.Namespace
) -> "NDArray[Any]":
    from edgematte.pictures import alpha_bytes, composite, cutout, read_background
    from edgematte.runtime.host.foreground import estimate_foreground

    if kind == "alpha":
        return alpha_bytes(matte.alpha, arguments.alpha_bits or 8)
    if kind == "trimap":
        return matte.trimap
    if arguments.foreground:
        picture = estimate_foreground(picture, matte.alpha)
    if arguments.background:
        size = picture.shape[1], picture.shape[0]
        return composite(picture, matte.alpha, read_background(arguments.background, size))
    return cutout(picture, matte.alpha)
