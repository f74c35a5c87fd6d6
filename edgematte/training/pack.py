"""Pack a training library into one file: `python -m edgematte.training.pack OUT.pack ...`.

`edgematte train --pack OUT.pack` trains on it, on a machine that needs nothing else.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgematte.cli.sources import add_sources, parse_sources
from edgematte.cli.streams import as_program
from edgematte.errors import OptionError
from edgematte.ranges import OPTIONS, check
from edgematte.training.pictures.folders import Pictures
from edgematte.training.pictures.packed import KINDS, Folder, Packing, write_pack
from edgematte.training.pictures.sources import Library, count, load_library


def folders_of(library: Library) -> list[Folder]:
    """The folders of a library that was read from folders, with their files' names."""
    folders = []
    for kind in KINDS:
        for pictures in getattr(library, kind):
            assert isinstance(pictures, Pictures)
            names = [file.name for file in pictures.files]
            folders.append(Folder(kind, pictures.files[0].parent.name, names, pictures))
    return folders


def pack(options: argparse.Namespace) -> dict[str, Any]:
    """Read the folders and write the pack; gives its path, bytes and the number of pictures.

    Raises:
        OptionError: no folder, a number out of its range, a pack above its limit.
        PictureError: see `load_library`.
    """
    check("--side", options.side, OPTIONS["pack_side"])
    check("--quality", options.quality, OPTIONS["quality"])
    check("--limit", options.limit, OPTIONS["pack_limit"])
    try:
        sources = options.sources.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(f"--sources {options.sources} cannot be read as text ({error})") from None
    library = load_library(parse_sources(options), hold_out=options.hold_out)
    counted = count(library)
    if not any(counted.values()):
        raise OptionError("nothing to pack: give --foregrounds, --backgrounds or --images")
    packing = Packing(options.side, options.quality, options.limit)
    size = write_pack(options.output, folders_of(library), sources, packing)
    return {"pack": str(options.output), "bytes": size, "pictures": counted}


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, pack, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, help="the file to write")
    add_sources(parser)
    parser.add_argument(
        "--sources",
        type=Path,
        required=True,
        metavar="TEXT",
        help="a text file with the pictures' sources and licences; it is packed with them",
    )
    parser.add_argument("--side", type=int, default=Packing.side_px, metavar="PX")
    parser.add_argument("--quality", type=int, default=Packing.quality, help="of WebP, 1 to 100")
    parser.add_argument("--limit", type=float, default=Packing.limit_mb, metavar="MB")
    print(json.dumps(pack(parser.parse_args(arguments)), indent=2))


if __name__ == "__main__":
    as_program("pack", main)
