"""Options as fields of a frozen dataclass: default, help and range, declared once.

A net declares what `load` and `export` may be told of it; the command line makes its arguments of
the same declarations.
"""

import dataclasses
import types
import typing
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import Any, TypeVar

from edgematte import ranges
from edgematte.errors import OptionError, PluginError
from edgematte.ranges import Range

T = TypeVar("T")
KEY = "edgematte"
KINDS: dict[type, tuple[type, str]] = {
    bool: (bool, "True or False"),
    int: (Integral, "a whole number"),
    float: (Real, "a number"),
    str: (str, "a string"),
}


@dataclasses.dataclass(frozen=True)
class Declared:
    """What is known of one option."""

    name: str
    kind: type  # int, float or str
    default: Any
    help: str
    range: Range | None
    choices: tuple[Any, ...]
    cuts: tuple[str, ...]
    flag: str  # on the command line, without its dashes


def option(
    default: Any,
    *,
    help: str,
    range: Range | None = None,
    choices: tuple[Any, ...] = (),
    cuts: tuple[str, ...] = (),
    flag: str = "",
) -> Any:
    """A field of an options dataclass.

    Args:
        default: where it is not given; None where the bundle or the engine decides.
        help: one line for people, without the default and the unit.
        range: of a number, with its unit.
        choices: all values there are.
        cuts: kinds of cut that have it; by default all of the net.
        flag: on the command line; by default the name.
    """
    declared: dict[str, Any] = {"help": help, "range": range}
    declared |= {"choices": choices, "cuts": cuts, "flag": flag}
    return dataclasses.field(default=default, metadata={KEY: declared})


def declared(kind: Any) -> tuple[Declared, ...]:
    """The options of a dataclass, in the order of its fields.

    Raises:
        PluginError: no dataclass, or an option of another type than int, float, str or bool.
    """
    if not isinstance(kind, type) or not dataclasses.is_dataclass(kind):
        raise PluginError(f"{kind!r} should be a dataclass whose fields are options")
    hints = typing.get_type_hints(kind)
    rows = []
    for field in dataclasses.fields(kind):
        if KEY not in field.metadata:
            continue  # no option
        about = field.metadata[KEY]
        about = {**about, "flag": about["flag"] or field.name.replace("_", "-")}
        plain = _plain(hints[field.name])
        if plain not in KINDS:
            raise PluginError(
                f"{field.name} of {getattr(kind, '__name__', kind)} is {plain}: an option is int, "
                "float, str or bool, or one of them or None"
            )
        rows.append(Declared(field.name, plain, field.default, **about))
    return tuple(rows)


def read(kind: type[T], given: Mapping[str, Any], whose: str, **fixed: Any) -> T:
    """An instance from what was given; None is as not given.

    Args:
        kind: the dataclass.
        given: values by name.
        whose: for errors: a model's name, ``target onnx``.
        **fixed: fields that are no options.

    Raises:
        OptionError: a name that is not declared, or a value outside of its range or choices.
    """
    rows = {row.name: row for row in declared(kind)}
    values = {name: value for name, value in given.items() if value is not None}
    for name, value in values.items():
        if name not in rows:
            raise OptionError(unknown(name, whose, rows))
        check(rows[name], value)
    return kind(**fixed, **values)


def unknown(name: str, whose: str, names: Iterable[str]) -> str:
    """The sentence for an option that has no meaning where it was given."""
    there = ", ".join(names)
    return f"{name} has no meaning for {whose}" + (f"; it has: {there}" if there else "")


def check(row: Declared, value: Any) -> None:
    """Refuse a value of another type, or outside of the range or choices.

    Raises:
        OptionError: in one sentence.
    """
    kind, words = KINDS[row.kind]
    fits = isinstance(value, kind) and isinstance(value, bool) == (row.kind is bool)
    if row.range is None and not row.choices and not fits:  # those say more than the type
        raise OptionError(f"{row.name} {value!r}: should be {words}")
    if row.range is not None:
        ranges.check(row.name, value, row.range)
    if row.choices:
        ranges.check(row.name, value, row.choices)


def _plain(hint: Any) -> type:
    """``int | None`` -> int."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        kinds = [a for a in typing.get_args(hint) if a is not type(None)]
        hint = kinds[0] if len(kinds) == 1 else hint
    return typing.cast(type, hint)
