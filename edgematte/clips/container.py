"""Which files are clips, opening them, and turning FFmpeg's errors into the project's."""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

from edgematte.errors import EngineError, PictureError
from edgematte.extras import importing

ENDINGS = {".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".wmv"}


def is_clip(name: str | Path) -> bool:
    """Whether a file's ending is one of a clip."""
    return Path(name).suffix.lower() in ENDINGS


def pyav() -> Any:
    """The module ``av``.

    Raises:
        EngineError: it is not installed.
    """
    with importing("clips need PyAV", 'pip install "edgematte[video]"', EngineError):
        import av
    return av


def open_container(path: Path) -> Any:
    """An input container.

    Raises:
        PictureError: missing or not a clip.
    """
    av = pyav()
    if not path.is_file():
        raise PictureError(f"no clip at {path}")
    try:
        try:
            return av.open(str(path))
        except UnicodeDecodeError:  # PyAV 18 and before: a title in another encoding than UTF-8
            return av.open(str(path), metadata_errors="replace")
    except (av.error.FFmpegError, OSError) as error:
        raise PictureError(
            f"{path.name} is not a clip that can be read ({reason(error)})"
        ) from None


@contextmanager
def writing(name: str) -> Iterator[None]:
    """Turn FFmpeg's errors in the body, which writes a file, into an EngineError.

    Raises:
        EngineError: FFmpeg raised an error in the body.
    """
    av = pyav()
    try:
        yield
    except av.codec.codec.UnknownCodecError as error:
        raise EngineError(f"{name}: FFmpeg was built without the encoder {error}") from None
    except av.error.FFmpegError as error:
        raise EngineError(f"{name} could not be written ({reason(error)})") from None


def reason(error: BaseException) -> str:
    """What went wrong, in FFmpeg's words."""
    return getattr(error, "strerror", None) or str(error)


def fraction(value: Any) -> Fraction | None:
    """A ratio of any PyAV version as a Fraction; None if it is missing or zero."""
    return Fraction(value.numerator, value.denominator) if value else None
