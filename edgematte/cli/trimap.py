"""``edgematte trimap``."""

import argparse
from pathlib import Path

from edgematte.cli.arguments import add_json, print_json
from edgematte.cli.masks import add_mask_options, masked
from edgematte.cli.outputs import plan
from edgematte.cli.streams import input_bytes, output_bytes, remark
from edgematte.errors import OptionError
from edgematte.ranges import check_options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument(
        "mask", metavar="MASK", help="bright on the subject; a file, or - for stdin"
    )
    parser.add_argument("-o", "--output", required=True, help="a file, or - for stdout")
    parser.add_argument(
        "--image", help="the picture that it is of: the trimap gets its size (default: the mask's)"
    )
    add_mask_options(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write the trimap of one mask, and print where."""
    from edgematte.pictures import encode, open_picture, write_picture
    from edgematte.pictures.formats import refuse_unfit, row_of
    from edgematte.runtime.host.trimap import UNKNOWN

    if arguments.fit_mask and not arguments.image:
        raise OptionError("--fit-mask stretches to a picture: give --image FILE with it")
    check_options(band_px=arguments.band)
    if Path(arguments.mask).is_dir():
        raise OptionError(f"{arguments.mask} is a folder: give one mask")
    image = Path(arguments.image) if arguments.image else None
    read = [image] if image else []
    (job,) = plan([arguments.mask], arguments.output, ["trimap"], None, read=read)
    path = job.results["trimap"]
    if path is None:
        output_bytes()
        if arguments.json:
            raise OptionError("--json and -o - both want standard output: give -o FILE")
    else:
        refuse_unfit(row_of(path), "trimap")
    picture = open_picture(image) if image else None
    for note in picture.notes if picture else ():
        _say(note)
    trimap = masked(job.source or input_bytes(), picture, arguments, _say)
    if path is None:
        output_bytes().write(encode(trimap, "PNG", None))
        return 0
    refuse_unfit(row_of(path), "trimap", (trimap.shape[1], trimap.shape[0]))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_picture(trimap, path)
    if arguments.json:
        unknown = float((trimap == UNKNOWN).mean())
        size = [trimap.shape[1], trimap.shape[0]]
        result = {"mask": job.name, "result": str(path), "size": size}
        print_json({**result, "unknown": round(unknown, 4)})
    else:
        print(path)
    return 0


def _say(line: str) -> None:
    remark(f"edgematte: {line}")
