"""Options declared once: what Python refuses, and what the command line makes of them."""

import argparse
import re
from dataclasses import dataclass, fields
from typing import Any

import pytest

from edgematte.cli import build_parser
from edgematte.cli.declared import (
    Row,
    add_declared,
    given,
    load_options,
    size_options,
    target_options,
)
from edgematte.errors import OptionError, PluginError
from edgematte.net import load_part
from edgematte.nets import usable
from edgematte.options import Declared, declared, option, read, unknown
from edgematte.ranges import Range
from edgematte.targets import TARGETS, CoreMlOptions, OnnxOptions


@dataclass(frozen=True)
class Options:
    precision: str = "fp32"  # no option: set by whoever reads them
    count: int = option(3, help="how many", range=Range(1, 9, "cats"))
    share: float | None = option(None, help="of the whole, 50 %", range=Range(0, 1, whole=False))
    io: str = option("tensor", help="kind", choices=("tensor", "image"), cuts=("fused",))
    loud: bool = option(False, help="say so")
    keep: bool | None = option(None, help="as it was", flag="keep-it")
    name: str = option("", help="of any kind")
    gain: float = option(1.0, help="of any size")
    seed: int = option(0, help="of any size")


FIRST = ["count", "share", "io", "loud", "keep"]
ROWS = {row.name: row for row in declared(Options)}


def test_a_declaration_holds_all_that_is_known_of_an_option() -> None:
    assert list(ROWS) == [*FIRST, "name", "gain", "seed"]
    rows = [ROWS[name] for name in FIRST]
    assert [row.kind for row in rows] == [int, float, str, bool, bool]
    assert [row.default for row in rows] == [3, None, "tensor", False, None]
    assert [row.flag for row in rows] == ["count", "share", "io", "loud", "keep-it"]
    assert ROWS["io"].choices == ("tensor", "image") and ROWS["io"].cuts == ("fused",)
    assert ROWS["count"].range == Range(1, 9, "cats") and ROWS["count"].help == "how many"


def test_what_is_given_is_read_and_none_is_not_given() -> None:
    found = read(Options, {"count": 9, "share": 1, "loud": None, "keep": False}, "a net")
    assert found == Options(count=9, share=1, keep=False)
    assert read(Options, {}, "a net", precision="int8") == Options(precision="int8")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"count": 0}, "count 0: a whole number of cats from 1 to 9"),
        ({"count": 10}, "count 10: a whole number of cats from 1 to 9"),
        ({"count": 2.5}, "count 2.5: a whole number of cats from 1 to 9"),
        ({"count": True}, "count True: a whole number of cats from 1 to 9"),
        ({"count": "3"}, "count 3: a whole number of cats from 1 to 9"),
        ({"share": float("nan")}, "share nan: a number from 0 to 1"),
        ({"share": 1.5}, "share 1.5: a number from 0 to 1"),
        ({"io": "film"}, "io film: there are tensor, image"),
        ({"loud": 1}, "loud 1: should be True or False"),
        ({"keep": "yes"}, "keep 'yes': should be True or False"),
        ({"name": 5}, "name 5: should be a string"),
        ({"gain": "2"}, "gain '2': should be a number"),
        ({"gain": True}, "gain True: should be a number"),
        ({"seed": 1.5}, "seed 1.5: should be a whole number"),
        ({"dogs": 1}, "dogs has no meaning for a net; it has: count, share, io, loud, keep, name"),
        ({"precision": "fp16"}, "precision has no meaning for a net; it has: count, share, io, "),
    ],
)
def test_a_wrong_value_or_name_is_one_sentence(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError) as caught:
        read(Options, wrong, "a net")
    assert str(caught.value).startswith(said)


def test_where_nothing_is_declared_nothing_is_listed() -> None:
    assert unknown("dogs", "a net", ()) == "dogs has no meaning for a net"


@dataclass
class Listed:
    sides: tuple[int, ...] = option((), help="several")


@dataclass
class Mixed:
    side: int | str = option(1, help="one or the other")


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Listed, "sides of Listed is tuple"),
        (Mixed, "side of Mixed is int | str"),
        (5, "5 should be a dataclass"),
    ],
)
def test_what_cannot_be_an_argument_cannot_be_declared(kind: Any, said: str) -> None:
    with pytest.raises(PluginError, match=re.escape(said)):
        declared(kind)


def parsed(*words: str, rows: list[Row] | None = None) -> dict[str, Any]:
    rows = [Row("a-net", row) for row in ROWS.values()] if rows is None else rows
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("--size", default="its own")
    add_declared(parser, "declared", rows)
    arguments = parser.parse_args(words)
    assert arguments.size == "its own"
    return given(arguments, rows)


def test_the_command_line_makes_an_argument_of_each_option_and_says_what_was_given() -> None:
    assert parsed() == {}
    words = ("--count", "4", "--share", "0.5", "--io", "image", "--loud", "--no-keep-it")
    found = parsed(*words)
    assert found == {"count": 4, "share": 0.5, "io": "image", "loud": True, "keep": False}
    assert [type(value) for value in found.values()] == [int, float, str, bool, bool]
    assert parsed("--keep-it") == {"keep": True}


