"""The card of weights: under which licence they come, who made them, and from which pictures.

A card is a JSON object in `NAME.weights.json` or `weights.json` beside the weights, or the same
fields among a safetensors file's metadata. Export copies it into the manifest.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from edgematte.codec import decode, parse
from edgematte.errors import CheckpointError, OptionError

UNKNOWN = "unknown: ask the authors of the weights before you ship them"
LONGEST = 2000  # characters of a text on a card


@dataclass(frozen=True)
class Data:
    """Pictures that weights were trained on: their name, their licence, and what they are."""

    name: str
    license: str = ""
    what: str = ""


@dataclass(frozen=True)
class Card:
    """Where weights come from. Every field may be empty, which means unknown.

    `license`: an SPDX expression such as MIT, or the licence's name. `origin`: where the weights
    were found, as a URL or in words. `attribution`: the text that users of the weights have to
    show. `sha256`: of the tensors as the manifest has it, so that a card can belong to no others.
    """

    license: str = ""
    authors: tuple[str, ...] = ()
    origin: str = ""
    attribution: str = ""
    data: tuple[Data, ...] = ()
    sha256: str = ""

    def completed(self, license: str | None, attribution: str | None) -> "Card":
        """The card with what it lacks.

        Raises:
            OptionError: the card says otherwise, or the text is empty, has line breaks, or is
                longer than a sentence or two.
        """
        for name, own, value in (
            ("license", self.license, license),
            ("attribution", self.attribution, attribution),
        ):
            if value is None:
                continue
            if not value.strip() or len(value) > LONGEST or len(value.splitlines()) > 1:
                raise OptionError(f"{name} should be a line of text of at most {LONGEST} letters")
            if own and own != value:
                raise OptionError(
                    f"{name} {value!r}: the card of the weights says {own!r}; correct the card, or "
                    f"leave {name} out"
                )
        return replace(
            self,
            license=license or self.license,
            attribution=attribution or self.attribution,
        )


def card_of(file: Path, digest: str, metadata: Mapping[str, str] | None = None) -> Card | None:
    """The card of a file of weights whose sha256, as the manifest has it, is ``digest``.

    Raises:
        CheckpointError: a card that cannot be read as one, or that is of other weights.
    """
    card = card_beside(file, metadata)
    if card is not None and card.sha256 not in ("", digest):
        raise CheckpointError(
            f"the card beside {file} is of other weights: it has sha256 {card.sha256[:16]}..., "
            f"these have {digest[:16]}..."
        )
    return card


def card_beside(file: Path, metadata: Mapping[str, str] | None = None) -> Card | None:
    """The card of a file of weights; None if it has none.

    Args:
        file: the weights.
        metadata: of a safetensors file; the card beside the file comes first.

    Raises:
        CheckpointError: a card that cannot be read as one.
    """
    for place in (file.with_name(f"{file.stem}.weights.json"), file.with_name("weights.json")):
        if place.is_file():
            try:
                return read_card(parse(place.read_text(encoding="utf-8")), str(place))
            except (OSError, ValueError) as error:
                raise CheckpointError(f"{place} is no card of weights ({error})") from None
    known = {field.name for field in fields(Card)}
    told: dict[str, Any] = {k: v for k, v in (metadata or {}).items() if k in known}
    for name in ("authors", "data"):
        if name in told:
            try:
                told[name] = parse(told[name])
            except ValueError:
                told[name] = [told[name]] if name == "authors" else [{"name": told[name]}]
    if not told:
        return None
    try:
        return read_card(told, f"the metadata of {file}")
    except ValueError as error:
        raise CheckpointError(f"the metadata of {file} is no card of weights ({error})") from None


def read_card(value: Any, where: str) -> Card:
    """A card from JSON; ValueError names the field that is unknown or of another type."""
    card = decode(Card, value, where)
    texts = (card.license, card.origin, card.attribution, *card.authors)
    if any(len(text) > LONGEST for text in texts):
        raise ValueError(f"{where} has a text of more than {LONGEST} letters")
    return card


def lines(card: Card | None) -> list[str]:
    """What a card says, in words; unknown is said too."""
    card = card or Card()
    said = [f"licence: {card.license or UNKNOWN}"]
    for name, value in (
        ("authors", ", ".join(card.authors)),
        ("origin", card.origin),
        ("attribution", card.attribution),
    ):
        if value:
            said.append(f"{name}: {value}")
    for data in card.data:
        what = f", {data.what}" if data.what else ""
        said.append(f"trained on {data.name}{what}: {data.license or 'licence unknown'}")
    return said
