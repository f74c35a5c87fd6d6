"""A training library in one file, to carry to a machine that has nothing but this program.

The file is a ZIP without compression of its own: pictures as WebP, `pack.json` with their kinds,
folders, names and SHA-256, and `SOURCES` with where they come from and under which licences.
"""

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from PIL import Image

from edgematte.atomic import atomic_file
from edgematte.codec import parse
from edgematte.errors import OptionError, PictureError
from edgematte.training.pictures.sources import (
    MASK_BAND_PX,
    SIDE_PX,
    Library,
    Photo,
    held_out,
    photo_of,
    shrink,
)

T = TypeVar("T")
FORMAT = 1
INDEX, SOURCES = "pack.json", "SOURCES"
KINDS = ("people", "pairs", "cutouts", "veils", "backgrounds")
ALPHA_QUALITY = 92  # an alpha's steps of WebP at this quality are below 3 of 255 on average


@dataclass(frozen=True)
class Packing:
    """How a library is packed.

    `side_px`: the longest side of pictures in the pack. `quality`: of WebP, 1 to 100. `limit_mb`:
    the largest file, in millions of bytes.
    """

    side_px: int = 384
    quality: int = 75
    limit_mb: float = 45.0


@dataclass(frozen=True)
class Folder:
    """Pictures of one kind and folder with their names without endings, in the order of both."""

    kind: str
    name: str
    names: Sequence[str]
    pictures: Sequence[Photo] | Sequence[Image.Image]


def _webp(picture: Image.Image, quality: int, *, lossless: bool = False) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "WEBP", quality=quality, lossless=lossless, method=4)
    return stream.getvalue()


def _encoded(kind: str, picture: Any, packing: Packing) -> list[bytes]:
    """The picture and, of photographs, its matte; masks are kept to the bit."""
    side_px, quality = packing.side_px, packing.quality
    if isinstance(picture, Photo):
        image, alpha = shrink(picture.image, side_px), shrink(picture.alpha, side_px)
        is_mask = kind == "people"
        if is_mask:
            alpha = alpha.point([0] * 128 + [255] * 128)
        return [_webp(image, quality), _webp(alpha, ALPHA_QUALITY, lossless=is_mask)]
    small = shrink(picture, side_px)
    if kind == "veils":  # only their alpha is used
        return [_webp(small.getchannel("A"), ALPHA_QUALITY)]
    return [_webp(small, quality)]


def write_pack(
    file: Path, folders: Sequence[Folder], sources: str, packing: Packing | None = None
) -> int:
    """Write a pack, whole or not at all; gives its size in bytes.

    Args:
        sources: where the pictures come from and their licences, in words; it travels with them.

    Raises:
        OptionError: the pack is larger than the limit, or `sources` is empty.
    """
    packing = packing or Packing()
    if not sources.strip():
        raise OptionError("the text of sources and licences is empty: say where pictures come from")
    index: dict[str, Any] = {"format": FORMAT, "side_px": packing.side_px, "folders": []}
    with atomic_file(file) as scratch:
        with zipfile.ZipFile(scratch, "w", zipfile.ZIP_STORED) as pack:
            for number, folder in enumerate(folders):
                rows: list[dict[str, Any]] = []
                pairs = zip(folder.names, folder.pictures, strict=True)
                for position, (name, picture) in enumerate(pairs):
                    parts = _encoded(folder.kind, picture, packing)
                    files = [f"{number}/{position}-{part}.webp" for part in range(len(parts))]
                    for file_name, data in zip(files, parts, strict=True):
                        pack.writestr(file_name, data)
                    digests = [hashlib.sha256(data).hexdigest() for data in parts]
                    rows.append({"name": name, "files": files, "sha256": digests})
                row = {"kind": folder.kind, "name": folder.name, "pictures": rows}
                index["folders"].append(row)
            pack.writestr(SOURCES, sources)
            pack.writestr(INDEX, json.dumps(index))
        size = scratch.stat().st_size
        if size > packing.limit_mb * 1e6:
            raise OptionError(
                f"the pack would be {size / 1e6:.1f} MB, more than {packing.limit_mb:g}: "
                f"pack at a smaller side than {packing.side_px} pixels, or at a lower quality "
                f"than {packing.quality}"
            )
    return size


def read_pack(file: Path, *, hold_out: float = 0.0, validation: bool = False) -> Library:
    """The library of a pack, every picture decoded, those of `hold_out` left out.

    `hold_out` and `validation` mean what they mean for folders, see `load_library`.

    Raises:
        PictureError: there is no such file, it is no pack, or a picture in it is not what was
            packed.
    """
    try:
        with zipfile.ZipFile(file) as pack:
            index = parse(pack.read(INDEX))
            if index.get("format") != FORMAT:
                raise PictureError(
                    f"{file} is a pack of format {index.get('format')}, not {FORMAT}: pack again"
                )
            entries = {name: pack.read(name) for name in pack.namelist()}
        folders = [(row["kind"], row["pictures"]) for row in index["folders"]]
        library = Library()
        band_px = max(2, round(MASK_BAND_PX * index["side_px"] / SIDE_PX))
        for kind, rows in folders:
            mine = [row for row in rows if held_out(row["name"], hold_out) == validation]
            pictures = list(_decoded(mine, _reader(kind, entries, band_px)))
            if pictures:
                getattr(library, kind).append(pictures)
    except FileNotFoundError:
        raise PictureError(f"no pack at {file}") from None
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError, OSError) as error:
        raise PictureError(f"{file} is no pack of pictures, or a damaged one ({error})") from None
    return library


def _decoded(rows: Sequence[dict[str, Any]], read: Callable[[dict[str, Any]], T]) -> Iterator[T]:
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        yield from threads.map(read, rows)


def _reader(kind: str, entries: dict[str, bytes], band_px: int) -> Callable[[dict[str, Any]], Any]:
    if kind not in KINDS:
        raise ValueError(f"pictures of kind {kind!r}")

    def planes(row: dict[str, Any]) -> list[Image.Image]:
        for name, digest in zip(row["files"], row["sha256"], strict=True):
            if hashlib.sha256(entries[name]).hexdigest() != digest:
                raise ValueError(f"the bytes of {name} changed")
        read: list[Image.Image] = [
            Image.open(io.BytesIO(entries[name]), formats=["WEBP"]) for name in row["files"]
        ]
        for picture in read:
            picture.load()
        return read

    def photo(row: dict[str, Any]) -> Photo:
        image, alpha = planes(row)
        made = photo_of(image.convert("RGB"), alpha.convert("L"), kind == "people", band_px)
        if made is None:
            raise ValueError(f"{row['name']} shows no subject")
        return made

    def veil(row: dict[str, Any]) -> Image.Image:
        alpha = planes(row)[0].convert("L")
        made = Image.new("RGBA", alpha.size)
        made.putalpha(alpha)
        return made

    def picture(row: dict[str, Any]) -> Image.Image:
        return planes(row)[0].convert("RGBA" if kind == "cutouts" else "RGB")

    return {"people": photo, "pairs": photo, "veils": veil}.get(kind, picture)
