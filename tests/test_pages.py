"""No block of the pages rots: Python and commands run, and what cannot is checked in part.

The pages are README.md, CONTRIBUTING.md and docs/. Each is typed in a folder with small files in
place of its reader's (`desk.py`), in its order; `stand_ins.py` has smaller nets, and what is not
run, with the reason. A block that is in no table is run, and fails where it does not work.
"""

import json
import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from desk import Desk, is_run, result_of
from packaging.requirements import Requirement
from pages import PROSE, ROOT, ROW, SHELL, Text, texts_of
from PIL import Image
from real_nets import HINT, u2netp
from stand_ins import BEFORE, NOT_RUN, OTHERS, PROGRAMS, PYTHON_NOT_RUN, TEXTS, Facts, smaller
from typist import Said

from edgematte.cli import COMMANDS, build_parser

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXTS_OF_PAGES = [text for page in PAGES for text in texts_of(page)]
BLOCKS = [text for text in TEXTS_OF_PAGES if text.kind not in (ROW, PROSE)]
RUN = [text for text in TEXTS_OF_PAGES if is_run(text)]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())

PROGRAM = re.compile(r"python (?:-m )?(\S+)")


def of(text: Text, *begin: str) -> bool:
    return text.kind == SHELL and text.text.startswith(begin)


COMMANDS_NOT_RUN = [text for text in BLOCKS if of(text, "edgematte ") and text not in RUN]
PROGRAMS_OF_HERE = [
    text for text in BLOCKS if of(text, "python benchmarks/", "python samples/", "python -m edgem")
]
OTHER_LINES = [
    text
    for text in BLOCKS
    if text.kind == SHELL
    and text not in RUN
    and text not in COMMANDS_NOT_RUN
    and text not in PROGRAMS_OF_HERE
]


def where(text: Text) -> str:
    return text.where


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    for package in ("torch", "onnx", "onnxruntime", "pip", "setuptools"):
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    desk = Desk(tmp_path_factory.mktemp("pages"), TEXTS_OF_PAGES)
    with desk.typist:
        yield desk


# Every block is something


def test_every_kind_of_block_is_known() -> None:
    assert {text.kind for text in BLOCKS} == {SHELL, "python", "json", "text"}
    for text in BLOCKS:
        if text.kind == "text":
            assert any(part in text.text for part in TEXTS), f"{text.where}: nothing holds it"
    for table in (BEFORE, PROGRAMS, PYTHON_NOT_RUN):
        for part in table:
            found = [t for t in BLOCKS if t.kind == "python" and part in t.text]
            assert found, f"no block of Python has {part}: take it out of the table"
    for row in NOT_RUN:
        found = [t for t in COMMANDS_NOT_RUN if re.search(row.which, t.text)]
        assert found, f"no command is {row.which}: take it out of the table"


@pytest.mark.parametrize("text", OTHER_LINES, ids=where)
def test_a_line_of_another_program_is_in_the_table_and_true(text: Text) -> None:
    line = re.sub(r"\s+#.*", "", text.text)
    (row,) = (row for row in OTHERS if re.fullmatch(row.which, line))
    found = re.fullmatch(row.which, line)
    groups = {name: " ".join(map(str, all_)) for name, all_ in PROJECT["dependency-groups"].items()}
    facts = Facts(
        set(PROJECT["project"]["optional-dependencies"]),
        groups,
        set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M)),
        json.loads((ROOT / "samples" / "web" / "package.json").read_text())["dependencies"],
    )
    assert found and row.holds(found, facts), f"{text.text}: not so any more"


# What is run


@pytest.mark.export
@pytest.mark.parametrize("text", RUN, ids=where)
def test_it_works(text: Text, desk: Desk) -> None:
    said = desk.said(text)
    refuse_failure(text, said)
    if text.kind in (SHELL, ROW) and (result := result_of(smaller(text.words[1:]))).strip("-"):
        assert list(desk.place(text.page).glob(re.sub(r"%\d+d", "*", result).rstrip("/")))


def refuse_failure(text: Text, said: Said) -> None:
    """Fail where it failed; skip where a package of an extra that it names is missing."""
    for extra in re.findall(r'pip install "edgematte\[([\w-]+)', said.err):
        if said.code and (packages := missing(extra)):
            pytest.skip(f"{text.text.splitlines()[0]}: {', '.join(packages)} not installed")
    assert said.code == 0, f"{text.where}: {text.text}\n{said.out}{said.err}"


def missing(extra: str) -> list[str]:
    """Packages of an extra that are not installed, by their own names."""
    found = []
    for line in PROJECT["project"]["optional-dependencies"][extra]:
        requirement = Requirement(line)
        if requirement.name == "edgematte":
            found += [name for other in sorted(requirement.extras) for name in missing(other)]
            continue
        try:
            version(requirement.name)
        except PackageNotFoundError:
            found.append(requirement.name)
    return found


@pytest.mark.export
def test_the_readmes_matte_is_of_the_astronaut(desk: Desk) -> None:
    """By the mask that the line above it made."""
    if u2netp() is None:
        pytest.skip(HINT)
    (line,) = (t for t in RUN if t.page == "README.md" and "astronaut.png" in t.words)
    assert "--mask" in line.words and "--bundle" not in line.words
    alpha = np.asarray(Image.open(desk.place("README.md") / "astronaut.png"))[..., 3]
    assert alpha.shape == (512, 512)
    assert alpha[150, 230] > 250 and alpha[30, 60] < 5  # her cheek, the wall


