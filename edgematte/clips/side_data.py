"""What decoders attach to frames beside their pixels."""

from typing import Any

MASTERING = ("MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL")


def side_data(frame: Any, name: str) -> bytes | None:
    """The side data of a decoded frame by FFmpeg's name; None where the frame has none.

    ``frame.side_data`` would tie the frame into a circle with its side data: its pixels, of which
    Python's collector of circles knows nothing, would stay in memory for hundreds of frames.

    Raises:
        ValueError: PyAV 18 and before do not know a newer kind that the frame has, such as EXIF.
    """
    from av.sidedata.sidedata import SideDataContainer

    container: Any = SideDataContainer  # whose declaration lacks its argument
    data = container(frame).get(name)
    return None if data is None else bytes(data)


def has_mastering(frame: Any) -> bool:
    """Whether a decoded frame says what screen it was mastered on, or how bright it gets."""
    try:
        return any(side_data(frame, name) is not None for name in MASTERING)
    except ValueError:
        return False
