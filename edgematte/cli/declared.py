"""Arguments made of declared options: of nets, of their graphs' sizes, of targets.

An option that several of them declare is one argument, and its help names them. It is passed to the
net or target that the command uses, which refuses options that it does not have. An option of an
installed package that cannot be an argument is left out: a broken package must not keep other nets
from being used. One of a module that ``--plugin`` names is refused instead.
"""

import argparse
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from edgematte.errors import PluginError
from edgematte.net import OWN, Net, load_part
from edgematte.nets import plugged, usable
from edgematte.options import Declared, declared
from edgematte.ranges import Range, check
from edgematte.targets import TARGETS

DEST = "declared "
"""Before the names of declared options in the arguments: a command has arguments of its own."""


class Row(NamedTuple):
    """One declared option."""

    whose: str  # a net with its cuts, or a target
    what: Declared
    must: bool = True  # be an argument: otherwise it is left out where it cannot be one


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
            yield Row(target.name, row)


def _of(part: Any) -> Iterator[Row]:
    for net in usable().values():
        must = net.package == OWN or plugged(net)
        try:
            rows = declared(load_part(part(net))) if part(net) else ()
        except PluginError:
            if must:
                raise
            continue
        for row in rows:
            yield Row(_whose(net, row), row, must)


def _whose(net: Net, row: Declared) -> str:
    return " ".join([net.name, *(f"({cut})" for cut in row.cuts)])


def add_declared(parser: argparse.ArgumentParser, title: str, rows: Iterable[Row]) -> None:
    """Add a group of arguments; those that are not given are None.

    Raises:
        PluginError: a plug-in's option that the command has already, as something else.
    """
    group = parser.add_argument_group(title)
    alike: dict[tuple[str, str, type], list[Row]] = {}
    for row in rows:
        alike.setdefault((row.what.name, row.what.flag, row.what.kind), []).append(row)
    for owners in alike.values():
        try:
            _add_argument(group, owners)
        except argparse.ArgumentError:
            must = [row for row in owners if row.must]
            if must:
                raise PluginError(
                    f"{must[0].whose} declares an option {must[0].what.name}, but the command has "
                    f"--{must[0].what.flag} already, as something else: give it another flag"
                ) from None


def _add_argument(group: Any, owners: list[Row]) -> None:
    row = owners[0].what
    keywords: dict[str, Any] = {"dest": DEST + row.name, "default": None, "help": _help(owners)}
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
    by_name: dict[str, list[Declared]] = {}
    for row in rows:
        by_name.setdefault(row.what.name, []).append(row.what)
    values = {}
    for name, owners in by_name.items():
        value = getattr(arguments, DEST + name, None)
        if value is None:
            continue
        for limits in (_agreed([o.range for o in owners]), _agreed([o.choices for o in owners])):
            if limits:
                check(f"--{owners[0].flag}", value, limits)
        values[name] = value
    return values


def _agreed(limits: list[Any]) -> Any:
    """What all owners of an option say of it; None where they differ and each decides itself."""
    return limits[0] if all(one == limits[0] for one in limits) else None


def _help(owners: list[Row]) -> str:
    parts: dict[str, list[str]] = {}
    for whose, row, _ in owners:
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
