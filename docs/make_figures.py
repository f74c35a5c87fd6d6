"""Writes what `edgematte.training.evaluate` measured into the pages that show it.

python docs/make_figures.py FIGURES.json [NET.json ...]

FIGURES.json is what `python -m edgematte.training.evaluate` prints of the default net's weights,
NET.json of another net's bundle: a column of the tables each, and one more with `--beside BUNDLE`.
They stand between `<!-- figures -->` marks in docs/quality.md and edgematte/weights/README.md. With
`--classical` the table of mattes with a given trimap is written, too (`<!-- trimaps -->`), with a
row for each NET.json that has them; with `--confidence` the reliability diagram, and its table.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from confidence_diagram import draw

ROOT = Path(__file__).resolve().parent.parent
QUALITY = ROOT / "docs/quality.md"
PAGES = (QUALITY, ROOT / "edgematte/weights/README.md")
METHODS = {
    "half_unknown": "the unknown band at 0.5",
    "given_unknown": "the default net, its refining stage",
    "closed_form_unknown": "closed-form matting (pymatting)",
    "knn_unknown": "KNN matting (pymatting)",
}
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


def table(figures: Scores, others: dict[str, Scores], beside: str) -> str:
    """A Markdown table, with a column for each other net, and of `beside` where there is one."""
    columns = {"the default net": figures, **{f"`{name}`": other for name, other in others.items()}}
    if "beside" in figures:
        columns[beside] = figures["beside"]
    lines = [f"| pictures | {' | '.join(columns)} |", f"|{'---|' * (1 + len(columns))}"]
    for words, place in rows(figures):
        cells = [words, *(shown(one, place) for one in columns.values())]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def trimaps(figures: Scores, others: dict[str, Scores]) -> str:
    """A Markdown table of mattes with a given trimap, by method."""
    lines = ["| method | SAD | MSE | Grad | Conn |", "|---|---|---|---|---|"]
    found = {words: figures["alphamatting"][kind] for kind, words in METHODS.items()}
    listed = list(found.items())
    nets = [(f"`{name}`, its weights", other) for name, other in others.items()]
    for words, row in (*listed[:2], *nets, *listed[2:]):
        cells = f"{row['sad']:.1f} | {row['mse']:.3f} | {row['grad']:.1f} | {row['conn']:.1f}"
        lines.append(f"| {words} | {cells} |")
    return "\n".join(lines)


def confidence_table(confidence: Scores) -> str:
    """A Markdown table of calibration errors, without and with a temperature."""
    lines = [
        "| probabilities | error, likeliest class | error, unknown | log likelihood |",
        "|---|---|---|---|",
    ]
    temperature = f"over a temperature of {confidence['temperature']:.2f}"
    for way, words in (("plain", "as they are"), ("tempered", temperature)):
        row = confidence[way]
        errors = f"{row['likeliest']['ece']:.3f} | {row['unknown']['ece']:.3f}"
        lines.append(f"| {words} | {errors} | {-row['nll']:.3f} |")
    return "\n".join(lines)


def replaced(page: Path, name: str, made: str) -> None:
    """Put a text between the marks of a name."""
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, rest = page.read_text(encoding="utf-8").split(start)
    after = rest.split(end)[1]
    page.write_text(f"{before}{start}\n{made}\n{end}{after}", encoding="utf-8")
    print(f"{page}: {name}")


def main(file: Path, others: list[Path], beside: str) -> None:
    """Replace the tables of the pages."""
    figures = json.loads(file.read_text())
    nets = {f.stem: json.loads(f.read_text()) for f in others}
    for page in PAGES:
        replaced(page, "figures", table(figures, nets, beside))
    if "knn_unknown" in figures.get("alphamatting", {}):
        scored = {name: net.get("alphamatting", {}) for name, net in nets.items()}
        given = {n: s["given_unknown"] for n, s in scored.items() if "given_unknown" in s}
        replaced(QUALITY, "trimaps", trimaps(figures, given))
    if "confidence" in figures:
        draw(figures["confidence"], ROOT / "docs/confidence.png")
        replaced(QUALITY, "confidence", confidence_table(figures["confidence"]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("figures", type=Path)
    parser.add_argument("others", type=Path, nargs="*", help="NAME.json of other nets")
    parser.add_argument("--beside", default="U^2-Net small", help="what the other column is of")
    options = parser.parse_args()
    main(options.figures, options.others, options.beside)
