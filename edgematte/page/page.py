"""Writing the report: the sections of every bundle, and two bundles side by side."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from edgematte.card import lines as card_lines
from edgematte.manifest import Accuracy
from edgematte.page.content import GAIN, Content, Shown
from edgematte.page.drawing import bars, ladder

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
STYLE = Path(__file__).with_name("style.css")
SCRIPT = """
for (const input of document.querySelectorAll("input[data-slides]")) {
  const box = document.getElementById(input.dataset.slides);
  const move = () => box.style.setProperty("--at", input.value + "%");
  input.addEventListener("input", move);
  move();
}
"""


def page(contents: Sequence[Content]) -> str:
    """The whole page. It loads nothing: pictures, style and script are in it."""
    names = " and ".join(content.name for content in contents)
    sections = [_bundle(content) for content in contents]
    if len(contents) == 2:
        sections.insert(0, _beside(*contents))
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
            f"<title>{escape(names)}</title>",
            f"<style>{STYLE.read_text(encoding='utf-8')}</style></head><body>",
            *sections,
            f"<script>{SCRIPT}</script>",
            "</body></html>",
            "",
        ]
    )


def _bundle(content: Content) -> str:
    manifest = content.manifest
    parts = [
        f"<section><h1>{escape(content.name)}</h1>",
        f'<p class="soft">{escape(manifest.model)}, cut {escape(manifest.host.cut)}, '
        f"{escape(manifest.target)}, {escape(manifest.precision)}; made with "
        f"{escape(', '.join(f'{k} {v}' for k, v in manifest.tools.items()))}</p>",
        _cards(content),
    ]
    if content.missing:
        parts.append(f'<p class="outside">Not run here: {escape(content.missing)}</p>')
    parts += [f"<p>Left out: {escape(note)}</p>" for note in content.notes]
    for shown in content.shown:
        parts.append(f"<h2>{escape(shown.name)}</h2>{_tiles(shown)}")
    parts.append(f"<h2>Accuracy</h2>{_accuracy(manifest.accuracy)}")
    if manifest.ladder and manifest.budget is not None:
        parts.append(_ladder(content))
    if content.timed is not None:
        parts.append(_times(content))
    parts.append("<h2>Graphs</h2>" + _graphs(content))
    told = "".join(f"<li>{escape(line)}</li>" for line in card_lines(manifest.weights.card))
    source = f"{manifest.weights.source}, sha256 {manifest.weights.sha256[:16]}"
    parts.append(f"<h2>Weights</h2><p>{escape(source)}</p><ul>{told}</ul></section>")
    return "\n".join(parts)


def _cards(content: Content) -> str:
    manifest = content.manifest
    ends = [d for d in manifest.accuracy.differences if d.equality == "end-to-end"]
    worst = max((d.max_abs for d in ends), default=0.0)
    cards = [
        ("size of the graphs", f"{sum(content.sizes.values()) / 1e6:.2f} MB"),
        ("multiply-adds", f"{sum(graph.macs for graph in manifest.graphs) / 1e9:.2f} G"),
        ("alpha from the reference, at most", f"{worst:.1e}"),
    ]
    if content.timed is not None:
        whole = next(s for s in content.timed.stages if s.name == "whole")
        cards.append((f"a matte of {content.timed.picture} here", f"{whole.median_ms:.0f} ms"))
    boxes = "".join(f"<div><b>{escape(v)}</b>{escape(k)}</div>" for k, v in cards)
    return f'<div class="cards">{boxes}</div>'


def _tiles(shown: Shown) -> str:
    tiles = [
        (shown.picture, "picture"),
        (shown.alpha, "alpha"),
        (shown.cutout, "cut-out"),
    ]
    if shown.error:
        apart = f"largest {shown.worst:.1e}, mean {shown.mean:.1e}"
        tiles.append((shown.error, f"error of alpha, {GAIN:g} times as bright; {apart}"))
    figures = "".join(
        f'<figure><img src="{uri}" alt="{escape(f"{shown.name}: {text}")}">'
        f"<figcaption>{escape(text)}</figcaption></figure>"
        for uri, text in tiles
    )
    return f'<div class="tiles">{figures}</div>'


def _accuracy(accuracy: Accuracy) -> str:
    rows = []
    for d in accuracy.differences:
        kind = "" if d.tolerance_max is None else "ok" if d.ok else "outside"
        verdict = {"": "reported", "ok": "inside", "outside": "OUTSIDE"}[kind]
        limit = "-" if d.tolerance_max is None else f"{d.tolerance_max:.0e}"
        cells = [d.equality, d.where, d.engine]
        figures = [f"{d.max_abs:.1e}", f"{d.mean_abs:.1e}", limit]
        rows.append(_row(cells, figures, f'<td class="{kind}">{verdict}</td>'))
    head = _head(("equality", "where", "engine"), ("largest", "mean", "allowed"), ("",))
    regions = [
        _row(
            [q.region, q.engine],
            [f"{q.sad:.4f}", f"{q.mse:.1e}", f"{q.mad:.1e}", f"{q.grad:.4f}", f"{q.conn:.4f}"],
        )
        for q in accuracy.quality
    ]
    second = _head(("region", "engine"), ("SAD", "MSE", "MAD", "Grad", "Conn"))
    return _table(head, rows) + (_table(second, regions) if regions else "")


def _ladder(content: Content) -> str:
    manifest = content.manifest
    assert manifest.budget is not None
    rows = []
    for number, rung in enumerate(manifest.ladder, 1):
        kind = "ok" if rung.inside else "outside"
        verdict = ("inside" if rung.inside else "outside") + (", taken" if rung.chosen else "")
        figures = [f"{rung.mad:.4f}", f"{rung.bytes:,}", f"{rung.ms:.1f}" if rung.ms else "-"]
        rows.append(_row([f"{number}", rung.name], figures, f'<td class="{kind}">{verdict}</td>'))
    head = _head(("", "rung"), ("error", "bytes", "ms"), ("",))
    drawn = ladder(f"INT8 ladder of {content.name}", manifest.ladder, manifest.budget)
    return f"<h2>INT8: error against the budget</h2>{drawn}{_table(head, rows)}"


def _times(content: Content) -> str:
    assert content.timed is not None
    timed = content.timed
    stages = [
        (stage.name, stage.median_ms, stage.p90_ms)
        for stage in timed.stages
        if stage.name.startswith(("host.", "graph."))
    ]
    drawn = bars(f"Milliseconds by stage of {content.name}", stages)
    return (
        f"<h2>Time by stage</h2><p class='soft'>{escape(timed.engine)}, {timed.picture}, median of "
        f"{timed.runs} runs on the machine that wrote this page, whiskers to the 90th percentile; "
        f"host steps take {100 * timed.host_share:.0f} %.</p>{drawn}"
    )


def _graphs(content: Content) -> str:
    rows = []
    for graph in content.manifest.graphs:
        shapes = [
            "; ".join(f"{t.name} {graph.shape_of(t)}" for t in tensors)
            for tensors in (graph.inputs, graph.outputs)
        ]
        figures = [f"{content.sizes[graph.name]:,}", f"{graph.macs / 1e9:.3f} G"]
        rows.append(_row([graph.name, graph.file, *shapes], figures))
    head = _head(("graph", "file", "inputs", "outputs"), ("bytes", "multiply-adds"))
    return _table(head, rows)


def _beside(one: Content, other: Content) -> str:
    """Cut-outs of the pictures that both have, one over the other with a slider between them."""
    theirs = {shown.name: shown for shown in other.shown}
    pairs = [(shown, theirs[shown.name]) for shown in one.shown if shown.name in theirs]
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
        rows.append(_row([content.name], figures))
    head = _head(("",), ("bytes", "MAD, unknown region", "ms here"))
    parts.append(_table(head, rows))
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
    return "\n".join([*parts, "</section>"])


def _head(words: Sequence[str], figures: Sequence[str], rest: Sequence[str] = ()) -> str:
    cells = [f"<th>{escape(word)}</th>" for word in words]
    cells += [f'<th class="number">{escape(figure)}</th>' for figure in figures]
    return "".join([*cells, *(f"<th>{escape(word)}</th>" for word in rest)])


def _row(words: Sequence[str], figures: Sequence[str], rest: str = "") -> str:
    cells = [f"<td>{escape(word)}</td>" for word in words]
    cells += [f'<td class="number">{escape(figure)}</td>' for figure in figures]
    return f"<tr>{''.join(cells)}{rest}</tr>"


def _table(head: str, rows: Sequence[str]) -> str:
    head, body = f"<thead><tr>{head}</tr></thead>", f"<tbody>{''.join(rows)}</tbody>"
    return f'<div class="wide"><table>{head}{body}</table></div>'
