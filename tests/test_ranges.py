"""Every numeric option has one range, which Python and the shell both ask."""

import argparse
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgematte
from edgematte.bench import bench
from edgematte.cli import build_parser, main
from edgematte.cli.declared import load_options, size_options, target_options
from edgematte.errors import OptionError
from edgematte.outputs import plan
from edgematte.pictures import alpha_bytes, read_background
from edgematte.ranges import OPTIONS, Range, check, check_options
from edgematte.testcard import testcard as card
from edgematte.video import ClipOptions

RANGES = {name: allowed for name, allowed in OPTIONS.items() if isinstance(allowed, Range)}
EXPORT = ("export", "--model", "lightweight", "--target", "coreml")
DECLARED = {
    row.name: row
    for rows in (load_options(), size_options(), target_options())
    for _, row in rows
    if row.range or row.choices
}


@pytest.mark.parametrize("name", sorted(DECLARED.keys() & OPTIONS.keys() - {"regions", "min_ios"}))
def test_what_a_net_or_target_declares_is_what_the_table_has(name: str) -> None:
    assert OPTIONS[name] == (DECLARED[name].range or DECLARED[name].choices)


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
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, True, "3", (1,), -7])
def test_what_no_option_may_be(name: str, value: Any) -> None:
    with pytest.raises(OptionError, match=name):
        check_options(**{name: value})


def test_numbers_of_numpy_count_and_none_is_not_given() -> None:
    check_options(threads=np.int64(4), budget=np.float32(0.5), opset=None)
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
    monkeypatch.chdir(tmp_path)
    dest = action.dest
    if dest == "alpha_bits":  # a choice: see below
        assert action.choices is None or tuple(action.choices) == OPTIONS[dest]
        return
    own = DECLARED.get(dest) if command != "train" else None
    if own is not None and own.choices:
        assert main([*EXPORT, f"{action.option_strings[0]}=1"]) == 2
        listed = ", ".join(map(str, own.choices))
        assert f"{action.option_strings[0]} 1: there are {listed}" in capsys.readouterr().err
        return
    if own is not None and own.range:
        allowed = own.range
    else:
        allowed = RANGES["training_steps" if (command, dest) == ("train", "steps") else dest]
    model = {"regions": "regional", "overlap": "vitmatte-s", "lattice": "vitmatte-s"}
    cascade = ["--cascade", "lightweight"] if dest == "band_px" else []
    target = "coreml" if dest == "min_ios" else "onnx"
    quantized = dest in ("budget", "calibration_limit", "seed")
    given = {
        "matte": ["none.png", "-o", "out.png", "--bundle", str(tiny_bundle)],
        "bench": [str(tiny_bundle), "--size", "8"],
        "export": ["--model", "vitmatte-s" if cascade else model.get(dest, "lightweight")]
        + ["--target", target, "--precision", "int8" if quantized else "fp16", *cascade]
        + (["--graphs", "split"] if dest == "patch" else []),
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
    "options",
    [
        {"threads": 2000},
        {"batch": 0},
        {"max_regions": -1},
        {"budget_ms": math.nan},
        {"memory_mb": -1},
        {"steps": 51},
        {"seed": 2**32},
        {"stop_below": 1.5},
    ],
)
def test_loading_names_the_option_and_its_range(options: dict[str, Any]) -> None:
    (name,) = options
    with pytest.raises(OptionError, match=f"^{name} "):
        edgematte.load(**options)


def test_choices_are_choices_in_python_too(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="alpha_bits 12: there are 8, 16"):
        alpha_bytes(np.zeros((2, 2), np.float32), 12)
    with pytest.raises(OptionError, match="kind mask: there are cutout, alpha, trimap"):
        ClipOptions(kind="mask")
    with pytest.raises(OptionError, match="need --write cutout"):
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
