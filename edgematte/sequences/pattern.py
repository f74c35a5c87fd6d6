"""Names of numbered files, as ``frames/frame_%05d.png`` writes them."""

import re
from dataclasses import dataclass
from pathlib import Path

from edgematte.errors import OptionError, PictureError

LAST = re.compile(r"(\d+)(?=\D*$)")
PERCENT = re.compile(r"%%|%(?P<digits>\d*)d")
MOST_DIGITS = 18
"""Times are 64 bits: more digits are no number."""
SHOWN = 3  # how many other names of a folder a message shows


@dataclass(frozen=True)
class Pattern:
    """The files of a folder whose names differ in one number.

    `before` and `after` are what stands around the number, which has `digits` digits at least, with
    zeros in front; 0: no zeros.
    """

    folder: Path
    before: str
    digits: int
    after: str

    def __str__(self) -> str:
        """As it was written."""
        number = f"%0{self.digits}d" if self.digits else "%d"
        name = self.before.replace("%", "%%") + number + self.after.replace("%", "%%")
        return str(self.folder / name)

    def file(self, number: int) -> Path:
        """The file of a number."""
        return self.folder / f"{self.before}{number:0{self.digits}d}{self.after}"

    def number_of(self, name: str) -> int | None:
        """The number that a file's name has; None where the name is another."""
        if not (name.startswith(self.before) and name.endswith(self.after)):
            return None
        digits = name[len(self.before) : len(name) - len(self.after)]
        if len(digits) > MOST_DIGITS or not (digits.isascii() and digits.isdecimal()):
            return None
        number = int(digits)
        return number if self.file(number).name == name else None

    def numbers(self) -> list[int]:
        """The numbers of the files that there are, rising.

        Raises:
            PictureError: there is no such folder, or no such file in it.
        """
        try:
            names = sorted(f.name for f in self.folder.iterdir() if f.is_file())
        except OSError as error:
            raise PictureError(f"no pictures {self}: {self.folder}: {error.strerror}") from None
        found = sorted(n for n in map(self.number_of, names) if n is not None)
        if not found:
            like = [n for n in names if n.endswith(self.after) and not n.startswith(".")]
            there = f"; there are {', '.join(like[:SHOWN])}, ..." if like else ""
            raise PictureError(f"no file in {self.folder} is named as {self} says{there}")
        return found


def parse_pattern(text: str, *, exists: bool = True) -> Pattern | None:
    """A name with a number in it; None for a name without one.

    Args:
        text: such as ``shot/frame_%05d.png``, ``shot/frame_%d.exr``; ``%%`` is a percent sign.
        exists: a file that there is by this very name is that file.

    Raises:
        OptionError: two numbers, one in a folder's name, or one that is padded with spaces.
    """
    path = Path(text)
    found, above = _numbers(path.name), _numbers(str(path.parent))
    if not found and not above:
        return None
    if exists and path.is_file():
        return None
    if above:
        raise OptionError(f"{text}: the number belongs into the name of the file, not of a folder")
    if len(found) > 1:
        raise OptionError(f"{text} has {len(found)} numbers: give one, such as frame_%05d.png")
    (number,) = found
    digits = number["digits"]
    if digits and (digits[0] != "0" or int(digits) > MOST_DIGITS):
        raise OptionError(
            f"{text}: {number[0]} should be %d or, with zeros in front, %0Nd with N up to "
            f"{MOST_DIGITS}, such as %05d"
        )
    around = path.name[: number.start()], path.name[number.end() :]
    before, after = (part.replace("%%", "%") for part in around)
    return Pattern(path.parent, before, int(digits or 0), after)


def _numbers(text: str) -> list[re.Match[str]]:
    """Where a text has a number; ``%%`` is none."""
    return [found for found in PERCENT.finditer(text) if found["digits"] is not None]


def last_number(file: Path) -> int | None:
    """The last number in a file's name without its ending; None where it has none."""
    found = LAST.search(file.stem)
    return int(found[1]) if found else None


def in_words(spans: list[tuple[int, int]]) -> str:
    """First and last numbers of spans in words: ``3, 7 to 9``."""
    words = [str(a) if a == b else f"{a} to {b}" for a, b in spans[:SHOWN]]
    return ", ".join(words) + (", ..." if spans[SHOWN:] else "")


def missing(numbers: list[int], last: int) -> list[tuple[int, int]]:
    """Spans of what is not among rising numbers, from their first to ``last``."""
    after = [*numbers[1:], max(last, numbers[-1]) + 1]
    pairs = zip(numbers, after, strict=True)
    return [(low + 1, high - 1) for low, high in pairs if high > low + 1]


def spans_of(numbers: list[int]) -> list[tuple[int, int]]:
    """Rising numbers as first and last of those that follow each other."""
    spans: list[tuple[int, int]] = []
    for number in numbers:
        if spans and number == spans[-1][1] + 1:
            spans[-1] = spans[-1][0], number
        else:
            spans.append((number, number))
    return spans
