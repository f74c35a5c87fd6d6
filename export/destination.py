"""Where an export may write: a new place, an empty folder or, if forced, a bundle."""

import os
from pathlib import Path

from edgematte.codec import parse
from edgematte.errors import OptionError
from edgematte.manifest import FILE

STRAY = {".DS_Store", "Thumbs.db", "desktop.ini"}
"""Files that file managers put into any folder."""


def refuse(path: Path, *, force: bool) -> None:
    """Refuse an output that exists, unless it is an empty folder or a bundle that may be replaced.

    Raises:
        OptionError: without ``force`` something is there; with it, something other than a bundle.
    """
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return
    refuse_all_but_bundle(path)
    if not force:
        raise OptionError(f"{path} exists: force replaces it, or give another output")


def refuse_all_but_bundle(path: Path) -> None:
    """Refuse to replace what is no bundle, or a bundle with files that do not belong to it.

    Raises:
        OptionError: it is no bundle, or a file in it would be lost; the message names it.
    """
    if not path.is_dir():
        raise OptionError(f"{path} exists and is no bundle: it stays; give another output")
    try:
        listed = parse((path / FILE).read_text(encoding="utf-8"))["files"]
        own = {FILE, *listed}
    except (OSError, ValueError, TypeError, KeyError):
        raise OptionError(
            f"{path} exists and is no bundle (without an {FILE} that lists its files): it stays; "
            "give another output"
        ) from None
    for place, folders, files in os.walk(path):
        links = [name for name in folders if (Path(place) / name).is_symlink()]
        for name in sorted({*files, *links} - STRAY):
            inside = (Path(place) / name).relative_to(path).as_posix()
            if inside not in own:
                raise OptionError(
                    f"{path} holds {inside}, which is not of the bundle and would be lost: move "
                    "it away, or give another output"
                )
