"""Two bundles side by side: figures, cut-outs under a slider, and where their alphas differ."""

from html import escape

from edgematte.page.content import Content
from edgematte.page.shown import apart, in_words
from edgematte.page.tables import head, row, table


def beside(one: Content, other: Content) -> str:
    """Cut-outs of the pictures that both have, one over the other with a slider between them."""
    theirs = {shown.name: shown for shown in other.shown}
    named = [(shown, theirs[shown.name]) for shown in one.shown if shown.name in theirs]
    pairs = [(left, right) for left, right in named if left.picture == right.picture]
    parts = [f"<section><h1>{escape(one.name)} beside {escape(other.name)}</h1>"]
    rows = []
    for content in (one, other):
        quality = next(iter(content.manifest.accuracy.quality), None)
        whole = content.timed and next(s for s in content.timed.stages if s.name == "whole")
        figures = [
            f"{sum(content.sizes.values()):,}",
            f"{quality.mad:.1e}" if quality else "-",
            f"{whole.median_ms:.1f}" if whole else "-",
        ]
        rows.append(row([content.name], figures))
    top = head(("",), ("bytes", "MAD, unknown region", "ms here"))
    parts.append(table(top, rows))
    if len(pairs) < len(named):
        parts.append(
            "<p>They were checked with different pictures, which are not shown beside each other: "
            "give the report pictures of yours.</p>"
        )
    for number, (left, right) in enumerate(pairs):
        place = f"slider-{number}"
        label = f"{left.name}: {one.name} left, {other.name} right"
        parts.append(
            f"<h3>{escape(left.name)}</h3>"
            f'<div class="slider" id="{place}"><img src="{left.cutout}" alt="{escape(one.name)}">'
            f'<img class="over" src="{right.cutout}" alt="{escape(other.name)}">'
            f'<div class="mark"></div></div><label>{escape(label)}<br>'
            f'<input type="range" min="0" max="100" value="50" data-slides="{place}"></label>'
        )
        if left.alpha.shape == right.alpha.shape:
            far = apart(left.alpha, right.alpha)
            told = f"difference of the two alphas, {in_words(far)}"
            alt = escape(f"{left.name}: {told}")
            parts.append(
                f'<figure class="difference"><img src="{far.map}" alt="{alt}">'
                f"<figcaption>{escape(told)}</figcaption></figure>"
            )
    return "\n".join([*parts, "</section>"])
