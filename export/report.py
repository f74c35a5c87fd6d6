"""REPORT.md, a report of an export for people, with a picture."""

import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from edgematte.card import lines as card_lines
from edgematte.check.clips import STEP_PX
from edgematte.export.executed import executed, executed_line
from edgematte.finding import lines as finding_lines
from edgematte.host import StageHost
from edgematte.manifest import STAGE, Accuracy, Manifest
from edgematte.metrics.seams import VISIBLE, seam_score
from edgematte.net import load_part
from edgematte.nets import find
from edgematte.runtime.host.patches import Patch
from edgematte.runtime.host.trimap import UNKNOWN
from edgematte.runtime.proof.goldens import Goldens

PICTURE = "report.png"


def write_report(
    folder: Path, manifest: Manifest, accuracy: Accuracy, goldens: Goldens, sections: Sequence[str]
) -> None:
    """Write ``REPORT.md`` and ``report.png`` into a bundle.

    Args:
        folder: the bundle.
        manifest: its manifest, with the measured accuracy.
        accuracy: what the check measured.
        goldens: the records it was compared with.
        sections: Markdown lines of further sections.
    """
    _write_picture(folder / PICTURE, goldens)
    net = find(manifest.model).net
    lines = [
        f"# {manifest.model}, {manifest.target}, {manifest.precision}",
        "",
        f"From left to right: the check's picture, the trimap, the alpha of {net.reference}.",
        "",
        f"![the check's picture]({PICTURE})",
        "",
        f"Weights: {manifest.weights.source}, sha256 `{manifest.weights.sha256[:16]}...`; "
        f"cut: {manifest.host.cut}; "
        f"graph size {manifest.host.size[0]}x{manifest.host.size[1]}.",
        "",
        *(f"* {line}" for line in card_lines(manifest.weights.card)),
        "",
        "## Graphs",
        "",
        "| graph | file | bytes | zipped | inputs | outputs | multiply-adds |",
        "|---|---|---|---|---|---|---|",
    ]
    for graph in manifest.graphs:
        shapes = [
            ", ".join(f"{t.name} {graph.shape_of(t)}" for t in tensors)
            for tensors in (graph.inputs, graph.outputs)
        ]
        lines.append(
            f"| {graph.name} | {graph.file} | {size_of(folder / graph.file):,} "
            f"| {zipped_size(folder / graph.file):,} | {shapes[0]} | {shapes[1]} "
            f"| {graph.macs / 1e9:.3f} G |"
        )
    lines += ["", "## On other devices", "", *lint_section(manifest)]
    lines += ["", f"## Accuracy against {net.reference}", ""]
    if net.imported:
        lines += [
            "No PyTorch was there: the reference is the file itself, in fp32 on ONNX Runtime."
        ]
        lines += [""]
    stage = manifest.trimap_stage
    if stage is not None:
        own = manifest.stage_weights
        of = f" ({own.source}, sha256 `{own.sha256[:16]}...`)" if own is not None else ""
        if isinstance(stage, StageHost):
            lines += [f"The graph {STAGE} is another net's{of}."]
        else:
            lines += [f"The graph {STAGE} is an imported net's{of}: its reference is its own ONNX "]
            lines += ["graph, in fp32 on ONNX Runtime."]
        lines += ["", *(f"* {line}" for line in card_lines(own.card if own else None)), ""]
    if goldens.clip is not None:
        lines += [
            f"The frames are of a clip: the picture moves right by {STEP_PX} pixels a frame, "
        ]
        lines += ["and each frame takes the states that the one before it gave.", ""]
    lines += [*accuracy_table(accuracy), ""]
    if manifest.ladder:
        lines += ["## INT8", "", *ladder_table(manifest), ""]
        lines += [*executed_lines(folder, manifest), ""]
    if manifest.options.get("ort") == "True":
        from edgematte.export.targets.ort_format import phone_lines

        lines += [*phone_lines(folder, manifest), ""]
    lines += seam_lines(manifest, goldens)
    lines += sections
    (folder / "REPORT.md").write_text("\n".join(lines), encoding="utf-8")


