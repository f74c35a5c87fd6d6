"""Frozen dataclasses to JSON values and back; unknown, missing or mistyped fields are refused."""

import dataclasses
import json
import types
import typing
from typing import Any, TypeVar

T = TypeVar("T")


def parse(text: str | bytes) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: it is no JSON, or is nested deeper than Python follows.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def encode(value: Any) -> Any:
    """JSON value of a dataclass tree; fields that are None are left out.

    For a class with a ``KIND`` the first field is ``kind``.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        pairs = ((f.name, getattr(value, f.name)) for f in dataclasses.fields(value))
        kind = getattr(value, "KIND", "")
        tag = {"kind": kind} if kind else {}
        return tag | {name: encode(item) for name, item in pairs if item is not None}
    if isinstance(value, dict):
        return {str(key): encode(value[key]) for key in sorted(value)}
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    return value


def decode(kind: type[T], value: Any, where: str = "") -> T:
    """The inverse of :func:`encode`.

    Raises:
        ValueError: naming the field that is unknown, missing or of another type.
    """
    return typing.cast(T, _decode(kind, value, where or kind.__name__))


def _decode(kind: Any, value: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        (inner,) = (a for a in arguments if a is not type(None))
        return _decode(inner, value, where)
    if origin is tuple:
        _expect(isinstance(value, list), where, "a list", value)
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return tuple(_decode(arguments[0], v, f"{where}[{i}]") for i, v in enumerate(value))
        _expect(len(value) == len(arguments), where, f"{len(arguments)} items", value)
        pairs = zip(arguments, value, strict=True)
        return tuple(_decode(a, v, f"{where}[{i}]") for i, (a, v) in enumerate(pairs))
    if origin is dict:
        _expect(isinstance(value, dict), where, "an object", value)
        return {str(k): _decode(arguments[1], v, f"{where}.{k}") for k, v in value.items()}
    if dataclasses.is_dataclass(kind):
        return _decode_dataclass(kind, value, where)
    if kind is float:
        _expect(
            isinstance(value, int | float) and not isinstance(value, bool), where, "a number", value
        )
        fits = not isinstance(value, int) or value.bit_length() <= 1023
        _expect(fits, where, "a number of at most 1e308", value)
        return float(value)
    if kind is int:
        _expect(isinstance(value, int) and not isinstance(value, bool), where, "an integer", value)
        _expect(value.bit_length() <= 1023, where, "an integer of at most 1e308", value)
        return value
    _expect(isinstance(value, kind), where, f"a {kind.__name__}", value)
    return value


def _decode_dataclass(kind: Any, value: Any, where: str) -> Any:
    _expect(isinstance(value, dict), where, "an object", value)
    if tag := getattr(kind, "KIND", ""):
        _expect(value.get("kind") == tag, f"{where}.kind", repr(tag), value.get("kind"))
        value = {name: item for name, item in value.items() if name != "kind"}
    hints = typing.get_type_hints(kind)
    fields = {f.name: f for f in dataclasses.fields(kind)}
    for name in value:
        if name not in fields:
            raise ValueError(f"{where} has a field {name!r} that this version does not know")
    values = {}
    for name, field in fields.items():
        if name in value:
            values[name] = _decode(hints[name], value[name], f"{where}.{name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ValueError(f"{where} lacks the field {name!r}")
    return kind(**values)


def _expect(ok: bool, where: str, expected: str, value: Any) -> None:
    if not ok:
        raise ValueError(f"{where} should be {expected}, not {str(value)[:60]!r}")
