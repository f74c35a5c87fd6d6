"""The end of every export: refusing what is outside its tolerance, and listing the files."""

from dataclasses import replace
from pathlib import Path

from edgematte.errors import ToleranceError
from edgematte.manifest import FILE, Accuracy, Manifest
from edgematte.runtime.bundle import sha256_file


def refuse_outside(accuracy: Accuracy, force: bool, reference: str) -> None:
    """Refuse an export that is not what its reference is, unless it is forced.

    Raises:
        ToleranceError: a difference is outside its tolerance; the message names the largest.
    """
    outside = [d for d in accuracy.differences if not d.ok]
    if outside and not force:
        d = max(outside, key=lambda d: d.max_abs)
        raise ToleranceError(
            f"outside the tolerance against {reference}: {d.where} on {d.engine} differs by "
            f"{d.max_abs:.1e} at most and {d.mean_abs:.1e} on average (allowed "
            f"{d.tolerance_max:.0e} and {d.tolerance_mean:.0e}); nothing was written, "
            "force writes it all the same"
        )


def sealed(folder: Path, manifest: Manifest) -> None:
    """Write the manifest of a folder that is whole but for it, with the sha256 of every file."""
    paths = sorted(p for p in folder.rglob("*") if p.is_file())
    files = {p.relative_to(folder).as_posix(): sha256_file(p) for p in paths}
    text = replace(manifest, files=files).to_json()
    (folder / FILE).write_text(text, encoding="utf-8")
