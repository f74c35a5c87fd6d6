"""What an export takes over from the card of its weights, through the command line."""

import json
from pathlib import Path

import pytest

from edgematte.cli import main
from edgematte.manifest import FILE

pytestmark = pytest.mark.export
Capture = pytest.CaptureFixture[str]
EXPORT = ["export", "--model", "lightweight", "--target", "onnx", "--cut", "fused", "--size", "64"]


def test_the_card_of_the_weights_is_in_the_bundle(tmp_path: Path, capsys: Capture) -> None:
    output = tmp_path / "net.edgematte"
    arguments = ["--attribution", "Net by the authors", "--output", str(output)]
    assert main([*EXPORT, *arguments]) == 0
    card = json.loads((output / FILE).read_text())["weights"]["card"]
    assert card["license"] == "MIT" and card["attribution"] == "Net by the authors"
    assert "licence: MIT" in (output / "REPORT.md").read_text()
    capsys.readouterr()
    assert main(["info", str(output)]) == 0
    said = capsys.readouterr().out
    assert "licence: MIT" in said and "trained on Microsoft Fluent Emoji" in said


def test_another_licence_than_the_cards_is_refused(tmp_path: Path, capsys: Capture) -> None:
    output = tmp_path / "net.edgematte"
    assert main([*EXPORT, "--license", "Apache-2.0", "--output", str(output)]) == 2
    err = capsys.readouterr().err
    assert "the card of the weights says 'MIT'" in err.splitlines()[-1]
    assert not output.exists()
