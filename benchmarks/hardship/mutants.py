"""Files with faults in them, made from whole ones: the same number gives the same file again."""

import io
import json
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence
from typing import Any

Mutate = Callable[[bytes, random.Random], bytes]

NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
DEEP: Any = 0
for _ in range(300):
    DEEP = [DEEP]
VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        2,
        3,
        65536,
        2**31,
        2**63,
        10**30,
        -(10**400),
        0.5,
        -0.5,
        1e-320,
    ),
    *(
        1e308,
        float("nan"),
        float("inf"),
        -float("inf"),
        "",
        "x",
        "x" * 10_000,
        "\0",
        "\ud800",
        "-1",
    ),
    *("../../evil", "/etc/passwd", "a/b", "C:\\evil", [], {}, [None], [[]], [1, 2, 3, 4], DEEP),
)
"""What structured mutants hold in place of a value of JSON."""
EDGE = 2048  # headers and tables stand in the first and the last bytes of files
PNG = b"\x89PNG\r\n\x1a\n"


def blindly(data: bytes, chance: random.Random) -> bytes:
    """One to four changes that know nothing of the format."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        _change(changed, chance)
    return bytes(changed)


def _place(changed: bytearray, chance: random.Random) -> int:
    """A position, half of the time near an end of the file."""
    length = len(changed)
    if length < 2 * EDGE or chance.random() < 0.5:
        return chance.randrange(max(1, length))
    at = int(EDGE * chance.random() ** 2)
    return at if chance.random() < 0.7 else length - 1 - at


def _change(changed: bytearray, chance: random.Random) -> None:
    at, kind = _place(changed, chance), chance.randrange(9)
    end = at + chance.choice((1, 2, 4, 16, 200))
    if not changed or kind == 0:
        changed[at:at] = chance.randbytes(chance.choice((1, 4, 64)))
    elif kind == 1:
        changed[at] ^= 1 << chance.randrange(8)
    elif kind == 2:
        changed[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF))
    elif kind == 3:
        del changed[at:]
    elif kind == 4:
        del changed[at:end]
    elif kind == 5:
        changed[at:at] = changed[at:end]
    elif kind == 6:
        changed[at:end] = chance.randbytes(len(changed[at:end]))
    else:  # a length or an offset
        form = chance.choice((">I", "<I", ">H", "<H", "<Q", ">Q"))
        number = chance.choice(NUMBERS) & (0xFFFF if form[1] == "H" else 2**64 - 1)
        packed = struct.pack(form, number)
        changed[at : at + len(packed)] = packed


def png(data: bytes, chance: random.Random) -> bytes:
    """Most mutants have checksums that fit, so that readers look at what is in the chunks."""
    changed = blindly(data, chance)
    return _with_checksums(changed) if chance.random() < 0.8 else changed


def _with_checksums(data: bytes) -> bytes:
    mended, place = bytearray(data), len(PNG)
    while place + 12 <= len(mended):
        (size,) = struct.unpack_from(">I", mended, place)
        end = place + 8 + size
        if end + 4 > len(mended):
            break
        struct.pack_into(">I", mended, end, zlib.crc32(mended[place + 4 : end]))
        place = end + 4
    return bytes(mended)


def text(data: bytes, chance: random.Random) -> bytes:
    """JSON: most mutants are JSON still, with another value, a key less or one more."""
    if chance.random() < 0.2:
        return blindly(data, chance)
    tree = json.loads(data)
    for _ in range(chance.choice((1, 1, 2))):
        _change_tree(tree, chance)
    return json.dumps(tree).encode("utf-8", "surrogatepass")


def manifest(data: bytes, chance: random.Random) -> bytes:
    """As :func:`text`; most changes are in what the runtime goes by, not in recorded figures."""
    if chance.random() < 0.4:
        return text(data, chance)
    tree = json.loads(data)
    for _ in range(chance.choice((1, 1, 2))):
        _change_tree(tree[chance.choice(("host", "graphs"))], chance)
    return json.dumps(tree).encode("utf-8", "surrogatepass")


def _change_tree(tree: Any, chance: random.Random) -> None:
    holders = list(_holders(tree))
    if not holders:
        return
    holder, key = chance.choice(holders)
    kind = chance.randrange(6)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, dict):
        holder[chance.choice(("kind", "x", "", "__class__"))] = holder.pop(key)
    elif kind == 2 and isinstance(holder, list):
        holder += holder[:1] * chance.choice((1, 100))
    elif kind == 3:
        other, name = chance.choice(holders)
        if name in other or isinstance(other, list):
            holder[key] = json.loads(json.dumps(other[name] if len(other) else None))
    else:
        holder[key] = chance.choice(VALUES)


def _holders(tree: Any) -> Any:
    """Every place in a tree: the dict or list that holds it, and its key or index."""
    if isinstance(tree, dict | list):
        for key in list(tree) if isinstance(tree, dict) else range(len(tree)):
            yield tree, key
            yield from _holders(tree[key])


def archive(inner: Mutate = blindly) -> Mutate:
    """Zips: most mutants are zips still, with one entry that is a mutant, gone or renamed."""

    def mutate(data: bytes, chance: random.Random) -> bytes:
        if chance.random() < 0.3 or not data.startswith(b"PK"):
            return blindly(data, chance)
        made = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(made, "w") as new:
            names = [name for name in old.namelist() if not name.endswith("/")]
            chosen, kind = chance.choice(names), chance.randrange(6)
            for name in names:
                content = old.read(name)
                if name == chosen and kind == 0:
                    continue
                if name == chosen and kind == 1:
                    name = chance.choice(("../evil", "/tmp/evil", "x", names[0] + "x", "a\\..\\b"))
                elif name == chosen:
                    content = inner(content, chance)
                new.writestr(name, content)
        return made.getvalue()

    return mutate


def array(data: bytes, chance: random.Random) -> bytes:
    """NumPy's files: another shape or dtype in the header, or blindly."""
    head, kind = data[:128], chance.randrange(3)
    if kind == 0 or b"'shape': (" not in head:
        return blindly(data, chance)
    if kind == 1:
        kinds = (b"|u1", b"<f2", b"<f4", b"<f8", b"|b1", b"<i4", b"<u2", b"<c8", b"<U1", b"|O")
        old, new = head[head.index(b"'descr': '") + 10 :][:3], chance.choice(kinds)
        return data.replace(b"'descr': '" + old, b"'descr': '" + new, 1)
    start = head.index(b"'shape': (") + 10
    end = data.index(b")", start)
    shapes = (b"", b"0,", b"1,", b"1, 1", b"2, 3, 4", b"99999999999,", b"-1,", b"3, 0")
    return data[:start] + chance.choice(shapes) + data[end:]


def safetensors(data: bytes, chance: random.Random) -> bytes:
    """Another header of JSON with a length that fits, or blindly."""
    if chance.random() < 0.3:
        return blindly(data, chance)
    (size,) = struct.unpack_from("<Q", data)
    header = text(data[8 : 8 + size], chance)
    return struct.pack("<Q", len(header)) + header + data[8 + size :]


def mutant(seeds: Sequence[bytes], mutate: Mutate, kind: str, number: int) -> bytes:
    """The mutant of a kind with this number."""
    chance = random.Random(f"{kind} {number}")
    seed = seeds[number % len(seeds)]
    if chance.random() < 0.05:  # the beginning of one file, and the end of another
        other = chance.choice(seeds)
        return seed[: chance.randrange(len(seed))] + other[chance.randrange(len(other)) :]
    return mutate(seed, chance)
