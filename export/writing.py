"""Writing a model by the library that made it."""

from collections.abc import Iterator
from contextlib import contextmanager

from edgematte.errors import ExportError, line_of


@contextmanager
def writing(tool: str, name: str) -> Iterator[None]:
    """A library writes a file in the body; it may say in any class that the disk is full.

    Raises:
        ExportError: with the file's name and the line that says why.
        OSError: as it is, since it says so itself.
    """
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise ExportError(
            f"{tool} cannot write {name}; is the disk full? ({line_of(error, last=True)})"
        ) from error
