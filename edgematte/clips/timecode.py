"""The timecode of a clip's first frame (SMPTE ST 12), which its copy keeps."""

import re
from fractions import Fraction
from typing import Any

SHAPE = re.compile(r"(\d\d):([0-5]\d):([0-5]\d)([:;.])(\d\d)")
KEY = "timecode"


def timecode_of(container: Any, pictures: Any) -> str:
    """The timecode of a clip, such as 01:00:00:00; empty if it has none.

    That of the pictures, else of a track of timecode, else of the whole file.
    """
    for metadata in (
        pictures.metadata,
        *(stream.metadata for stream in container.streams if stream.type == "data"),
        container.metadata,
    ):
        for key, value in metadata.items():
            if key.lower() == KEY:
                return str(value)
    return ""


def is_timecode(text: str, rate: Fraction) -> bool:
    """Whether a text is a timecode at a rate; one that drops numbers is of 29.97 or 59.94 only."""
    found, fps = SHAPE.fullmatch(text), round(rate)
    if found is None or int(found[1]) > 23 or int(found[5]) >= fps:
        return False
    return found[4] == ":" or fps % 30 == 0
