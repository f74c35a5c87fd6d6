"""What is on disk is what installs; what the documents promise is what the code holds."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from edgematte.runtime.bundle import SHIPPED

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
    for bundle in SHIPPED.values():
        files = [bundle] if bundle.is_file() else [f for f in bundle.rglob("*") if f.is_file()]
        assert sum(f.stat().st_size for f in files) < 2 * 2**20


def test_the_wheel_lists_every_file_of_the_bundles_that_ship() -> None:
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["edgematte"]
    listed = {f for p in patterns for f in (ROOT / "edgematte").glob(p) if f.is_file()}
    for bundle in SHIPPED.values():
        there = ROOT / "edgematte" / bundle.name
        assert {f for f in (there, *there.rglob("*")) if f.is_file()} <= listed


def test_the_readme_prints_the_tolerances_of_the_code() -> None:
    from edgematte.runtime.proof.tolerances import TOLERANCES

    text = (ROOT / "README.md").read_text()
    rows = re.findall(r"^\| (fp\d+|int[\w-]+|w8a16) \| ([\d.e-]+) \| ([\d.e-]+) \|$", text, re.M)
    said = {name: (float(worst), float(mean)) for name, worst, mean in rows}
    assert said == {name: (t.max_abs, t.mean_abs) for name, t in TOLERANCES.items()}


def test_classifiers_are_those_of_the_index_and_say_what_is_tested() -> None:
    known = pytest.importorskip("trove_classifiers")
    said = set(PROJECT["project"]["classifiers"])
    assert said <= known.classifiers and not said & set(known.deprecated_classifiers)
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    tested = re.findall(r'"(3\.\d+)"', *re.findall(r"python: (\[.*\])", workflow))
    assert {c.split(" :: ")[-1] for c in said if re.search(r"Python :: 3\.\d+$", c)} == set(tested)
    assert PROJECT["project"]["requires-python"] == f">={tested[0]}"


def test_the_hosted_workflow_fits_the_schema_of_workflows() -> None:
    pytest.importorskip("check_jsonschema")
    workflow = ROOT / ".github" / "workflows" / "ci.yml"
    command = ["-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    done = subprocess.run(
        [sys.executable, *command, str(workflow)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
