"""Rewrites a Core ML package so that each constant is stored once, under a short name.

coremltools gives every operation its own constants (strides, padding, dilations, groups) with long
names, and stores every weight, also equal ones, in a blob of its own. For a net of many small
convolutions these take more bytes than the weights. What the program computes stays the same, bit
for bit.
"""

import struct
from pathlib import Path
from typing import Any

from coremltools.proto import Model_pb2

INSIDE = "Data/com.apple.CoreML"
DATE = "com.github.apple.coremltools.conversion_date"
HEAD, ALIGNMENT = 64, 64  # bytes of a file's or a blob's header; blobs begin at multiples of 64
SENTINEL = 0xDEADBEEF


def compact(package: Path) -> None:
    """Rewrite a saved .mlpackage; one whose program has nested blocks stays as it is."""
    file = package / INSIDE / "model.mlmodel"
    spec = Model_pb2.Model()
    spec.ParseFromString(file.read_bytes())
    blocks = [
        (function, block)
        for function in spec.mlProgram.functions.values()
        for block in function.block_specializations.values()
    ]
    if len(blocks) != 1 or any(op.blocks for op in blocks[0][1].operations):
        return
    ((function, block),) = blocks
    spec.description.metadata.userDefined.pop(DATE, None)  # equal graphs give equal bytes
    weights = package / INSIDE / "weights" / "weight.bin"
    if weights.is_file():
        content, moved = _shared_blobs(weights.read_bytes())
        for op in block.operations:
            for value in op.attributes.values():
                if value.WhichOneof("value") == "blobFileValue":
                    value.blobFileValue.offset = moved[value.blobFileValue.offset]
        weights.write_bytes(content)
    _share_constants(block, {i.name for i in function.inputs} | set(block.outputs))
    file.write_bytes(spec.SerializeToString(deterministic=True))


def _share_constants(block: Any, kept: set[str]) -> None:
    """Keep one of equal constants, and rename all values to numbers, except those in ``kept``."""
    first: dict[bytes, str] = {}
    names: dict[str, str] = {name: name for name in kept}
    operations: list[Any] = []
    for op in block.operations:
        name = op.outputs[0].name
        if op.type == "const" and name not in kept:
            bare = type(op)()
            bare.CopyFrom(op)
            bare.outputs[0].name = ""
            del bare.attributes["name"]
            content = bare.SerializeToString(deterministic=True)
            if content in first:
                names[name] = first[content]
                continue
            first[content] = f"v{len(operations)}"
        for number, output in enumerate(op.outputs):
            if output.name not in kept:
                part = f"_{number}" if number else ""
                output.name = names.setdefault(output.name, f"v{len(operations)}{part}")
        for bound in op.inputs.values():
            for argument in bound.arguments:
                if argument.WhichOneof("binding") == "name":
                    argument.name = names[argument.name]
        if "name" in op.attributes:
            strings = op.attributes["name"].immediateValue.tensor.strings
            strings.values[0] = op.outputs[0].name
        operations.append(op)
    copies = [type(op).FromString(op.SerializeToString()) for op in operations]
    del block.operations[:]
    block.operations.extend(copies)


def _shared_blobs(content: bytes) -> tuple[bytes, dict[int, int]]:
    """A weights' file with each blob once, and the new place of each old blob's header."""
    count, version = struct.unpack_from("<II", content)
    made, first, moved = bytearray(HEAD), {}, {}
    place = HEAD
    for _ in range(count):
        sentinel, kind, size, begin = struct.unpack_from("<IIQQ", content, place)
        assert sentinel == SENTINEL and begin == place + HEAD
        blob = kind, content[begin : begin + size]
        if blob not in first:
            first[blob] = len(made)
            made += struct.pack("<IIQQ", sentinel, kind, size, len(made) + HEAD)
            made += content[place + 24 : begin] + blob[1]
            made += bytes(-len(made) % ALIGNMENT)
        moved[place] = first[blob]
        place = begin + size + -size % ALIGNMENT
    struct.pack_into("<II", made, 0, len(first), version)
    return bytes(made), moved
