"""Whether a file ends where its own structure says: then a header that promises more is wrong."""

import struct
from pathlib import Path
from typing import BinaryIO

EBML, SEGMENT = 0x1A45DFA3, 0x18538067  # elements of Matroska (RFC 8794, 9559)
FRAGMENT = b"moof"  # after which more may be missing that no table lists


def is_whole(path: Path) -> bool:
    """Whether nothing is missing at the end of an MP4, Matroska or AVI file.

    False where the file does not say, as of other formats, fragments and live recordings.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(4)
        file.seek(0)
        if head == EBML.to_bytes(4, "big"):
            return _matroska(file, size)
        return _riff(file, size) if head == b"RIFF" else _boxes(file, size)


def _boxes(file: BinaryIO, size: int) -> bool:
    """Boxes of ISO/IEC 14496-12 up to the last byte."""
    place, kinds = 0, set()
    while place + 8 <= size:
        file.seek(place)
        length, kind = struct.unpack(">I4s", file.read(8))
        if length == 1:
            (length,) = struct.unpack(">Q", file.read(8).ljust(8, b"\0"))
        elif length == 0:
            length = size - place
        if length < 8:
            return False
        kinds.add(kind)
        place += length
    return place == size and b"moov" in kinds and FRAGMENT not in kinds


def _riff(file: BinaryIO, size: int) -> bool:
    """Chunks of RIFF up to the last byte."""
    place = 0
    while place + 8 <= size:
        file.seek(place)
        name, length = struct.unpack("<4sI", file.read(8))
        if name != b"RIFF":
            return False
        place += 8 + length + (length % 2 if place + 8 + length < size else 0)
    return place == size


def _matroska(file: BinaryIO, size: int) -> bool:
    """A segment of known length that ends in the file."""
    number, length = _element(file)
    if number != EBML or length is None:
        return False
    file.seek(length, 1)
    number, length = _element(file)
    return number == SEGMENT and length is not None and file.tell() + length <= size


def _element(file: BinaryIO) -> tuple[int, int | None]:
    """The number and the length of an element; None: it is not known."""
    return _number(file, keep=True) or 0, _number(file, keep=False)


def _number(file: BinaryIO, *, keep: bool) -> int | None:
    """A number of variable length (RFC 8794, 4), with its mark or without; None: all ones."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    more = 8 - first[0].bit_length()
    value = int.from_bytes(first + file.read(more), "big")
    if keep:
        return value
    value &= (1 << (7 * (more + 1))) - 1
    return None if value == (1 << (7 * (more + 1))) - 1 else value
