"""Every numeric option has one range, which Python and the shell both ask."""

import argparse
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgematte
from edgematte.bench import bench
from edgematte.builtin import BUILTIN
from edgematte.cli import build_parser, main
from edgematte.cli.declared import DEST
from edgematte.cli.outputs import plan
from edgematte.errors import OptionError
from edgematte.net import load_part
from edgematte.options import Declared, declared, read
from edgematte.pictures import alpha_bytes, read_background
from edgematte.ranges import OPTIONS, Range, check, check_options
from edgematte.targets import TARGETS, TargetOptions
from edgematte.testcard import testcard as card
from edgematte.video import ClipOptions

SPELT = {"memory": "memory_mb", "band": "band_px"}  # where the shell's name is another
DECLARING = [load_part(part) for net in BUILTIN for part in (net.options, net.sizes) if part] + [
    target.options for target in TARGETS.values()
]
ROWS = [(kind, row) for kind in DECLARING for row in declared(kind)]
DECLARED = {row.name: row for _, row in ROWS}
RANGES = {name: allowed for name, allowed in OPTIONS.items() if isinstance(allowed, Range)}


@pytest.mark.parametrize("name", RANGES)
def test_the_ends_of_every_range(name: str) -> None:
    allowed, step = RANGES[name], 1 if RANGES[name].whole else 1e-9
    for end, open_end, out in (
        (allowed.least, allowed.above, -step),
        (allowed.most, allowed.below, step),
    ):
        if end is None:
            continue
        end = int(end) if allowed.whole else end
        assert (end in allowed) is not open_end
        assert end + out not in allowed and end - out in allowed
        with pytest.raises(OptionError, match=f"^{name} .*{end:.12g}"):
            check(name, end + out, allowed)


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, True, "3", (1,), -7, -(10**400)])
def test_what_no_option_may_be(name: str, value: Any) -> None:
    with pytest.raises(OptionError, match=name):
        check_options(**{name: value})


def test_numbers_of_numpy_count_and_none_is_not_given() -> None:
    check_options(threads=np.int64(4), budget=np.float32(0.5), runs=None)
    with pytest.raises(OptionError, match="threads 4.5: a whole number from 1 to 256"):
        check_options(threads=4.5)


def numeric() -> Iterator[tuple[str, argparse.Action]]:
    """Every option of every command that takes a number."""
    (commands,) = (a for a in build_parser()._actions if isinstance(a.choices, dict))
    assert isinstance(commands.choices, dict)
    for command, parser in commands.choices.items():
        for action in parser._actions:
            if action.type in (int, float):
                yield command, action


