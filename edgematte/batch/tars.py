"""WebDataset tars: where their pictures lie, so that workers read those bytes alone."""

import tarfile
from collections.abc import Iterator
from pathlib import PurePosixPath

from edgematte.batch.place import open_to_read
from edgematte.errors import OptionError
from edgematte.pictures.folders import picture_endings


def members_of(place: str) -> Iterator[tuple[str, int, int]]:
    """Name, first byte and size of every picture in a tar; only headers are read.

    Raises:
        OptionError: it is missing, compressed, damaged or no tar.
    """
    endings = picture_endings()
    try:
        with open_to_read(place) as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
            for member in tar:
                tar.members = []  # type: ignore[attr-defined]  # it would keep every header
                path = PurePosixPath(member.name)
                if member.isreg() and not member.issparse() and not path.name.startswith("."):
                    if path.suffix.lower() in endings:
                        yield member.name, member.offset_data, member.size
    except FileNotFoundError:
        raise OptionError(f"no tar at {place}") from None
    except tarfile.TarError as error:
        raise OptionError(
            f"{place} is damaged, or compressed, or no tar ({error}): parts of a compressed one "
            "cannot be read alone; unpack it to a plain .tar"
        ) from None
