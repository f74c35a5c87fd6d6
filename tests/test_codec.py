import json
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgematte.codec import decode, encode


@dataclass(frozen=True)
class Leaf:
    name: str
    size: tuple[int, int]
    share: float = 0.5
    note: str | None = None
    flag: bool = False


@dataclass(frozen=True)
class Tree:
    leaves: tuple[Leaf, ...]
    table: dict[str, Leaf] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)


LEAVES = st.builds(
    Leaf,
    st.text(),
    st.tuples(st.integers(), st.integers()),
    st.floats(allow_nan=False, allow_infinity=False),
    st.none() | st.text(),
    st.booleans(),
)
TREES = st.builds(
    Tree,
    st.lists(LEAVES).map(tuple),
    st.dictionaries(st.text(), LEAVES),
    st.dictionaries(st.text(), st.integers()),
)


@settings(max_examples=40, deadline=None)
@given(TREES)
def test_what_is_encoded_comes_back(tree: Tree) -> None:
    assert decode(Tree, json.loads(json.dumps(encode(tree)))) == tree


def test_fields_that_are_none_are_left_out_and_maps_sorted() -> None:
    tree = Tree((Leaf("a", (1, 2)),), numbers={"b": 1, "a": 2})
    value = encode(tree)
    assert "note" not in value["leaves"][0]
    assert list(value["numbers"]) == ["a", "b"]


GOOD: dict[str, Any] = {"name": "a", "size": [1, 2], "share": 1, "note": None, "flag": True}


def test_integers_are_numbers_and_null_is_none() -> None:
    found = decode(Leaf, GOOD)
    assert found == Leaf("a", (1, 2), 1.0, None, True) and isinstance(found.share, float)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": 5}, "Leaf.name should be a str, not '5'"),
        ({"name": None}, "Leaf.name should be a str, not 'None'"),
        ({"size": [1]}, r"Leaf.size should be 2 items, not '\[1\]'"),
        ({"size": [1, "2"]}, r"Leaf.size\[1\] should be an integer, not '2'"),
        ({"size": [1, True]}, r"Leaf.size\[1\] should be an integer, not 'True'"),
        ({"size": [1, 2.0]}, r"Leaf.size\[1\] should be an integer, not '2.0'"),
        ({"size": "12"}, "Leaf.size should be a list"),
        ({"share": "1"}, "Leaf.share should be a number"),
        ({"share": False}, "Leaf.share should be a number"),
        ({"share": 10**400}, "Leaf.share should be a number"),
        ({"share": None}, "Leaf.share should be a number"),
        ({"note": 3}, "Leaf.note should be a str"),
        ({"flag": 1}, "Leaf.flag should be a bool"),
        ({"other": 1}, "Leaf has a field 'other'"),
    ],
)
def test_a_field_that_does_not_fit_is_named(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as caught:
        decode(Leaf, GOOD | change)
    assert "\n" not in str(caught.value)


def test_a_missing_field_is_named_with_its_place() -> None:
    with pytest.raises(ValueError, match=r"file.json.leaves\[1\] lacks the field 'size'"):
        decode(Tree, {"leaves": [GOOD, {"name": "b"}]}, "file.json")


@pytest.mark.parametrize("value", [None, [], "text", 5, True])
def test_another_kind_of_value_is_no_object(value: object) -> None:
    with pytest.raises(ValueError, match="Leaf should be an object"):
        decode(Leaf, value)


def test_long_values_are_shortened_in_messages() -> None:
    with pytest.raises(ValueError) as caught:
        decode(Leaf, GOOD | {"size": "x" * 10_000})
    assert len(str(caught.value)) < 200


@dataclass(frozen=True)
class Tagged:
    KIND: ClassVar[str] = "tagged"

    size: int


def test_a_class_with_a_kind_says_it_and_takes_no_other() -> None:
    value = encode(Tagged(3))
    assert list(value.items()) == [("kind", "tagged"), ("size", 3)]
    assert decode(Tagged, value) == Tagged(3)
    for other in ({"kind": "leaf", "size": 3}, {"size": 3}, {"kind": ["tagged"], "size": 3}):
        with pytest.raises(ValueError, match="file.kind should be 'tagged'"):
            decode(Tagged, other, "file")
