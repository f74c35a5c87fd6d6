"""Sections of a report on one bundle, as HTML."""

from collections.abc import Sequence
from html import escape

from edgematte.card import lines as card_lines
from edgematte.finding import Finding
from edgematte.finding import lines as finding_lines
from edgematte.manifest import Accuracy, Weights
from edgematte.page.content import Content
from edgematte.page.drawing import bars, ladder, over_time
from edgematte.page.tables import head, row, table


def accuracy(found: Accuracy) -> str:
    """Every comparison of the check, and the matting metrics."""
    rows = []
    for d in found.differences:
        kind = "" if d.tolerance_max is None else "ok" if d.ok else "outside"
        verdict = {"": "reported", "ok": "inside", "outside": "OUTSIDE"}[kind]
        limit = "-" if d.tolerance_max is None else f"{d.tolerance_max:.0e}"
        cells = [d.equality, d.where, d.engine]
        figures = [f"{d.max_abs:.1e}", f"{d.mean_abs:.1e}", limit]
        rows.append(row(cells, figures, f'<td class="{kind}">{verdict}</td>'))
    top = head(("equality", "where", "engine"), ("largest", "mean", "allowed"), ("",))
    regions = [
        row(
            [q.region, q.engine],
            [f"{q.sad:.4f}", f"{q.mse:.1e}", f"{q.mad:.1e}", f"{q.grad:.4f}", f"{q.conn:.4f}"],
        )
        for q in found.quality
    ]
    second = head(("region", "engine"), ("SAD", "MSE", "MAD", "Grad", "Conn"))
    return table(top, rows) + (table(second, regions) if regions else "")


def rungs(content: Content) -> str:
    """What the INT8 ladder tried, against the budget."""
    manifest = content.manifest
    assert manifest.budget is not None
    rows = []
    for number, rung in enumerate(manifest.ladder, 1):
        kind = "ok" if rung.inside else "outside"
        verdict = ("inside" if rung.inside else "outside") + (", taken" if rung.chosen else "")
        figures = [f"{rung.mad:.4f}", f"{rung.bytes:,}", f"{rung.ms:.1f}" if rung.ms else "-"]
        rows.append(row([f"{number}", rung.name], figures, f'<td class="{kind}">{verdict}</td>'))
    top = head(("", "rung"), ("error", "bytes", "ms"), ("",))
    drawn = ladder(f"INT8 ladder of {content.name}", manifest.ladder, manifest.budget)
    return f"<h2>INT8: error against the budget</h2>{drawn}{table(top, rows)}"


def times(content: Content) -> str:
    """Milliseconds by stage."""
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


def curve(content: Content) -> str:
    """Error over time, of nets that give a matte in less time."""
    points = [(point.name, point.ms, point.error) for point in content.curve]
    drawn = over_time(f"Error over milliseconds of {content.name}", points)
    rows = [row([name], [f"{ms:.1f}", f"{error:.4f}"]) for name, ms, error in points]
    top = head(("",), ("ms", "error"))
    return f"<h2>Quality against time</h2>{drawn}{table(top, rows)}"


def graphs(content: Content) -> str:
    """Files, shapes and sizes."""
    rows = []
    for graph in content.manifest.graphs:
        shapes = [
            "; ".join(f"{t.name} {graph.shape_of(t)}" for t in tensors)
            for tensors in (graph.inputs, graph.outputs)
        ]
        figures = [f"{content.sizes[graph.name]:,}", f"{graph.macs / 1e9:.3f} G"]
        rows.append(row([graph.name, graph.file, *shapes], figures))
    top = head(("graph", "file", "inputs", "outputs"), ("bytes", "multiply-adds"))
    return table(top, rows)


def weights(own: Weights) -> str:
    """Where weights come from, and under which licence."""
    told = "".join(f"<li>{escape(line)}</li>" for line in card_lines(own.card))
    return f"<p>{escape(own.source)}, sha256 {escape(own.sha256[:16])}</p><ul>{told}</ul>"


def lint(findings: Sequence[Finding] | None) -> str:
    """What, where, why and how to change it, of each finding."""
    if not findings:
        return "".join(f"<p>{escape(line).capitalize()}.</p>" for line in finding_lines(findings))
    parts = []
    for one in findings:
        known = f" Known from {escape(one.source)}." if one.source else ""
        parts.append(
            f"<dt>{escape(one.rule)}, {escape(one.where)}</dt><dd>{escape(one.what)}</dd>"
            f"<dd>Why: {escape(one.why)}.{known}</dd><dd>To change it: {escape(one.change)}.</dd>"
        )
    return f"<dl>{''.join(parts)}</dl>"
