"""The folders of pictures that training and evaluation take."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgematte.errors import OptionError
from edgematte.ranges import OPTIONS, check

if TYPE_CHECKING:
    from edgematte.training.pictures.sources import Folders


class _Photos(argparse.Action):
    """Collects --images, --alphas and --masks in the order they were given."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option: str | None = None,
    ) -> None:
        photos = getattr(namespace, "photos", None) or []
        namespace.photos = [*photos, (self.option_strings[0], Path(str(values)))]


def add_sources(parser: argparse.ArgumentParser) -> None:
    """``--foregrounds`` and the other folders of pictures."""
    lists: dict[str, Any] = {"nargs": "+", "action": "extend", "type": Path, "metavar": "DIR"}
    parser.add_argument("--foregrounds", **lists, help="cut-outs with transparency")
    parser.add_argument("--backgrounds", **lists, help="photographs without a subject")
    parser.add_argument("--veils", **lists, help="hair cards, smoke: only their alpha is used")
    pairs: dict[str, Any] = {"action": _Photos, "metavar": "DIR", "default": argparse.SUPPRESS}
    parser.add_argument("--images", **pairs, help="photographs; then --alphas or --masks of them")
    parser.add_argument("--alphas", **pairs, help="alphas of the last --images, by name")
    parser.add_argument("--masks", **pairs, help="binary masks: their edges are not learnt from")
    parser.add_argument(
        "--hold-out",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="of each folder, by name, kept for evaluation (default: 0)",
    )


def parse_sources(arguments: argparse.Namespace) -> "Folders":
    """The folders a command was given.

    Raises:
        OptionError: options that do not belong together.
    """
    from edgematte.training.pictures.sources import Folders

    photos = getattr(arguments, "photos", [])
    pairs: dict[str, list[tuple[Path, Path]]] = {"--alphas": [], "--masks": []}
    for i in range(0, len(photos), 2):
        (first, images), *rest = photos[i : i + 2]
        if first != "--images" or not rest or rest[0][0] not in pairs:
            raise OptionError(
                f"{first} {images}: give --images DIR and right after it the --alphas DIR or "
                "--masks DIR that belongs to it"
            )
        pairs[rest[0][0]].append((images, rest[0][1]))
    if (arguments.foregrounds or arguments.veils) and not arguments.backgrounds:
        raise OptionError("cut-outs need something to be put before: give --backgrounds DIR")
    check("--hold-out", arguments.hold_out, OPTIONS["hold_out"])
    return Folders(
        foregrounds=arguments.foregrounds or (),
        veils=arguments.veils or (),
        backgrounds=arguments.backgrounds or (),
        alphas=pairs["--alphas"],
        masks=pairs["--masks"],
    )
