import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
from safetensors.torch import save_file  # noqa: E402

from edgematte.card import UNKNOWN, Card, Data, card_beside, lines, read_card  # noqa: E402
from edgematte.checkpoint import SHIPPED, fingerprint, load_model  # noqa: E402
from edgematte.errors import CheckpointError, OptionError  # noqa: E402
from edgematte.nets import find, variants  # noqa: E402

Tensors = dict[str, Any]
FULL = {
    "license": "CC-BY-4.0",
    "authors": ["A. Author", "B. Author"],
    "origin": "https://example.org/net",
    "attribution": "Net by A. and B. Author",
    "data": [{"name": "Pictures", "license": "CC0-1.0", "what": "ten photographs"}],
}


@pytest.fixture(scope="module")
def tensors() -> Tensors:
    model, _ = load_model(find("lightweight"))
    return dict(model.state_dict())


def saved(tensors: Tensors, file: Path, metadata: dict[str, str]) -> Path:
    save_file(tensors, file, metadata=metadata)
    return file


@pytest.mark.parametrize("name", ["net.weights.json", "weights.json"])
def test_a_card_beside_the_weights_is_read(name: str, tensors: Tensors, tmp_path: Path) -> None:
    file = saved(tensors, tmp_path / "net.safetensors", {})
    (tmp_path / name).write_text(json.dumps(FULL))
    _, weights = load_model(find("lightweight"), file)
    assert weights.card == Card(
        "CC-BY-4.0",
        ("A. Author", "B. Author"),
        "https://example.org/net",
        "Net by A. and B. Author",
        (Data("Pictures", "CC0-1.0", "ten photographs"),),
    )


def test_the_files_own_metadata_are_a_card_too(tensors: Tensors, tmp_path: Path) -> None:
    """Lists as JSON, as safetensors keeps text only; other keys are other programs' business."""
    metadata = {"license": "MIT", "authors": '["C."]', "data": "our own", "format": "pt"}
    file = saved(tensors, tmp_path / "net.safetensors", metadata)
    _, weights = load_model(find("lightweight"), file)
    assert weights.card == Card("MIT", ("C.",), data=(Data("our own"),))
    (tmp_path / "weights.json").write_text('{"license": "CC0-1.0"}')
    assert load_model(find("lightweight"), file)[1].card == Card("CC0-1.0")


def test_without_a_card_nothing_is_known_and_the_words_say_so(
    tensors: Tensors, tmp_path: Path
) -> None:
    file = saved(tensors, tmp_path / "net.safetensors", {"format": "pt"})
    assert load_model(find("lightweight"), file)[1].card is None
    assert lines(None) == [f"licence: {UNKNOWN}"]


def test_a_card_of_other_weights_is_refused(tensors: Tensors, tmp_path: Path) -> None:
    file = saved(tensors, tmp_path / "net.safetensors", {})
    model, weights = load_model(find("lightweight"), file)
    assert weights.sha256 == fingerprint(model)
    (tmp_path / "weights.json").write_text(json.dumps({"sha256": weights.sha256}))
    assert load_model(find("lightweight"), file)[1].card == Card(sha256=weights.sha256)
    (tmp_path / "weights.json").write_text(json.dumps({"sha256": "0" * 64}))
    with pytest.raises(CheckpointError, match="is of other weights"):
        load_model(find("lightweight"), file)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"licence": "MIT"}', '{"license": 3}', '{"data": ["x"]}', "\xff"]
)
def test_a_card_that_is_none_is_one_sentence(text: str, tmp_path: Path) -> None:
    (tmp_path / "weights.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(CheckpointError, match="is no card of weights") as caught:
        card_beside(tmp_path / "net.safetensors")
    assert "\n" not in str(caught.value)


def test_what_lacks_is_filled_and_what_is_said_is_not_contradicted() -> None:
    card = Card(authors=("A.",)).completed("MIT", "by A.")
    assert card == Card("MIT", ("A.",), attribution="by A.")
    assert card.completed("MIT", None) == card
    with pytest.raises(OptionError, match="the card of the weights says 'MIT'"):
        card.completed("Apache-2.0", None)
    for bad in ("", "two\nlines", "x" * 3000):
        with pytest.raises(OptionError, match="a line of text"):
            Card().completed(bad, None)


SHIPS = {name: variant.weights for name, variant in variants().items() if variant.weights}


def test_every_file_of_weights_is_of_a_model() -> None:
    assert {file.stem for file in SHIPPED.glob("*.safetensors")} == set(SHIPS.values())


@pytest.mark.parametrize("name", SHIPS)
def test_shipped_weights_have_a_card_with_every_licence(name: str) -> None:
    _, weights = load_model(find(name))
    assert weights.source.startswith("shipped")
    assert weights.card is not None
    assert weights.card.license == "MIT"
    assert len(weights.card.data) >= (10 if name == "lightweight" else 1)
    assert all(data.license for data in weights.card.data)
    file = SHIPPED / f"{SHIPS[name]}.weights.json"
    assert read_card(json.loads(file.read_text()), str(file)) == weights.card
    assert file.with_name(f"{SHIPS[name]}.json").is_file()  # its options
    assert file.with_name(f"{SHIPS[name]}.safetensors").stat().st_size < 2_000_000  # in the wheel
