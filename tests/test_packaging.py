"""What is on disk is what installs; what the documents promise is what the code holds."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_every_package_on_disk_is_in_pyproject() -> None:
    found = set()
    for top, name in (
        ("edgematte", "edgematte"),
        ("export", "edgematte.export"),
        ("runtime", "edgematte.runtime"),
        ("calibration", "edgematte.calibration"),
    ):
        for init in (ROOT / top).rglob("__init__.py"):
            if not any(p.is_symlink() for p in init.relative_to(ROOT).parents if p.name):
                parts = init.parent.relative_to(ROOT / top).parts
                found.add(".".join([name, *parts]))
    assert found == set(PROJECT["tool"]["setuptools"]["packages"])


def test_the_checkout_imports_without_an_install() -> None:
    for name in ("export", "runtime", "calibration"):
        link = ROOT / "edgematte" / name
        assert link.is_symlink() and link.resolve() == ROOT / name


def test_what_ships_is_within_its_size() -> None:
    bundle = ROOT / "edgematte" / "default.edgematte"
    assert sum(f.stat().st_size for f in bundle.rglob("*") if f.is_file()) < 2_000_000


def test_the_wheel_lists_every_file_of_the_default_bundle() -> None:
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["edgematte"]
    listed = {f for p in patterns for f in (ROOT / "edgematte").glob(p) if f.is_file()}
    bundle = ROOT / "edgematte" / "default.edgematte"
    assert {f for f in bundle.rglob("*") if f.is_file()} <= listed


def test_the_readme_prints_the_tolerances_of_the_code() -> None:
    from edgematte.runtime.proof.tolerances import TOLERANCES

    text = (ROOT / "README.md").read_text()
    rows = re.findall(r"^\| (fp\d+|int[\w-]+|w8a16) \| ([\d.e-]+) \| ([\d.e-]+) \|$", text, re.M)
    said = {name: (float(worst), float(mean)) for name, worst, mean in rows}
    assert said == {name: (t.max_abs, t.mean_abs) for name, t in TOLERANCES.items()}


def test_every_command_of_the_readme_parses() -> None:
    from edgematte.cli import build_parser

    text = (ROOT / "README.md").read_text()
    lines = re.findall(r"^    (?:cat \S+ \| )?edgematte (.+?)(?:\s+#.*| > \S+)?$", text, re.M)
    assert len(lines) >= 8
    for line in lines:
        words = line.replace('"', "").split()
        try:
            build_parser().parse_args(words)
        except SystemExit:
            pytest.fail(f"the README's `edgematte {line}` is not a command")


def test_every_make_target_of_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = set(re.findall(r"make ([a-z-]+)", (ROOT / "README.md").read_text()))
    assert {"demo", "test"} <= named <= targets
