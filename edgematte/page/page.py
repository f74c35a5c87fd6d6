"""Writing the report: the sections of every bundle, and two bundles side by side."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from edgematte.page import sections
from edgematte.page.beside import beside
from edgematte.page.content import Content
from edgematte.page.shown import Shown, in_words

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
    parts = [_bundle(content) for content in contents]
    if len(contents) == 2:
        parts.insert(0, beside(*contents))
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
            f"<title>{escape(names)}</title>",
            f"<style>{STYLE.read_text(encoding='utf-8')}</style></head><body>",
            *parts,
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
    for one in content.shown:
        parts.append(f"<h2>{escape(one.name)}</h2>{_tiles(one)}")
    parts.append(f"<h2>Accuracy</h2>{sections.accuracy(manifest.accuracy)}")
    if manifest.ladder and manifest.budget is not None:
        parts.append(sections.rungs(content))
    if content.timed is not None:
        parts.append(sections.times(content))
    if content.curve:
        parts.append(sections.curve(content))
    parts.append("<h2>Graphs</h2>" + sections.graphs(content))
    parts.append("<h2>On other devices</h2>" + sections.lint(manifest.lint))
    parts.append("<h2>Weights and licences</h2>" + sections.weights(manifest.weights))
    if manifest.stage_weights is not None:
        parts.append(
            "<h3>Of the net that finds the trimaps</h3>" + sections.weights(manifest.stage_weights)
        )
    return "\n".join([*parts, "</section>"])


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
        (shown.matte, "alpha"),
        (shown.cutout, "cut-out"),
    ]
    if shown.error is not None:
        tiles.append((shown.error.map, f"error of alpha, {in_words(shown.error)}"))
    figures = "".join(
        f'<figure><img src="{uri}" alt="{escape(f"{shown.name}: {text}")}">'
        f"<figcaption>{escape(text)}</figcaption></figure>"
        for uri, text in tiles
    )
    return f'<div class="tiles">{figures}</div>'
