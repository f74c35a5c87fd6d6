"""A net from outside goes all the way, with no line of edgematte edited: `samples/sixth_net`.

The commands are those of its README. Heavy ones share one process (torch is imported once), whose
path holds the package as pip installs it; the others run as from a shell.
"""

import importlib.util
import json
import re
import shlex
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pages import ROOT, Shell, commands_of, install, lines_of, missing, texts_of
from PIL import Image
from typist import Said

SAMPLE = ROOT / "samples" / "sixth_net"
BUNDLE = "portrait-unet-tiny-onnx-fp32.edgematte"
NET, DISTRIBUTION = "portrait_unet.net", "edgematte-portrait-unet"

README = (SAMPLE / "README.md").read_text()
TEXTS = texts_of(SAMPLE / "README.md")
LINES, COMMANDS = lines_of(TEXTS), commands_of(TEXTS)


def copy_sample(folder: Path) -> None:
    """The sample as a fresh checkout has it."""
    left_out = shutil.ignore_patterns("build", "*.egg-info", "__pycache__")
    shutil.copytree(SAMPLE, folder / "samples" / "sixth_net", ignore=left_out)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the commands run: as in a checkout, the samples are in it."""
    folder = tmp_path_factory.mktemp("sixth")
    copy_sample(folder)
    shutil.copy(ROOT / "samples" / "astronaut.jpg", folder / "samples")
    return folder


@pytest.fixture(scope="module")
def installed(folder: Path) -> Shell:
    """With the package as pip installs it."""
    for needed in ("pip", "setuptools"):
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"{needed} is not installed, which installs the sample")
    (line,) = (line for line in LINES if re.fullmatch(r"pip install \./\S+", line))
    return install(folder, line)


@pytest.fixture(scope="module")
def plugged(folder: Path) -> Shell:
    """With the package's source on the path, not installed; as the README has it."""
    (line,) = (line for line in LINES if line.startswith("PYTHONPATH="))
    copy_sample(folder / "fresh")  # pip leaves its notes of the package beside the other's source
    return Shell(folder, (folder / "fresh" / line.split()[0].removeprefix("PYTHONPATH="),))


@pytest.fixture(scope="module")
def answers(installed: Shell) -> Iterator[dict[str, Said]]:
    """Every command of the README with what it answered, in their order."""
    for package in ("torch", "onnx", "onnxruntime"):
        pytest.importorskip(package)
    commands = [command for command in COMMANDS if not missing(command)]
    said = installed.several(commands)
    yield dict(zip(map(shlex.join, commands), said, strict=True))


def test_the_readmes_other_lines_are_true() -> None:
    others = [line for line in LINES if not line.startswith("edgematte ")]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (extra,) = re.findall(r'pip install "edgematte\[(\w+)\]"', "\n".join(others))
    assert extra in project["optional-dependencies"]
    sample = tomllib.loads((SAMPLE / "pyproject.toml").read_text())["project"]
    assert sample["name"] == DISTRIBUTION
    ((name, where),) = sample["entry-points"]["edgematte.nets"].items()
    assert f'{name} = "{where}"' in others and where == f"{NET}:NET"
    (tests,) = (line.split()[1] for line in others if line.startswith("pytest "))
    collected = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]
    assert tests in collected["ini_options"]["testpaths"]
    table = re.findall(r"^\| `(\w+\.py)` \|", README, re.M)
    modules = {file.name for file in (SAMPLE / "src" / "portrait_unet").glob("*.py")}
    assert {*table, "__init__.py"} == modules
    assert len(others) == 6, "a line of the README that nothing here runs"


def test_the_readme_runs_every_command_on_every_target_in_floats_and_int8() -> None:
    assert {command[0] for command in COMMANDS} == {
        *("models", "train", "export", "check", "info", "matte", "bench")
    }
    exports = [" ".join(command) for command in COMMANDS if command[0] == "export"]
    found = {(t, "int8-weights" in e) for e in exports for t in re.findall(r"--target (\w+)", e)}
    assert found == {(t, int8) for t in ("onnx", "openvino", "coreml") for int8 in (False, True)}


@pytest.mark.export
@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: " ".join(words[:7]))
def test_every_command_of_the_readme_works(command: list[str], answers: dict[str, Said]) -> None:
    if missing(command):
        pytest.skip(f"{shlex.join(command)}: {', '.join(missing(command))} is not installed")
    said = answers[shlex.join(command)]
    assert said.code == 0, said.err


@pytest.mark.export
def test_it_is_listed_beside_the_built_in_ones(answers: dict[str, Said]) -> None:
    listed = answers["models"].out
    for name in ("lightweight", "portrait-unet", "portrait-unet-tiny"):
        assert re.search(rf"^{name}: ", listed, re.M)
    assert listed.count(f"of the package {DISTRIBUTION}") == 2


