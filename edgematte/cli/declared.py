"""Arguments made of declared options: of nets, of their graphs' sizes, of targets.

An option that several declare is one argument, whose help says whose it is. It is given to whatever
the command is about, which refuses what it does not have.
"""

import argparse
from collections.abc import Iterable, Iterator
from typing import Any

from edgematte.net import Net, load_part
from edgematte.nets import known
from edgematte.options import Declared, declared
from edgematte.ranges import Range, check
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
    for net in known():
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
            keywords |= {"type": row.kind, "metavar": _metavar(row)}
        group.add_argument(f"--{row.flag}", **keywords)


def given(arguments: argparse.Namespace, rows: Iterable[Row]) -> dict[str, Any]:
    """The declared options that a command was given, by name.

    Raises:
        OptionError: a value that nothing which has the option takes.
    """
    values = {}
    for name, owners in _by_name(rows).items():
        value = getattr(arguments, name)
        if value is None:
            continue
        for limits in (
            _agreed([row.range for _, row in owners]),
            _agreed([row.choices for _, row in owners]),
        ):
            if limits:
                check(f"--{owners[0][1].flag}", value, limits)
        values[name] = value
    return values


def _agreed(limits: list[Any]) -> Any:
    """What all owners of an option say of it; None where they differ and each decides itself."""
    return limits[0] if all(one == limits[0] for one in limits) else None


def _by_name(rows: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for whose, row in rows:
        found.setdefault(row.name, []).append((whose, row))
    return found


def _help(owners: list[Row]) -> str:
    parts: dict[str, list[str]] = {}
    for whose, row in owners:
        told = [_bounds(row.range)] if row.range else []
        if row.default not in (None, False):
            told.append(f"default: {row.default}")
        line, _, default = row.help.removesuffix(")").partition(" (default: ")
        if default:
            told.append(f"default: {default}")
        else:
            line = row.help
        if any(told):
            line += f" ({'; '.join(filter(None, told))})"
        parts.setdefault(line, []).append(whose)
    text = "; ".join(f"{', '.join(names)}: {line}" for line, names in parts.items())
    return text.replace("%", "%%")


UNITS = {"pixels": "PX", "megabytes": "MB", "milliseconds": "MS"}


def _metavar(row: Declared) -> str:
    """What stands for the value: its choices, its unit, or what kind of number it is."""
    if row.choices:
        return f"{{{','.join(map(str, row.choices))}}}"
    unit = row.range.unit if row.range else ""
    number = {int: "N", float: "X"}.get(row.kind, row.flag.rpartition("-")[2].upper())
    return UNITS.get(unit, number)


def _bounds(limits: Range) -> str:
    """Least and most, in short: ``1 to 50``."""
    least, most = limits.least, limits.most
    if least is not None and most is not None:
        return f"{least:.12g} to {most:.12g}"
    if least is not None:
        return f"{'above' if limits.above else 'at least'} {least:.12g}"
    return "" if most is None else f"{'below' if limits.below else 'at most'} {most:.12g}"
