"""Mutants of protobuf files, such as ONNX and Core ML: most are protobuf still.

No schema is needed: a message is a row of fields with numbers and wire types, and what is delimited
by a length is taken for a message where it reads as one.
"""

import random
import struct
from dataclasses import dataclass

from hardship.mutants import NUMBERS, blindly

VARINT, EIGHT, DELIMITED, FOUR = 0, 1, 2, 5
DEEPER = 0.9  # how often a message inside a message is changed, and not the field that holds it
TEXTS = (b"", b"x", b"-1", b"\0", b"../../evil", b"x" * 10_000, "ä".encode())


@dataclass
class Field:
    """One field: a number, its wire type, and its value; whole numbers are those of varints."""

    number: int
    wire: int
    value: int | bytes


def protobuf(data: bytes, chance: random.Random) -> bytes:
    """One to four changes of values, names and fields, or blindly."""
    if chance.random() < 0.2 or read(data) is None:
        return blindly(data, chance)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        data = _changed(data, chance)
    return data


def read(data: bytes) -> list[Field] | None:
    """The fields of a message; None if it is none."""
    fields, place = list[Field](), 0
    try:
        while place < len(data):
            key, place = _varint(data, place)
            number, wire = key >> 3, key & 7
            value: int | bytes
            if wire == VARINT:
                value, place = _varint(data, place)
            else:
                size = {EIGHT: 8, FOUR: 4}.get(wire)
                if wire == DELIMITED:
                    size, place = _varint(data, place)
                if size is None or number == 0 or place + size > len(data):
                    return None
                value, place = data[place : place + size], place + size
            fields.append(Field(number, wire, value))
    except IndexError:
        return None
    return fields


def write(fields: list[Field]) -> bytes:
    """The inverse of :func:`read`."""
    parts = []
    for field in fields:
        parts.append(_packed(field.number << 3 | field.wire))
        if isinstance(field.value, int):
            parts.append(_packed(field.value))
        else:
            parts += [_packed(len(field.value))] if field.wire == DELIMITED else []
            parts.append(field.value)
    return b"".join(parts)


def _changed(data: bytes, chance: random.Random) -> bytes:
    fields = read(data) or []
    if not fields:
        return data
    sizes = [len(f.value) if isinstance(f.value, bytes) else 0 for f in fields]
    weights = [1 + size.bit_length() for size in sizes]  # most is to be found in what is long
    (place,) = chance.choices(range(len(fields)), weights)
    field, kind = fields[place], chance.random()
    inner = isinstance(field.value, bytes) and field.wire == DELIMITED and read(field.value)
    if inner and kind < DEEPER:
        assert isinstance(field.value, bytes)
        field.value = _changed(field.value, chance)
    elif kind > 0.97:
        del fields[place]
    elif kind > 0.94:
        fields.insert(place, Field(field.number, field.wire, field.value))
    elif kind > 0.5:  # the value of another field of this message
        others = [other.value for other in fields if other.wire == field.wire]
        field.value = chance.choice(others)
    else:
        field.value = _other(field, chance)
    return write(fields)


def _other(field: Field, chance: random.Random) -> int | bytes:
    if isinstance(field.value, int):
        return chance.choice((*NUMBERS, field.value + 1, max(0, field.value - 1), 2**64 - 1))
    if field.wire != DELIMITED:
        values = (0.0, -1.0, 1e30, float("nan"), float("inf"))
        form = "<f" if field.wire == FOUR else "<d"
        return struct.pack(form, chance.choice(values))
    return chance.choice((*TEXTS, field.value[:-1], field.value + b"x", field.value * 2))


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place
        if shift > 63:
            raise IndexError


def _packed(value: int) -> bytes:
    made = bytearray()
    while value > 127:
        made.append(value & 127 | 128)
        value >>= 7
    return bytes([*made, value])
