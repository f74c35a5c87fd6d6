"""What the pages say of host steps, records and manifests is what the code has."""

import inspect
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edgematte import documents, schema
from edgematte.builtin import BUILTIN, READ
from edgematte.errors import OptionError
from edgematte.manifest import FILE
from edgematte.net import Net
from edgematte.runtime.bundle import DEFAULT
from edgematte.runtime.host.steps import HostStep

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "bundle.md").read_text(encoding="utf-8")
STEPS = [(net, step) for net in READ for step, _ in documents.steps_of_cuts(net)]


def test_the_page_is_made_of_the_declarations() -> None:
    """If this fails: `python -m edgematte.documents docs/bundle.md`."""
    assert documents.filled(PAGE) == PAGE


def test_the_table_has_every_cut_and_step_with_what_it_reads_and_gives() -> None:
    rows = [[cell.strip() for cell in r.strip("|").split("|")] for r in PAGE.splitlines()]
    told = {(r[0].split(":")[0], r[1]): r for r in rows if len(r) == 4}
    assert told["regional", "paste"][2] == "cell_alpha (rows, columns); refined (n, 8, 8); cells"
    assert told["hdmatt", "contexts (with contexts)"][0] == "hdmatt: patches"
    assert told["lightweight", "trimap"][0] == "lightweight: fused, split"
    for net, step in STEPS:
        row = told[net.name, f"{step.name} ({step.where})" if step.where else step.name]
        for arrays, cell in ((step.reads, row[2]), (step.gives, row[3])):
            assert [part.split(" ")[0] for part in cell.split("; ")] == [a.name for a in arrays]
    named = {(net.name, kind) for net in READ for kind in net.hosts}
    assert {
        (r[0].split(":")[0], k) for r in told.values() for k in r[0].split(": ")[-1].split(", ")
    } >= named


