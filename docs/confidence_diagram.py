"""The reliability diagram of docs/quality.md; `make_figures.py` draws it."""

from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

SIDE, MARGIN, LEFT, TOP = 300, 24, 52, 40  # of a panel, in pixels of the finished picture
FINER = 3  # times the size, to draw at
COLOURS = {"plain": "#c2410c", "tempered": "#1d4ed8"}
PANELS = {"likeliest": "the likeliest class", "unknown": "P(unknown)"}
GREY, LIGHT, BLACK = "#9ca3af", "#e5e7eb", "#111827"


def draw(confidence: dict[str, Any], file: Path) -> None:
    """Two panels: how often what was said with a probability came true, and how often it was said.

    `confidence` is what `edgematte.training.evaluate --confidence` prints under that name.
    """
    width = (LEFT + SIDE + MARGIN) * len(PANELS)
    size = width * FINER, (TOP + SIDE + 44) * FINER
    picture = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(picture)
    for number, (name, words) in enumerate(PANELS.items()):
        panel(pen, number * (LEFT + SIDE + MARGIN) + LEFT, confidence, name, words)
    picture.resize((width, TOP + SIDE + 44), Image.Resampling.LANCZOS).save(file, optimize=True)


def panel(
    pen: ImageDraw.ImageDraw, left: int, confidence: dict[str, Any], name: str, words: str
) -> None:
    """One panel, whose left axis is at `left`."""

    def at(x: float, y: float) -> tuple[float, float]:
        return (left + x * SIDE) * FINER, (TOP + (1 - y) * SIDE) * FINER

    font = ImageFont.load_default(12 * FINER)
    for i in range(6):
        pen.line([at(i / 5, 0), at(i / 5, 1)], LIGHT, FINER)
        pen.line([at(0, i / 5), at(1, i / 5)], LIGHT, FINER)
        x, y = at(i / 5, 0)
        pen.text((x, y + 4 * FINER), f"{i / 5:.1f}", BLACK, font, anchor="ma")
        x, y = at(0, i / 5)
        pen.text((x - 6 * FINER, y), f"{i / 5:.1f}", BLACK, font, anchor="rm")
    for b in confidence["plain"][name]["bins"]:
        pen.rectangle([at(b["said"] - 0.015, b["share"]), at(b["said"] + 0.015, 0)], LIGHT, GREY)
    pen.line([at(0, 0), at(1, 1)], GREY, FINER)
    for row, (way, colour) in enumerate(COLOURS.items()):
        told = confidence[way][name]
        points = [at(b["said"], b["true"]) for b in told["bins"]]
        pen.line(points, colour, 2 * FINER)
        for x, y in points:
            pen.circle((x, y), 3 * FINER, fill=colour)
        label = "as they are" if way == "plain" else f"temperature {confidence['temperature']:.2f}"
        x, y = at(0.03, 0.97)
        where = x, y + row * 16 * FINER
        pen.text(where, f"{label}: error {told['ece']:.3f}", colour, font, anchor="la")
    x, y = at(0.5, 1)
    pen.text((x, y - 8 * FINER), f"{words}: said, and how often true", BLACK, font, anchor="mb")
    x, y = at(0.5, 0)
    pen.text((x, y + 24 * FINER), "probability; bars: share of pixels", BLACK, font, anchor="ma")
