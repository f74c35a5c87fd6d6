"""The examples in docstrings do what they show."""

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("edgematte", "runtime", "export", "calibration")
FILES = [
    file.relative_to(ROOT)
    for folder in FOLDERS
    for file in sorted((ROOT / folder).rglob("*.py"))
    if not any(part.is_symlink() for part in file.parents) and ">>> " in file.read_text()
]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.as_posix())
def test_the_examples_of_a_module(file: Path) -> None:
    pytest.importorskip("onnxruntime")
    parts = file.with_suffix("").parts
    name = ".".join(parts if parts[0] == "edgematte" else ("edgematte", *parts))
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted and not found.failed


def test_there_are_examples() -> None:
    assert len(FILES) >= 4
