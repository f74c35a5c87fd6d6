"""Makes the JSON Schema of a manifest, `docs/bundle.schema.json`, from its dataclasses.

    python -m edgematte.schema > docs/bundle.schema.json

A port of the host side in another language can validate a bundle against it.
"""

import dataclasses
import json
import types
import typing
from typing import Any

from edgematte.builtin import IMPORTED, READ
from edgematte.host import Host, StageHost
from edgematte.manifest import FORMAT, Manifest

DRAFT = "https://json-schema.org/draft/2020-12/schema"
PLAIN: dict[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}


def schema() -> dict[str, Any]:
    """The schema of ``edgematte.json``; host sections are those of the built-in nets."""
    definitions: dict[str, Any] = {}
    top = _dataclass(Manifest, definitions)
    sections = {}
    for net in READ:
        for kind in net.hosts:
            name = f"{net.name}.{kind}"
            definitions[name] = _dataclass(net.host_class(kind), definitions)
            sections[name] = {"$ref": f"#/$defs/{name}"}
    top["properties"]["host"] = {"oneOf": list(sections.values())}
    definitions[StageHost.__name__] = _dataclass(StageHost, definitions)
    stages = [f"{net.name}.{kind}" for net in IMPORTED for kind in net.hosts]
    top["properties"]["trimap_stage"] = {
        "oneOf": [{"$ref": f"#/$defs/{name}"} for name in (StageHost.__name__, *stages)]
    }
    top["properties"]["format"] = {"const": FORMAT}
    return {
        "$schema": DRAFT,
        "title": "edgematte.json, the manifest of a bundle",
        **top,
        "$defs": {name: definitions[name] for name in sorted(definitions)},
    }


def _dataclass(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    properties: dict[str, Any] = {}
    required = []
    if tag := getattr(kind, "KIND", ""):
        properties["kind"] = {"const": tag}
        required.append("kind")
    for field in dataclasses.fields(kind):
        properties[field.name] = _of(hints[field.name], definitions)
        if field.default is field.default_factory is dataclasses.MISSING:
            required.append(field.name)
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _of(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema of a type, in the form that `edgematte.codec` reads it."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        (inner,) = (a for a in arguments if a is not type(None))
        return _of(inner, definitions)  # fields that are None are left out
    if origin is tuple:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return {"type": "array", "items": _of(arguments[0], definitions)}
        items = [_of(a, definitions) for a in arguments]
        return {
            "type": "array",
            "prefixItems": items,
            "minItems": len(items),
            "maxItems": len(items),
        }
    if origin is dict:
        return {"type": "object", "additionalProperties": _of(arguments[1], definitions)}
    if kind is Host:
        return {"type": "object"}
    if dataclasses.is_dataclass(kind):
        name = typing.cast(type, kind).__name__
        if name not in definitions:
            definitions[name] = {}  # ends the recursion for a type that contains itself
            definitions[name] = _dataclass(kind, definitions)
        return {"$ref": f"#/$defs/{name}"}
    return {"type": PLAIN[kind]}


def text() -> str:
    """The text of the schema's file."""
    return json.dumps(schema(), indent=2) + "\n"


if __name__ == "__main__":
    print(text(), end="")