def test_the_command_writes_the_page_and_refuses_another(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(re.sub(r"\| lightweight:.*\n", "", PAGE))
    assert documents.main([str(page)]) == 0
    assert page.read_text() == PAGE
    page.write_text("nothing is generated here")
    assert documents.main([str(page)]) == 2 and page.read_text() == "nothing is generated here"
    with pytest.raises(OptionError, match="one part between <!-- generated: host steps -->"):
        documents.filled("")


@pytest.mark.parametrize(
    ("net", "step"), STEPS, ids=[f"{n.name}-{s.name}-{s.where}".strip("-") for n, s in STEPS]
)
def test_a_step_declares_what_its_function_takes_and_makes(net: Net, step: HostStep) -> None:
    names = list(inspect.signature(step.run).parameters)
    assert names[1:] == [array.name for array in step.reads]
    assert made(step.run) == {array.name for array in step.gives}
    assert bool(step.where) == (step.when is not None)


def made(run: Callable[..., Any]) -> set[str]:
    """Keys of the dict that a step's function, or the one it calls, returns."""
    source = inspect.getsource(run)
    if called := re.search(r"return (\w+)\(host,", source):
        return made(run.__globals__[called[1]])
    returned = source[source.rindex("return {") :]
    return set(re.findall(r'"(\w+)":', returned))


def test_only_arrays_that_no_step_reads_are_kept_in_part() -> None:
    read = {(net.name, array.name) for net, step in STEPS for array in step.reads}
    part = {(net.name, array.name) for net, array in documents.arrays() if array.every}
    assert ("lightweight", "reduced") in part and not part & read


def test_the_page_says_how_every_array_is_kept() -> None:
    page = PAGE[PAGE.index("| kept | arrays |") :]
    (as_bytes,) = re.findall(r"\| as bytes, value \* 255 \| (.*) \|", page)
    assert "`probabilities`" in as_bytes and "`refined` of regional" in as_bytes
    assert "| `[:, ::8, ::8]` | `condition`, `probability_patch` |" in page
    for net, array in documents.arrays():
        told = re.findall(rf"^\| (.*?) \| .*`{array.name}`(?: of {net.name})?[, ]", page, re.M)
        kept = {"as bytes, value * 255": array.unit, "[": bool(array.every)}
        for words, so in kept.items():
            if so:
                assert any(words in row for row in told), array.name


# The schema of manifests


def test_the_schema_is_current() -> None:
    """If this fails: `python -m edgematte.schema > docs/bundle.schema.json`."""
    assert (ROOT / "docs" / "bundle.schema.json").read_text(encoding="utf-8") == schema.text()


def test_the_schema_is_what_the_command_prints() -> None:
    command = [sys.executable, "-m", "edgematte.schema"]
    assert (
        subprocess.run(command, capture_output=True, text=True, check=True).stdout == schema.text()
    )


SCHEMA = schema.schema()
MANIFEST: dict[str, Any] = json.loads((DEFAULT / FILE).read_text(encoding="utf-8"))


def test_the_default_bundle_is_valid() -> None:
    assert list(problems(MANIFEST, SCHEMA)) == []


def without(name: str) -> dict[str, Any]:
    return {k: v for k, v in MANIFEST.items() if k != name}


def host(**values: Any) -> dict[str, Any]:
    return {**MANIFEST, "host": {**MANIFEST["host"], **values}}


@pytest.mark.parametrize(
    "wrong",
    [
        without("model"),
        without("host"),
        {**MANIFEST, "format": 1},
        {**MANIFEST, "colour": "red"},
        {**MANIFEST, "target": 3},
        {**MANIFEST, "graphs": {}},
        {**MANIFEST, "graphs": [{"name": "segment"}]},
        {**MANIFEST, "config": {"k": "16"}},
        host(kind="unheard-of"),
        host(kind="tiles"),  # a section of another cut
        host(size=[512]),
        host(patch=True),
        host(colour="red"),
    ],
)
def test_a_wrong_manifest_is_not(wrong: dict[str, Any]) -> None:
    assert list(problems(wrong, SCHEMA))


TYPES: dict[str, Any] = {
    **{"object": dict, "array": list, "string": str, "boolean": bool},
    **{"integer": int, "number": (int, float)},
}
KNOWN = {
    *("$schema", "$defs", "title", "$ref", "type", "const", "oneOf", "properties", "required"),
    *("additionalProperties", "items", "prefixItems", "minItems", "maxItems"),
}


def problems(value: Any, rule: dict[str, Any]) -> Iterator[str]:
    """Where a value breaks a JSON Schema, as far as those of manifests go (draft 2020-12)."""
    assert set(rule) <= KNOWN, set(rule) - KNOWN
    if "$ref" in rule:
        yield from problems(value, SCHEMA["$defs"][rule["$ref"].removeprefix("#/$defs/")])
    if "const" in rule and value != rule["const"]:
        yield f"{value!r} is not {rule['const']!r}"
    if "oneOf" in rule:
        fitting = [r for r in rule["oneOf"] if not list(problems(value, r))]
        if len(fitting) != 1:
            yield f"{value!r} fits {len(fitting)} of {len(rule['oneOf'])}"
    if "type" in rule:
        fits = isinstance(value, TYPES[rule["type"]])
        if not fits or (isinstance(value, bool) and rule["type"] != "boolean"):
            yield f"{value!r} is no {rule['type']}"
            return
    if isinstance(value, dict):
        own = rule.get("properties", {})
        yield from (f"lacks {name}" for name in rule.get("required", ()) if name not in value)
        for name, item in value.items():
            other = rule.get("additionalProperties", True)
            if name in own or isinstance(other, dict):
                yield from problems(item, own.get(name, other))
            elif not other:
                yield f"unknown {name}"
    if isinstance(value, list):
        first = rule.get("prefixItems", [])
        if not rule.get("minItems", 0) <= len(value) <= rule.get("maxItems", len(value)):
            yield f"{len(value)} items"
        for item, rule_of in zip(value, first, strict=False):
            yield from problems(item, rule_of)
        if "items" in rule:
            for item in value:
                yield from problems(item, rule["items"])


@pytest.mark.export
def test_every_cut_gives_what_its_net_declares() -> None:
    pytest.importorskip("torch")
    from edgematte.export.cut import Cut
    from edgematte.net import load_part

    for net in BUILTIN:
        cut = load_part(net.cut)
        assert isinstance(cut, Cut), net.name
        for name in ("host", "graphs", "reference"):
            own, declared = (inspect.signature(getattr(c, name)) for c in (cut, Cut))
            assert list(own.parameters) == list(declared.parameters)[1:], (net.name, name)
