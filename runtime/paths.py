"""Names of files in a bundle."""

from pathlib import PurePosixPath


def inside(name: str) -> bool:
    """Whether a name, by its letters alone, stays inside the folder it is looked up in."""
    relative = PurePosixPath(name)
    leaves = relative.is_absolute() or ".." in relative.parts
    return not leaves and not any(letter in name for letter in "\\:\0")
