"""Shared rooms know no net by name: a net of somebody else's needs no line of them changed."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NAMES = re.compile(r"regional|hdmatt|vitmatte|diffmatte|lightweight", re.IGNORECASE)
SHARED = (
    "runtime/*.py",
    "runtime/clips/*.py",
    "runtime/engines/*.py",
    "runtime/host/*.py",
    "export/*.py",
    "export/mil/*.py",
    "export/passes/*.py",
    "export/targets/*.py",
    "calibration/*.py",
    "calibration/quantizers/*.py",
    "edgematte/check/*.py",
    "edgematte/cli/*.py",
    "edgematte/checkpoint.py",
    "edgematte/host.py",
    "edgematte/manifest.py",
    "edgematte/net.py",
    "edgematte/nets.py",
    "edgematte/options.py",
    "edgematte/targets.py",
    "edgematte/training/engine/*.py",
    "edgematte/training/recipes.py",
)
ALLOWED = {
    # What ships inside the wheel is named once, where it lies.
    "runtime/bundle.py": {"The embedded default: lightweight, split cut, ONNX."},
}
FILES = sorted({file for pattern in SHARED for file in ROOT.glob(pattern)})


def words(file: Path) -> Iterator[tuple[int, str]]:
    """Line and text of every name, string and comment of a file, without what cites a paper."""
    for token in tokenize.generate_tokens(io.StringIO(file.read_text()).readline):
        if token.type in (tokenize.NAME, tokenize.STRING, tokenize.COMMENT):
            yield token.start[0], token.string


def test_there_are_shared_rooms() -> None:
    assert len(FILES) > 100
    assert all(any(ROOT.glob(pattern)) for pattern in SHARED)


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.relative_to(ROOT).as_posix())
def test_no_net_is_named(file: Path) -> None:
    allowed = ALLOWED.get(file.relative_to(ROOT).as_posix(), set())
    found = [
        f"{file.name}:{line}: {text.strip()[:80]}"
        for line, text in words(file)
        if NAMES.search(text) and text.strip("\"' \n") not in allowed
    ]
    assert not found


def test_a_name_is_noticed_in_code_strings_and_comments(tmp_path: Path) -> None:
    """The test itself can fail, whatever way a net is named."""
    for line in ("if family == 'vitmatte': pass", "hdmatt_steps = 1", "x = 1  # of diffmatte"):
        file = tmp_path / "room.py"
        file.write_text(line + "\n")
        ast.parse(line)
        assert any(NAMES.search(text) for _, text in words(file))


COMMANDS = (
    "edgematte/cli/",
    *(f"edgematte/training/{name}.py" for name in ("evaluate", "join", "pack")),
)
"""What speaks to a shell; everything else is a library and speaks of its own arguments."""
FLAG = re.compile(r"(?<![\w-])--[a-z]")


def raised(file: Path) -> Iterator[tuple[int, str]]:
    """Line and text of every string inside a ``raise``."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Raise):
            for part in ast.walk(node):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield part.lineno, part.value


def library() -> list[Path]:
    folders = ("runtime", "export", "calibration", "edgematte")
    files = {file.resolve() for folder in folders for file in (ROOT / folder).rglob("*.py")}
    names = {file.relative_to(ROOT).as_posix(): file for file in files}
    return [file for name, file in sorted(names.items()) if not name.startswith(COMMANDS)]


def test_errors_of_the_library_speak_of_no_flags_of_the_command_line() -> None:
    files = library()
    assert len(files) > 250
    assert not [
        f"{file.name}:{line}: {text}"
        for file in files
        for line, text in raised(file)
        if FLAG.search(text)
    ]
