"""The result of a check as aligned lines for a terminal."""

from edgematte.manifest import Accuracy


def table(accuracy: Accuracy) -> list[str]:
    """A line for each comparison, then a line for each region."""
    rows: list[tuple[str, ...]] = [
        ("", "equality", "where", "engine", "max", "mean", "allowed max", "allowed mean")
    ]
    for d in accuracy.differences:
        mark = "-" if d.tolerance_max is None else "ok" if d.ok else "!!"
        limits = tuple(
            "-" if limit is None else f"{limit:.0e}"
            for limit in (d.tolerance_max, d.tolerance_mean)
        )
        figures = (f"{d.max_abs:.1e}", f"{d.mean_abs:.1e}")
        rows.append((mark, d.equality, d.where, d.engine, *figures, *limits))
    lines = _align(rows)
    regions: list[tuple[str, ...]] = [
        ("region", "engine", "SAD", "MSE", "MAD", "Grad", "Conn", "pixels")
    ]
    for q in accuracy.quality:
        sums = tuple(f"{v:.4f}" for v in (q.grad, q.conn))
        means = (f"{q.sad:.4f}", f"{q.mse:.1e}", f"{q.mad:.1e}")
        regions.append((q.region, q.engine, *means, *sums, f"{q.pixels:,}"))
    return [*lines, "", *_align(regions), ""]


def _align(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
