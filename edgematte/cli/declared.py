"""Arguments made of declared options: of nets, of their graphs' sizes, of targets.

An option that several declare is one argument, whose help says whose it is. It is given to whatever
the command is about, which refuses what it does not have.
"""

import argparse
from collections.abc import Iterable, Iterator
from typing import Any

from edgematte.net import Net, load_part
from edgematte.nets import usable
from edgematte.options import Declared, declared
from edgematte.targets import TARGETS

Row = tuple[str, Declared]  # whose, what


def load_options() -> Iterator[Row]:
    """What bundles of each net may be told when they are loaded."""
    yield from _of(lambda net: net.options)


def size_options() -> Iterator[Row]:
    """What an export of each net may be told of its graphs."""
    yield from _of(lambda net: net.sizes)


def target_options() -> Iterator[Row]:
    """What each target may be told."""
    for target in TARGETS.values():
        for row in declared(target.options):
            yield target.name, row


def _of(part: Any) -> Iterator[Row]:
    for net in usable():
        for row in declared(load_part(part(net))) if part(net) else ():
            yield _whose(net, row), row


def _whose(net: Net, row: Declared) -> str:
    return " ".join([net.name, *(f"({cut})" for cut in row.cuts)])


def add_declared(parser: argparse.ArgumentParser, title: str, rows: Iterable[Row]) -> None:
    """One group of arguments; what is not given is None."""
    group = parser.add_argument_group(title)
    for name, owners in _by_name(rows).items():
        row = owners[0][1]
        keywords: dict[str, Any] = {"dest": name, "default": None, "help": _help(owners)}
        if row.kind is bool and row.default is None:
            keywords["action"] = argparse.BooleanOptionalAction
        elif row.kind is bool:
            keywords["action"] = "store_true"
        else:
            keywords |= {"type": row.kind, "metavar": row.flag.split("-")[0].upper()}
        group.add_argument(f"--{row.flag}", **keywords)


def given(arguments: argparse.Namespace, rows: Iterable[Row]) -> dict[str, Any]:
    """The declared options that a command was given, by name."""
    values = {name: getattr(arguments, name) for name in _by_name(rows)}
    return {name: value for name, value in values.items() if value is not None}


def _by_name(rows: Iterable[Row]) -> dict[str, list[Row]]:
    by_name: dict[str, list[Row]] = {}
    for whose, row in rows:
        by_name.setdefault(row.name, []).append((whose, row))
    return by_name


def _help(owners: list[Row]) -> str:
    parts: dict[str, list[str]] = {}
    for whose, row in owners:
        default = "" if row.default in (None, False) else f" (default: {row.default})"
        parts.setdefault(f"{row.help}{default}", []).append(whose)
    text = "; ".join(f"{', '.join(names)}: {line}" for line, names in parts.items())
    return text.replace("%", "%%")