def test_the_pages_have_steps_for_what_people_have() -> None:
    commands = [text.words for text in RUN if text.kind in (SHELL, ROW)]
    assert {"matte", "trimap", "import", "export", "check", "goldens", "info"} <= {
        words[1] for words in commands
    }
    options = {word for words in commands for word in words if word.startswith("--")}
    assert {"--mask", "--fit-mask", "--invert-mask", "--band", "--preset", "--cascade"} <= options


# What is not


@pytest.mark.export
@pytest.mark.parametrize("text", COMMANDS_NOT_RUN, ids=where)
def test_the_arguments_of_what_is_not_run_are_right(text: Text, desk: Desk) -> None:
    (first, *_) = (row for row in NOT_RUN if re.search(row.which, text.text))
    said = desk.typist.parsed(text.words[1:])
    if said.code == 0 and first.planned:
        said = desk.typist.planned(text.words[1:], desk.place(text.page))
    refuse_failure(text, said)


@pytest.mark.export
@pytest.mark.parametrize("text", PROGRAMS_OF_HERE, ids=where)
def test_the_arguments_of_a_program_are_right(text: Text, desk: Desk) -> None:
    found = PROGRAM.match(text.text)
    assert found
    words = [word.strip("[]") for word in text.words[text.words.index(found[1]) + 1 :]]
    file = found[1]
    if file.endswith(".py"):
        assert (ROOT / file).is_file()
        file = str(ROOT / file)
    said = desk.typist.program(file, words)
    if lacking := re.findall(r"^ModuleNotFoundError: No module named '([\w.]+)'$", said.err, re.M):
        pytest.skip(f"{found[1]}: {lacking[-1]} is not installed")
    assert said.code == 0, f"{text.text}\n{said.err}"


def test_python_that_is_not_run_is_python() -> None:
    for text in BLOCKS:
        if text.kind == "python" and text not in RUN:
            compile(text.text, text.where, "exec")


INLINE = [text for text in TEXTS_OF_PAGES if text.kind in (ROW, PROSE)]


def test_commands_in_sentences_exist_and_have_the_options_that_are_named() -> None:
    parser = build_parser()
    (action,) = (a for a in parser._actions if a.dest == "command" or a.metavar == "command")
    assert isinstance(action.choices, dict) and set(action.choices) == set(COMMANDS)
    known = {name: set(one._option_string_actions) for name, one in action.choices.items()}
    seen = 0
    for text in INLINE:
        found = re.match(r"edgematte ([a-z]+)(?= |$)", text.text)
        if not found or text in RUN:
            continue
        assert found[1] in COMMANDS, f"{text.where}: no command {found[1]}"
        told = set(re.findall(r"(?<!\S)--[a-z][\w-]*", text.text))
        assert told <= known[found[1]], f"{text.where}: {text.text}"
        seen += 1
    assert seen > 20


def test_files_in_sentences_exist() -> None:
    seen = 0
    for text in INLINE:
        for file in re.findall(r"(?:benchmarks|samples|tests|docs)/[\w./-]+\w", text.text):
            assert (ROOT / file).exists(), f"{text.where}: {file}"
            seen += 1
        if found := re.match(r"python -m (edgematte[\w.]*)", text.text):
            module = found[1].replace(".", "/")
            assert (ROOT / f"{module}.py").is_file() or (ROOT / module).is_dir(), text.where
        if found := re.match(r"python (benchmarks/\S+)", text.text):
            source = (ROOT / found[1]).read_text()
            for flag in re.findall(r"(?<!\S)--[a-z][\w-]*", text.text):
                assert f'"{flag}"' in source, f"{text.where}: {flag}"
    assert seen > 20


# JSON, of which the pages show a part


@pytest.mark.export
def test_the_index_of_golden_records_is_as_the_page_shows_it(desk: Desk) -> None:
    (shown,) = (t for t in BLOCKS if t.kind == "json" and t.page == "docs/porting.md")
    folder = desk.place(shown.page) / "goldens"
    compare(sketch(shown.text), json.loads((folder / "index.json").read_text()), "index.json")


@pytest.mark.export
def test_a_job_of_a_runner_is_as_the_page_shows_it(desk: Desk) -> None:
    (shown,) = (t for t in BLOCKS if t.kind == "json" and t.page == "docs/runner.md")
    told = sketch(shown.text)
    job = json.loads((desk.place(shown.page) / f"job-{told['graph']}.json").read_text())
    assert Path(job["file"]).is_absolute() and Path(told["file"]).is_absolute()
    compare(told | {"file": Path(told["file"]).name}, job | {"file": Path(job["file"]).name}, "job")


def sketch(text: str) -> Any:
    """What a page shows of JSON: `...` alone is any value, and after a comma any more of them."""
    text = re.sub(r",\s*\.\.\.\s*(?=[,}\]])", "", text)
    return json.loads(re.sub(r"\.\.\.", "null", text))


def compare(shown: Any, real: Any, name: str) -> None:
    """Every key and value that is shown is there; of a list, in one of its items."""
    if isinstance(shown, dict):
        assert isinstance(real, dict) and set(shown) <= set(real), (name, set(shown) - set(real))
        for key, value in shown.items():
            compare(value, real[key], f"{name}.{key}")
    elif isinstance(shown, list) and shown and isinstance(shown[0], dict):
        for item in shown:
            label = item.get("name")
            (same,) = (other for other in real if other.get("name") == label)
            compare(item, same, f"{name}.{label}")
    elif shown is not None:
        assert shown == real, name