@pytest.mark.parametrize("words", [("--count", "many"), ("--share", "x"), ("--count", "2.5")])
def test_the_command_line_refuses_a_value_of_another_type(words: tuple[str, ...]) -> None:
    with pytest.raises(argparse.ArgumentError, match=f"argument {words[0]}: invalid"):
        parsed(*words)


def test_the_help_says_whose_an_option_is_of_which_cut_and_its_default() -> None:
    parser = argparse.ArgumentParser()
    rows = [Row("a-net", ROWS["count"]), Row("b-net", ROWS["count"]), Row("a-net", ROWS["share"])]
    add_declared(parser, "declared", rows)
    text = " ".join(parser.format_help().split())
    assert "--count N a-net, b-net: how many (1 to 9; default: 3)" in text
    assert "--share X a-net: of the whole, 50 % (0 to 1)" in text


def test_an_option_cannot_take_an_argument_that_the_command_has() -> None:
    @dataclass
    class Taken:
        size: int = option(1, help="another size")

    (row,) = declared(Taken)
    with pytest.raises(PluginError, match="b-net declares an option size, but the command has --s"):
        parsed(rows=[Row("b-net", row)])
    assert parsed(rows=[Row("b-net", row, must=False)]) == {}, "and not the command's own value"


def test_two_nets_may_name_an_option_alike_and_mean_another_type() -> None:
    @dataclass
    class Other:
        count: str = option("", help="in words", flag="count-in-words")

    (row,) = declared(Other)
    rows = [Row("a-net", ROWS["count"]), Row("b-net", row)]
    assert parsed("--count", "3", rows=rows) == {"count": 3}
    assert parsed("--count-in-words", "three", rows=rows) == {"count": "three"}


OWNERS = [(net.name, part) for net in usable().values() for part in (net.options, net.sizes)]


@pytest.mark.parametrize(
    ("whose", "kind"),
    [
        *((name, load_part(part)) for name, part in OWNERS if part),
        *((target.name, target.options) for target in TARGETS.values()),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_what_ships_is_declared_so_that_its_defaults_are_among_its_values(
    whose: str, kind: Any
) -> None:
    rows = declared(kind)
    assert rows or not fields(kind) or whose in TARGETS
    for row in rows:
        assert row.help and row.kind in (int, float, str, bool), (whose, row.name)
        assert row.kind is not int or row.range or row.choices, f"{row.name}: any number"
        if row.default is not None and row.kind is not bool:
            fixed = {"precision": "fp32"} if whose in TARGETS else {}
            assert (
                getattr(read(kind, {row.name: row.default}, whose, **fixed), row.name) is not None
            )


def test_cuts_that_options_name_are_cuts_of_the_net() -> None:
    named = 0
    for net in usable().values():
        for part in filter(None, (net.options, net.sizes)):
            for row in declared(load_part(part)):
                assert set(row.cuts) <= set(net.hosts), (net.name, row.name)
                named += len(row.cuts)
    assert named


def a_value_of(row: Declared) -> Any:
    """One that the option may have."""
    if row.choices:
        return row.choices[-1]
    if row.range is None:
        return {bool: True, int: 7, float: 0.5, str: "word"}[row.kind]
    values = (row.kind(value) for value in (7, 20, 0.5, 64))
    return next(value for value in values if value in row.range)


@pytest.mark.parametrize(
    ("command", "rows"),
    [
        (["matte", "in.png", "-o", "out.png"], list(load_options())),
        (["bench"], list(load_options())),
        (["export", "--model", "m", "--target", "t"], [*size_options(), *target_options()]),
    ],
    ids=["matte", "bench", "export"],
)
def test_every_declared_option_is_an_argument_of_its_commands(
    command: list[str], rows: list[Row]
) -> None:
    assert given(build_parser().parse_args(command), rows) == {}
    for row in rows:
        value = a_value_of(row.what)
        words = [*command, f"--{row.what.flag}", *([] if value is True else [str(value)])]
        assert given(build_parser().parse_args(words), rows) == {row.what.name: value}


def test_options_of_targets_that_do_not_go_together_are_refused() -> None:
    assert read(CoreMlOptions, {}, "coreml", precision="int8").min_ios == 17
    with pytest.raises(OptionError, match="give io image with it"):
        read(CoreMlOptions, {"alpha_bits": 16}, "coreml", precision="fp16")
    with pytest.raises(OptionError, match="alpha_bits 16 needs min_ios 16 or later"):
        wrong = {"alpha_bits": 16, "io": "image", "min_ios": 15}
        read(CoreMlOptions, wrong, "coreml", precision="fp16")
    with pytest.raises(
        OptionError, match="portable is of fp32 and int8-weights: fp16 is written so"
    ):
        read(OnnxOptions, {"portable": True}, "target onnx", precision="fp16")
    with pytest.raises(OptionError, match="min_ios has no meaning for target onnx; it has: opset"):
        read(OnnxOptions, {"min_ios": 16}, "target onnx", precision="fp32")
