"""A checkout that turns line ends into CR LF, as Git for Windows does by default."""

import shutil
import subprocess
from pathlib import Path

import pytest

from edgematte.errors import BundleError
from edgematte.runtime.bundle import open_bundle

ROOT = Path(__file__).resolve().parent.parent
BUNDLE = "edgematte/default.edgematte"

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def checkout(tmp_path: Path, *files: str) -> Path:
    """These files of the project, committed and cloned with ``core.autocrlf=true``."""
    origin, copy = tmp_path / "origin", tmp_path / "copy"
    for name in files:
        (origin / name).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, origin / name)
    who = ["-c", "user.name=tests", "-c", "user.email=tests@localhost"]
    for command in (["init", "-q"], ["add", "-A"], [*who, "commit", "-qm", "files"]):
        subprocess.run(["git", *command], cwd=origin, check=True)
    clone = ["git", "-c", "core.autocrlf=true", "clone", "-q", str(origin), str(copy)]
    subprocess.run(clone, check=True)
    return copy


def test_the_project_s_own_files_are_as_committed(tmp_path: Path) -> None:
    names = (".gitattributes", "Makefile", "edgematte/weights", BUNDLE)
    copy = checkout(tmp_path, *names)
    for file in (f for f in copy.rglob("*") if f.is_file() and ".git" not in f.parts):
        assert file.read_bytes() == (ROOT / file.relative_to(copy)).read_bytes(), file
    open_bundle(copy / BUNDLE)


def test_a_bundle_in_anybody_s_repository_loads(tmp_path: Path) -> None:
    copy = checkout(tmp_path, BUNDLE)
    report = copy / BUNDLE / "REPORT.md"
    assert b"\r\n" in report.read_bytes()  # or this says nothing
    open_bundle(copy / BUNDLE)
    report.write_bytes(report.read_bytes().replace(b"\r\n", b"\n\n", 1))
    with pytest.raises(BundleError, match="REPORT.md is not what was exported"):
        open_bundle(copy / BUNDLE)
