"""Writes what `edgematte.training.evaluate` measured into the pages that show it.

python docs/make_figures.py FIGURES.json

FIGURES.json is what `python -m edgematte.training.evaluate` prints of the shipped weights; with
`--beside BUNDLE` the tables get a column of that bundle. They stand between `<!-- figures -->`
marks in docs/quality.md and edgematte/weights/README.md.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGES = (ROOT / "docs/quality.md", ROOT / "edgematte/weights/README.md")
START, END = "<!-- figures -->", "<!-- /figures -->"
Scores = dict[str, Any]


def rows(figures: Scores) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What the pictures are, and where their scores stand in the figures."""
    if "people" in figures:
        count = figures["people"]["pictures"]
        words = f"{count} street photographs, outside a 9-pixel band at their masks' edge"
        yield words, ("people",)
    for kind, words in (
        ("free", "trimap-free, whole picture"),
        ("free_unknown", "trimap-free, the given trimap's unknown region"),
        ("given_unknown", "with the given trimap, its unknown region"),
    ):
        if kind in figures.get("alphamatting", {}):
            count = figures["alphamatting"][kind]["pictures"]
            yield f"{count} alphamatting.com pictures, {words}", ("alphamatting", kind)
    if "composites" in figures:
        count = figures["composites"]["pictures"]
        yield f"{count} composites of held-out cut-outs and backgrounds", ("composites",)
    for name, scores in figures.get("pairs", {}).items():
        yield f"{scores['pictures']} held-out pictures of {name}", ("pairs", name)


def shown(figures: Scores, place: tuple[str, ...]) -> str:
    """The scores at a place in words; a dash where there are none."""
    scores: Any = figures
    for name in place:
        scores = scores.get(name, {})
    if not scores:
        return "-"
    said = [f"IoU {scores['iou']:.3f}"] if "iou" in scores else []
    said.append(f"MAD {scores['mad']:.3f}")
    for name, digits in (("SAD", 1), ("MSE", 3), ("Grad", 1), ("Conn", 1)):
        if name.lower() in scores:
            said.append(f"{name} {scores[name.lower()]:.{digits}f}")
    return ", ".join(said)


def table(figures: Scores, beside: str) -> str:
    """A Markdown table, with a column of `beside` where the figures have one."""
    other = figures.get("beside")
    head = ["pictures", "these weights", *([beside] if other else [])]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for words, place in rows(figures):
        cells = [words, shown(figures, place), *([shown(other, place)] if other else [])]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main(figures: Path, beside: str) -> None:
    """Replace the tables of the pages."""
    made = table(json.loads(figures.read_text()), beside)
    for page in PAGES:
        before, rest = page.read_text().split(START)
        after = rest.split(END)[1]
        page.write_text(f"{before}{START}\n{made}\n{END}{after}")
        print(page)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("figures", type=Path)
    parser.add_argument("--beside", default="U^2-Net small", help="what the other column is of")
    options = parser.parse_args()
    main(options.figures, options.beside)
