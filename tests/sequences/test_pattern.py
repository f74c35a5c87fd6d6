"""Names of numbered files."""

from pathlib import Path

import pytest

from edgematte.errors import OptionError, PictureError
from edgematte.sequences.pattern import Pattern, in_words, parse_pattern, spans_of


def parsed(text: str) -> Pattern:
    pattern = parse_pattern(text)
    assert pattern is not None
    return pattern


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("a/f_%05d.png", 7),
        ("a/f_%05d.png", 123456),
        ("f%d.exr", 0),
        ("shot.%04d.v2.tif", 1001),
        ("50%%_%02d.png", 3),
    ],
)
def test_names_are_those_that_printf_writes(text: str, number: int) -> None:
    """Python's own formatting is the oracle."""
    pattern = parsed(text)
    file = pattern.file(number)
    assert str(file) == text % number
    assert pattern.number_of(file.name) == number
    assert str(pattern) == text


@pytest.mark.parametrize(
    "name", ["f_7.png", "f_000007.png", "f_0000x.png", "f_-0007.png", "g_00007.png", "f_.png"]
)
def test_names_that_printf_would_not_write_are_others(name: str) -> None:
    assert parsed("a/f_%05d.png").number_of(name) is None


def test_names_without_a_number_are_no_patterns(tmp_path: Path) -> None:
    for text in ("photo.jpg", "100%.png", "a%%d.png", "frames/", "-"):
        assert parse_pattern(text) is None
    (tmp_path / "f_%d.png").touch()
    assert parse_pattern(str(tmp_path / "f_%d.png")) is None  # that very file
    assert parse_pattern(str(tmp_path / "f_%d.png"), exists=False) is not None


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a_%d_%03d.png", "has 2 numbers"),
        ("shot_%02d/f.png", "into the name of the file"),
        ("f_%5d.png", "%5d should be %d or, with zeros in front, %0Nd"),
        ("f_%099d.png", "%0Nd with N up to"),
    ],
)
def test_patterns_that_are_none(text: str, part: str) -> None:
    with pytest.raises(OptionError, match=part):
        parse_pattern(text)


def test_numbers_are_those_of_files(tmp_path: Path) -> None:
    pattern = parsed(str(tmp_path / "f_%02d.png"))
    with pytest.raises(PictureError, match="no file in .* is named as"):
        pattern.numbers()
    for name in ("f_03.png", "f_10.png", "f_100.png", "f_4.png", "f_05.jpg", "x.png"):
        (tmp_path / name).touch()
    (tmp_path / "f_06.png").mkdir()
    assert pattern.numbers() == [3, 10, 100]
    with pytest.raises(PictureError, match=r"there are f_03.png, f_10.png, f_100.png, \.\.\."):
        parsed(str(tmp_path / "g_%02d.png")).numbers()
    with pytest.raises(PictureError, match="none: No such file"):
        parsed(str(tmp_path / "none" / "f_%02d.png")).numbers()


def test_numbers_in_words() -> None:
    assert in_words(spans_of([3, 7, 8, 9])) == "3, 7 to 9"
    assert in_words(spans_of([1, 3, 5, 7])) == "1, 3, 5, ..."
