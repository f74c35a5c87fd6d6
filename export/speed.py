"""The section of REPORT.md on speed, which needs the target's engine."""

import statistics

from edgematte.errors import EngineError
from edgematte.runtime.bundle import Bundle
from edgematte.runtime.engines import engine_for
from edgematte.runtime.load import matter_from
from edgematte.runtime.matter import Matter
from edgematte.runtime.proof.goldens import Goldens


def speed(bundle: Bundle, goldens: Goldens) -> tuple[Matter | None, list[str]]:
    """The bundle on its engine, None where that is not here, and the section as Markdown lines."""
    try:
        matter = matter_from(bundle, engine_for(bundle.manifest.target))
    except EngineError as error:
        return None, ["## Speed", "", f"Not measured here: {error}.", ""]
    picture = goldens.picture
    given = matter.variant.net.needs_trimap and bundle.manifest.trimap_stage is None
    trimap = goldens.trimap if given else None
    runs = [matter(picture, trimap).timings for _ in range(6)][1:]
    size = f"{picture.shape[1]}x{picture.shape[0]}"
    lines = ["## Speed", "", f"Engine {matter.engine}, picture {size}, 5 runs.", ""]
    lines += ["| stage | median ms |", "|---|---|"]
    for stage in runs[0]:
        lines.append(f"| {stage} | {1000 * statistics.median(r[stage] for r in runs):.1f} |")
    return matter, [*lines, ""]