def accuracy_table(accuracy: Accuracy) -> list[str]:
    """Markdown lines of every comparison, then of the matting metrics."""
    lines = [
        "| equality | where | engine | max | mean | allowed max | allowed mean | |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for d in accuracy.differences:
        limits = [
            "-" if limit is None else f"{limit:.0e}"
            for limit in (d.tolerance_max, d.tolerance_mean)
        ]
        verdict = "reported" if d.tolerance_max is None else "ok" if d.ok else "**outside**"
        lines.append(
            f"| {d.equality} | {d.where} | {d.engine} | {d.max_abs:.1e} | {d.mean_abs:.1e} "
            f"| {limits[0]} | {limits[1]} | {verdict} |"
        )
    lines += ["", "| region | engine | SAD | MSE | MAD | Grad | Conn | pixels |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    for q in accuracy.quality:
        lines.append(
            f"| {q.region} | {q.engine} | {q.sad:.4f} | {q.mse:.2e} | {q.mad:.2e} | {q.grad:.4f} "
            f"| {q.conn:.4f} | {q.pixels:,} |"
        )
    return lines


def seam_lines(manifest: Manifest, goldens: Goldens) -> list[str]:
    """Markdown lines on whether borders of patches show in alpha, for cuts with patches."""
    where = find(manifest.model).net.patches
    patches: list[Patch] = load_part(where)(manifest.host, goldens.trimap) if where else []
    if len(patches) < 2:
        return []
    score = seam_score(goldens.alpha, patches, goldens.trimap == UNKNOWN)
    sizes = sorted({(p.side, p.height) for p in patches})
    shown = " and ".join(f"{width}x{height}" for width, height in sizes)
    return [
        "## Seams",
        "",
        f"Gradient energy of alpha across the borders of {len(patches)} patches of {shown} "
        f"pixels, over that inside, in the unknown region: {score:.2f} (about 1 where no border "
        f"shows, visible from {VISIBLE:g}).",
        "",
    ]


def ladder_table(manifest: Manifest) -> list[str]:
    """Markdown lines of every way of quantizing that was tried, and which was taken."""
    lines = [
        f"Mean absolute alpha error over the unknown band of held-out pictures, at most "
        f"{manifest.budget:g}. The first rung inside is taken.",
        "",
        "| rung | error | Grad | Conn | bytes | ms | |",
        "|---|---|---|---|---|---|---|",
    ]
    for r in manifest.ladder:
        verdict = ("inside" if r.inside else "outside") + (", **taken**" if r.chosen else "")
        time = f"{r.ms:.1f}" if r.ms else "-"
        lines.append(
            f"| {r.name} | {r.mad:.4f} | {r.grad:.4f} | {r.conn:.4f} | {r.bytes:,} | {time} "
            f"| {verdict} |"
        )
    return lines


def executed_lines(folder: Path, manifest: Manifest) -> list[str]:
    """Markdown lines of the operators that the target's engine runs for each graph here."""
    lines = []
    for graph in manifest.graphs:
        if counts := executed(manifest.target, folder / graph.file, graph):
            lines.append(f"The engine runs of {graph.name}: {executed_line(counts)}.")
    return lines


def lint_section(manifest: Manifest) -> list[str]:
    """Markdown lines of the findings of the lint."""
    if not manifest.lint:
        return [f"{line[0].upper()}{line[1:]}." for line in finding_lines(manifest.lint)]
    return [
        f"* **{f.rule}** in {f.where}: {f.what}. Why: {f.why}"
        + (f" ({f.source})" if f.source else "")
        + f". To change it: {f.change}."
        for f in manifest.lint
    ]


def files_of(path: Path) -> list[Path]:
    """The files of a graph: one and what belongs to it (``.bin`` to ``.xml``), or a folder's."""
    if path.is_dir():
        return sorted(f for f in path.rglob("*") if f.is_file())
    weights = path.with_suffix(".bin")
    return [path, weights] if path.suffix == ".xml" and weights.exists() else [path]


def size_of(path: Path) -> int:
    """How many bytes a graph takes on disk."""
    return sum(f.stat().st_size for f in files_of(path))


def zipped_size(path: Path) -> int:
    """How many bytes a graph takes in an app's package or a download: zip archives (deflate)."""
    return sum(len(zlib.compress(f.read_bytes(), 9)) for f in files_of(path))


def _write_picture(file: Path, goldens: Goldens) -> None:
    grey = [goldens.trimap, np.rint(goldens.alpha * 255).astype(np.uint8)]
    panels = [goldens.picture, *(np.repeat(g[..., None], 3, axis=2) for g in grey)]
    sheet = Image.fromarray(np.concatenate(panels, axis=1))
    width = min(sheet.width, 900)
    sheet = sheet.resize((width, round(sheet.height * width / sheet.width)))
    sheet.quantize(64).save(file, optimize=True)