@pytest.mark.export
def test_its_bundles_are_within_tolerance_of_what_was_trained(
    answers: dict[str, Said], folder: Path
) -> None:
    bundles = sorted(folder.glob("portrait-unet-tiny-*.edgematte"))
    exports = [command for command in answers if command.startswith("export")]
    assert len(bundles) == len(exports) >= 2
    weights = set()
    for bundle in bundles:
        manifest = json.loads((bundle / "edgematte.json").read_text())
        assert manifest["package"] == f"{DISTRIBUTION} 0.1.0"
        assert (
            manifest["host"] | {"kind": "fused", "size": [128, 128], "edge_px": 8}
            == (manifest["host"])
        )
        kinds = {difference["equality"] for difference in manifest["accuracy"]["differences"]}
        assert {"cut", "host", "export", "end-to-end"} <= kinds
        weights.add(manifest["weights"]["sha256"])
    assert len(weights) == 1
    (check,) = (said for command, said in answers.items() if command.startswith("check"))
    assert "within tolerance" in check.out and "enlarge.alpha" in check.out
    (info,) = (said for command, said in answers.items() if command.startswith("info"))
    assert f"portrait-unet-tiny of {DISTRIBUTION} 0.1.0, onnx, fp32" in info.out
    assert "edge_px 8" in info.out
    (bench,) = (said for command, said in answers.items() if command.startswith("bench"))
    assert {"host.reduce", "graph.matte", "host.enlarge"} <= set(bench.out.split())


@pytest.mark.export
def test_its_load_option_is_obeyed_and_is_no_other_nets(
    answers: dict[str, Said], installed: Shell, folder: Path
) -> None:
    assert answers, "the bundle is there"
    picture = "samples/astronaut.jpg"
    plain = installed.run("matte", picture, "-o", "plain.png", "--bundle", BUNDLE)
    assert plain.code == 0, plain.err
    soft, hard = (np.asarray(Image.open(folder / f))[..., 3] for f in ("plain.png", "cutout.png"))
    assert hard.std() > soft.std() > 0  # --sharpen 1.5 moves alpha away from one half
    wrong = installed.run("matte", picture, "-o", "none.png", "--sharpen", "1.5")
    assert wrong.code == 2 and "sharpen has no meaning for lightweight" in wrong.err
    wrong = installed.run("matte", picture, "-o", "none.png", "--bundle", BUNDLE, "--sharpen", "99")
    assert wrong.code == 2 and "sharpen 99: a number from 0.1 to 10" in wrong.err
    assert not (folder / "none.png").exists()


@pytest.mark.export
def test_without_the_package_its_bundle_says_what_to_install(
    answers: dict[str, Said], folder: Path
) -> None:
    assert answers, "the bundle is there"
    for command in (["info", BUNDLE], ["check", BUNDLE], ["bench", BUNDLE]):
        said = Shell(folder, ()).run(*command)
        assert said.code == 2 and len(said.err.splitlines()) == 1
        assert f"pip install {DISTRIBUTION}" in said.err


@pytest.mark.export
def test_the_same_as_a_plug_in_that_is_not_installed(
    answers: dict[str, Said], plugged: Shell, folder: Path
) -> None:
    """The README's line and every command with --plugin; each of the light ones by itself."""
    (line,) = (line for line in LINES if line.startswith("PYTHONPATH="))
    words = shlex.split(line)[2:]
    assert plugged.run(*words).code == 0
    model = ("--model", "portrait-unet-tiny")
    train = ["train", *model, *"--procedural --steps 2 --size 64 --batch 2 --output again".split()]
    export = ["export", *model, *"--target onnx --size 64 --weights again --edge-px 4".split()]
    export += ["--output", "plugged.edgematte"]
    for said in plugged.several([[*words, "--plugin", NET] for words in (train, export)]):
        assert said.code == 0, said.err
    manifest = json.loads((folder / "plugged.edgematte" / "edgematte.json").read_text())
    assert manifest["package"] == DISTRIBUTION  # of no version: none is installed
    matte = ["matte", "samples/astronaut.jpg", "-o", "plugged.png", "--sharpen", "2"]
    bench = ["bench", "plugged.edgematte", "--runs", "2", "--size", "64x48"]
    for words in (
        ["models"],
        ["info", "plugged.edgematte"],
        ["check", "plugged.edgematte"],
        [*matte, "--bundle", "plugged.edgematte"],
        bench,
    ):
        said = plugged.run(*words, "--plugin", NET)
        assert said.code == 0, said.err
    assert Image.open(folder / "plugged.png").size == Image.open(folder / matte[1]).size
    said = plugged.run(*bench)  # on the path, and not asked for
    assert said.code == 2 and f"pip install {DISTRIBUTION}" in said.err
