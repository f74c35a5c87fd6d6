"""Charts as SVG: bars of milliseconds, the ladder's error against its budget, error over time."""

from collections.abc import Sequence
from html import escape

from edgematte.manifest import Rung

WIDTH, ROW, LABEL, FIGURE = 720, 26, 190, 90
HEIGHT, MARGIN = 240, 48


def bars(title: str, rows: Sequence[tuple[str, float, float]], unit: str = "ms") -> str:
    """Horizontal bars with a whisker: rows of (name, median, 90th percentile)."""
    most = max((high for _, _, high in rows), default=0.0) or 1.0
    scale = (WIDTH - LABEL - FIGURE) / most
    height = ROW * len(rows) + 8
    parts = [_open(title, WIDTH, height)]
    for number, (name, median, high) in enumerate(rows):
        y = ROW * number + 4
        kind = "host" if name.startswith("host.") else "graph"
        parts.append(f'<text x="{LABEL - 8}" y="{y + 15}" class="label">{escape(name)}</text>')
        width = max(1.0, median * scale)
        parts.append(
            f'<rect x="{LABEL}" y="{y}" width="{width:.1f}" height="{ROW - 8}" class="{kind}"/>'
        )
        end, middle = LABEL + high * scale, y + (ROW - 8) / 2
        parts.append(
            f'<path d="M{LABEL + width:.1f} {middle}H{end:.1f}M{end:.1f} {middle - 4}v8" '
            'class="whisker"/>'
        )
        figure = f"{median:.1f} {unit}"
        parts.append(f'<text x="{max(end, LABEL + width) + 8:.1f}" y="{y + 15}">{figure}</text>')
    return "".join([*parts, "</svg>"])


def ladder(title: str, rungs: Sequence[Rung], budget: float) -> str:
    """Each rung's error over the bytes of its graphs, and the budget as a line."""
    largest = max(rung.bytes for rung in rungs) or 1
    worst = max(budget, *(rung.mad for rung in rungs)) * 1.15 or 1.0

    def place(rung: Rung) -> tuple[float, float]:
        x = MARGIN + (WIDTH - 2 * MARGIN) * rung.bytes / largest
        return x, HEIGHT - MARGIN - (HEIGHT - 1.6 * MARGIN) * rung.mad / worst

    line = HEIGHT - MARGIN - (HEIGHT - 1.6 * MARGIN) * budget / worst
    parts = [
        _open(title, WIDTH, HEIGHT),
        f'<path d="M{MARGIN} {HEIGHT - MARGIN}H{WIDTH - MARGIN}M{MARGIN} {HEIGHT - MARGIN}V12" '
        'class="axis"/>',
        f'<path d="M{MARGIN} {line:.1f}H{WIDTH - MARGIN}" class="budget"/>',
        f'<text x="{WIDTH - MARGIN}" y="{line - 6:.1f}" class="end">budget {budget:g}</text>',
        f'<text x="{WIDTH - MARGIN}" y="{HEIGHT - 14}" class="end">size of the graphs, up to '
        f"{largest / 1e6:.2f} MB</text>",
        f'<text x="{MARGIN}" y="10">mean error of alpha in the unknown region</text>',
    ]
    for number, rung in enumerate(rungs, 1):
        x, y = place(rung)
        kind = "chosen" if rung.chosen else "inside" if rung.inside else "outside"
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6" class="{kind}">'
            f"<title>{escape(rung.name)}: {rung.mad:.4f}, {rung.bytes:,} bytes</title></circle>"
            f'<text x="{x + 10:.1f}" y="{y + 4:.1f}">{number}</text>'
        )
    return "".join([*parts, "</svg>"])


def over_time(title: str, points: Sequence[tuple[str, float, float]]) -> str:
    """A line of error over milliseconds: points of (name, milliseconds, error)."""
    longest = max(ms for _, ms, _ in points) or 1.0
    worst = max(error for _, _, error in points) * 1.15 or 1.0
    wide, high = WIDTH - 2 * MARGIN, HEIGHT - 1.6 * MARGIN
    places = [
        (MARGIN + wide * ms / longest, HEIGHT - MARGIN - high * error / worst)
        for _, ms, error in points
    ]
    line = "L".join(f"{x:.1f} {y:.1f}" for x, y in sorted(places))
    parts = [
        _open(title, WIDTH, HEIGHT),
        f'<path d="M{MARGIN} {HEIGHT - MARGIN}H{WIDTH - MARGIN}M{MARGIN} {HEIGHT - MARGIN}V12" '
        'class="axis"/>',
        f'<path d="M{line}" class="curve"/>',
        f'<text x="{WIDTH - MARGIN}" y="{HEIGHT - 14}" class="end">milliseconds, up to '
        f"{longest:.0f}</text>",
        f'<text x="{MARGIN}" y="10">mean error of alpha in the unknown region, up to '
        f"{worst / 1.15:.4f}</text>",
    ]
    for (name, ms, error), (x, y) in zip(points, places, strict=True):
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" class="inside">'
            f"<title>{escape(name)}: {ms:.0f} ms, {error:.4f}</title></circle>"
        )
    return "".join([*parts, "</svg>"])


def _open(title: str, width: float, height: float) -> str:
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>"
    )
