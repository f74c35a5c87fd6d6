import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgematte.cli import main
from edgematte.manifest import FILE
from edgematte.runtime.bundle import sha256_file

pytest.importorskip("cyclonedx", reason="the extra `sbom` is not installed")
pytest.importorskip("jsonschema", reason="the extra `sbom` is not installed")

Capture = pytest.CaptureFixture[str]
Edit = Callable[[Path, Callable[[dict[str, Any]], object]], None]
CARD = {
    "license": "MIT",
    "authors": ["A. Author"],
    "attribution": "Net by A. Author",
    "data": [
        {"name": "Pictures", "license": "CC-BY-4.0", "what": "ten photographs"},
        {"name": "Others", "license": "as their page says"},
    ],
}


def bill(bundle: Path, capsys: Capture) -> dict[str, Any]:
    assert main(["sbom", str(bundle)]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_the_bill_names_every_file_licence_and_source(
    tiny_bundle: Path, edit_manifest: Edit, capsys: Capture
) -> None:
    edit_manifest(tiny_bundle, lambda m: m["weights"].update(card=CARD))
    document = bill(tiny_bundle, capsys)
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    model = document["metadata"]["component"]
    assert (model["type"], model["name"]) == ("machine-learning-model", "lightweight")
    assert model["licenses"] == [{"license": {"id": "MIT"}}]
    assert model["copyright"] == "Net by A. Author"
    by_type: dict[str, list[dict[str, Any]]] = {}
    for component in document["components"]:
        by_type.setdefault(component["type"], []).append(component)
    manifest = json.loads((tiny_bundle / FILE).read_text())
    hashes = {c["name"]: c["hashes"][0]["content"] for c in by_type["file"]}
    assert hashes == {**manifest["files"], FILE: sha256_file(tiny_bundle / FILE)}
    data = {c["bom-ref"]: c for c in by_type["data"]}
    used = model["modelCard"]["modelParameters"]["datasets"]
    assert [data[row["ref"]]["name"] for row in used] == ["Pictures", "Others"]
    names = [data[row["ref"]]["licenses"][0]["license"] for row in used]
    assert names == [{"id": "CC-BY-4.0"}, {"name": "as their page says"}]
    inputs = [row["format"] for row in model["modelCard"]["modelParameters"]["inputs"]]
    assert any(text.startswith("refine.image: float32 NCHW [1, 3, 32, 32]") for text in inputs)


def test_the_imported_net_that_finds_the_trimaps_has_its_own_licence(
    tiny_bundle: Path, edit_manifest: Edit, capsys: Capture
) -> None:
    stage = {"source": "net.onnx", "sha256": "ab" * 32, "card": {**CARD, "license": "Apache-2.0"}}
    edit_manifest(tiny_bundle, lambda m: m.update(stage_weights=stage))
    document = bill(tiny_bundle, capsys)
    parts = {component["bom-ref"]: component for component in document["components"]}
    net = parts["trimap-stage"]
    assert (net["type"], net["name"]) == ("machine-learning-model", "net.onnx")
    assert net["licenses"] == [{"license": {"id": "Apache-2.0"}}]
    assert net["copyright"] == "Net by A. Author" and net["hashes"][0]["content"] == "ab" * 32
    assert parts["trimap-stage-training-data-0"]["name"] == "Pictures"
    depends = {row["ref"]: row.get("dependsOn", []) for row in document["dependencies"]}
    assert "trimap-stage" in depends[document["metadata"]["component"]["bom-ref"]]
    edit_manifest(tiny_bundle, lambda m: m["stage_weights"].pop("card"))
    document = bill(tiny_bundle, capsys)
    (net,) = [part for part in document["components"] if part["bom-ref"] == "trimap-stage"]
    assert "licenses" not in net


def test_unknown_licences_are_left_out_and_equal_bundles_have_equal_numbers(
    tiny_bundle: Path, capsys: Capture
) -> None:
    first, again = bill(tiny_bundle, capsys), bill(tiny_bundle, capsys)
    assert "licenses" not in first["metadata"]["component"]
    assert first["serialNumber"] == again["serialNumber"]


def test_to_a_file(tiny_bundle: Path, tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "bill.json"
    assert main(["sbom", str(tiny_bundle), "-o", str(file)]) == 0
    assert capsys.readouterr().out.strip() == str(file)
    assert json.loads(file.read_text())["bomFormat"] == "CycloneDX"
    assert main(["sbom", str(tiny_bundle), "-o", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["bomFormat"] == "CycloneDX"
