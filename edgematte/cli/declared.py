"""Arguments made of declared options: of nets, of their graphs' sizes, of targets.

An option that several of them declare is one argument, and its help names them. It is passed to the
net or target that the command uses, which refuses options that it does not have.
"""

import argparse
from collections.abc import Iterable, Iterator
from typing import Any

from edgematte.net import Net, load_part
from edgematte.nets import usable
from edgematte.options import Declared, declared
from edgematte.targets import TARGETS

Row = tuple[str, Declared]  # the name of the owner, and the option


def load_options() -> Iterator[Row]:
    """The options of `load`, of every net."""
    yield from _of(lambda net: net.options)


def size_options() -> Iterator[Row]:
    """The options of an export about the sizes of graphs, of every net."""
    yield from _of(lambda net: net.sizes)


def target_options() -> Iterator[Row]:
    """The options of every target."""
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
    """Add a group of arguments; those that are not given are None."""
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