@pytest.mark.parametrize(("command", "action"), numeric())
def test_every_numeric_option_of_the_shell_is_held_to_its_range(
    command: str,
    action: argparse.Action,
    tmp_path: Path,
    tiny_bundle: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if command == "export":
        pytest.importorskip("torch")
    if command == "import":
        pytest.importorskip("onnx")
    monkeypatch.chdir(tmp_path)
    dest = SPELT.get(action.dest, action.dest.removeprefix(DEST))
    if dest == "alpha_bits":  # a choice: see below
        assert action.choices is None or tuple(action.choices) == OPTIONS[dest]
        return
    row = DECLARED.get(dest)
    if command in ("matte", "bench", "batch", "serve") and row is not None:
        return  # of the bundle's net: see below
    allowed = row.range if row is not None and command == "export" else None
    if row is not None and command == "export" and row.choices:
        return  # a choice: see below
    allowed = allowed or RANGES["training_steps" if (command, dest) == ("train", "steps") else dest]
    model = {"regions": "regional", "overlap": "vitmatte-s", "lattice": "vitmatte-s"}
    model["context"] = "diffmatte-vits"
    of_cascade = dest in ("band_px", "unknown_threshold")
    cascade = ["--cascade", "lightweight"] if of_cascade else []
    target = "coreml" if dest == "min_ios" else "onnx"
    quantized = dest in ("budget", "calibration_limit", "seed")
    given = {
        "matte": ["none.png", "-o", "out.png", "--bundle", str(tiny_bundle)]
        + (["--mask", "none.png"] if dest == "band_px" else []),
        "trimap": ["none.png", "-o", "out.png"],
        "batch": ["none", "out", "--bundle", str(tiny_bundle)],
        "serve": ["--bundle", str(tiny_bundle)],
        "bench": [str(tiny_bundle), "--size", "8"],
        "repository": [str(tiny_bundle), "-o", "models"],
        "export": ["--model", "vitmatte-s" if cascade else model.get(dest, "lightweight")]
        + ["--target", target, "--precision", "int8" if quantized else "fp16", *cascade]
        + (["--graphs", "split"] if dest == "patch" else []),
        "import": ["none.onnx", "-o", "b.edgematte", "--kind", "matte"]
        + (["--precision", "int8"] if quantized else []),
        "train": ["--model", "lightweight", "--procedural", "--output", "run"]
        + ([] if dest == "steps" else ["--steps", "1"]),
    }[command]
    beyond = ["-1"] if allowed.whole else ["-1", "nan", "inf"]
    if allowed.most is not None:
        beyond.append(str(10**30))
    for value in beyond:
        assert main([command, *given, f"{action.option_strings[0]}={value}"]) == 2
        out, err = capsys.readouterr()
        shown = value if allowed.whole else f"{float(value):g}"
        assert not out and f"{shown}: " in err and err.count("\n") == 1
        assert str(allowed) in err or command == "train" and dest == "size"
    assert not [f for f in tmp_path.iterdir() if f != tiny_bundle]


@pytest.mark.parametrize(
    ("kind", "row"), ROWS, ids=[f"{kind.__module__}.{row.name}" for kind, row in ROWS]
)
def test_every_declared_option_is_held_to_its_range_or_choices(kind: Any, row: Declared) -> None:
    """And it has one, unless it is a switch: numbers without bounds end in tracebacks."""
    if row.kind is bool:
        return
    fixed = {"precision": "fp32"} if issubclass(kind, TargetOptions) else {}
    if row.choices:
        with pytest.raises(OptionError, match=f"{row.name} 77: there are"):
            read(kind, {row.name: 77}, "x", **fixed)
        return
    assert row.range is not None
    beyond = [-1, True] if row.range.whole else [-1.0, math.nan, math.inf]
    for value in beyond:
        with pytest.raises(OptionError, match=f"{row.name} .*: {re.escape(str(row.range))}"):
            read(kind, {row.name: value}, "x", **fixed)


@pytest.mark.parametrize("options", [{"threads": 2000}, {"batch": 0}])
def test_loading_names_the_option_and_its_range(options: dict[str, Any]) -> None:
    (name,) = options
    with pytest.raises(OptionError, match=f"^{name} "):
        edgematte.load(**options)


def test_choices_are_choices_in_python_too(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="alpha_bits 12: there are 8, 16, 32"):
        alpha_bytes(np.zeros((2, 2), np.float32), 12)
    with pytest.raises(OptionError, match="kind mask: there are cutout, alpha, trimap"):
        ClipOptions(kind="mask")
    with pytest.raises(OptionError, match="gamma_composite is of a background"):
        ClipOptions(gamma_composite=True)
    with pytest.raises(OptionError, match="need a cutout"):
        ClipOptions(kind="alpha", foreground=True)
    with pytest.raises(OptionError, match="kind mask"):
        plan(["a.png"], "b.png", ["mask"], None)
    with pytest.raises(OptionError, match="runs 0: at least 1"):
        bench(edgematte.load(), card(8, 8), runs=0)


@pytest.mark.parametrize(
    ("colour", "said"),
    [
        ("rgb(300,0,0)", "channel 300: a whole number from 0 to 255"),
        ("#00ff0080", "is transparent itself"),
        ("rgba(1,2,3,4)", "is transparent itself"),
        ("greenish", "is neither a colour"),
    ],
)
def test_colours_that_are_none(colour: str, said: str) -> None:
    with pytest.raises(OptionError, match=said):
        read_background(colour, (1, 1))
    assert read_background("rgb(255,0,7)", (1, 1)).tolist() == [255, 0, 7]
