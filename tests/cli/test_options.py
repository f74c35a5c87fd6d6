"""Options of nets and targets on the command line: where they are listed, how they are spelt."""

import argparse
import re
from pathlib import Path

import pytest

from edgematte import cli
from edgematte.cli import build_parser, main
from edgematte.cli.declared import DEST, Row, load_options, size_options, target_options
from edgematte.cli.flags import spelt
from edgematte.nets import nets

Capture = pytest.CaptureFixture[str]
FLAGS = {"memory_mb": "--memory", "steps": "--steps", "band_px": "--band", "opset": "--opset"}


def helped(command: str, capsys: Capture) -> str:
    """A command's help, without line breaks."""
    with pytest.raises(SystemExit) as left:
        main([command, "--help"])
    assert left.value.code == 0
    return " ".join(capsys.readouterr().out.split())


ROWS = [
    *((command, row) for command in ("matte", "bench") for row in load_options()),
    *(("export", row) for row in (*size_options(), *target_options())),
]


@pytest.mark.parametrize(
    ("command", "row"), ROWS, ids=[f"{c}-{whose}-{row.name}" for c, (whose, row, _) in ROWS]
)
def test_the_help_says_every_option_and_whose_it_is(
    command: str, row: Row, capsys: Capture
) -> None:
    whose, option, _ = row
    text = helped(command, capsys)
    group = text[text.index("options of the bundle's net" if command != "export" else "sizes of") :]
    (entry,) = re.findall(rf" --{option.flag}(?=[ ,])(?! has).*?(?= --\w|$)", group)[:1]
    entry = group[group.index(entry) :]
    assert whose in entry and option.help.partition(" (default")[0] in entry


def test_units_ranges_and_defaults_stand_in_the_help(capsys: Capture) -> None:
    text = helped("matte", capsys)
    assert "--budget-ms MS regional: time from picture to alpha" in text
    assert "--memory MB hdmatt: features of patches kept in memory" in text
    assert "steps of the diffusion (1 to 50; default: the bundle's)" in text
    assert "--stop-below X diffmatte" in text and "(above 0)" in text
    text = helped("export", capsys)
    assert "--patch PX lightweight (split): side of the patches" in text
    assert "pixels that tiles share, at most half a tile (1 to 16384; default: 128)" in text
    assert "--min-ios {15,16,17,18}" in text and "--io {tensor,image}" in text
    assert "onnx: operator set (18 to 26; default: 18); openvino: operator set of the ONNX" in text


def test_no_option_is_listed_twice_with_another_meaning() -> None:
    """One flag of a command is one argument: what several declare has one type."""
    for rows in (load_options(), size_options(), target_options()):
        kinds: dict[str, set[tuple[type, str]]] = {}
        for _, row, _ in rows:
            kinds.setdefault(row.flag, set()).add((row.kind, row.name))
        assert [flag for flag, found in kinds.items() if len(found) > 1] == []


@pytest.mark.parametrize(
    ("sentence", "said"),
    [
        ("memory_mb -1: at least 0", "--memory -1: at least 0"),
        ("steps has no meaning for x; leave it out", "--steps has no meaning for x; leave it out"),
        ("memory_mb and steps have no meaning for x", "--memory and --steps have no meaning for x"),
        ("opset has no meaning for x; it has: steps", "--opset has no meaning for x; it has: --steps"),  # noqa: E501
        ("x takes no steps, but a band_px", "x takes no steps, but a --band"),
        ("unknown target x; there are: steps", "unknown target x; there are: steps"),
        ("1 memory_mb.png and opset.png", "1 memory_mb.png and opset.png"),
        ("/a/memory_mb/x is missing", "/a/memory_mb/x is missing"),
        ("--steps 0: at least 1", "--steps 0: at least 1"),
    ],
)  # fmt: skip
def test_names_of_options_become_flags(sentence: str, said: str) -> None:
    assert spelt(sentence, FLAGS) == said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["bench", "--memory", "-1"], "--memory -1: a number of megabytes at least 0"),
        (["bench", "--memory", "5"], "--memory has no meaning for lightweight, which takes no"),
        (["bench", "--steps", "4", "--seed", "1"], "have no meaning for lightweight"),
        (["bench", "--engine-cache", "x"], "--engine-cache is for device tensorrt"),
    ],
)
def test_the_shell_speaks_of_flags(
    arguments: list[str], said: str, tiny_bundle: Path, capsys: Capture
) -> None:
    command, *rest = arguments
    assert main([command, str(tiny_bundle), *rest]) == 2
    out, err = capsys.readouterr()
    assert not out and said in err and len(err.splitlines()) == 1


@pytest.mark.export
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--patch", "320"],
            "there are: --opset, --ort, --dynamic-batch, --portable, --overlap, --lattice",
        ),
        (["--min-ios", "17"], "--min-ios has no meaning for vitmatte-s to onnx"),
        (["--band", "3"], "--band is of the trimap stage: give a cascade too"),
        (["--io", "picture"], "--io picture: there are tensor, image"),
    ],
)  # fmt: skip
def test_so_does_an_export(arguments: list[str], said: str, capsys: Capture) -> None:
    pytest.importorskip("torch")
    assert main(["export", "--model", "vitmatte-s", "--target", "onnx", *arguments]) == 2
    out, err = capsys.readouterr()
    assert not out and said in err and len(err.splitlines()) == 1


def test_no_file_of_the_command_line_knows_a_net() -> None:
    folder = Path(cli.__file__).parent
    names = re.compile("|".join(nets()), re.IGNORECASE)
    assert names.search("ViTMatte")
    for file in folder.glob("*.py"):
        assert not names.findall(file.read_text(encoding="utf-8")), file.name


def test_every_flag_of_a_declared_option_is_taken_by_its_command() -> None:
    (commands,) = (a for a in build_parser()._actions if isinstance(a.choices, dict))
    assert isinstance(commands.choices, dict)
    for command, (_, row, _) in ROWS:
        parser: argparse.ArgumentParser = commands.choices[command]
        (action,) = (a for a in parser._actions if a.dest == DEST + row.name)
        assert action.option_strings[0] == f"--{row.flag}" and action.default is None
