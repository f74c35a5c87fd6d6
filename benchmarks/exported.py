"""Bundles that benchmarks measure: exported, or imported from ONNX files, once and then kept."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgematte.cli.arguments import parse_size
from edgematte.nets import find
from edgematte.runtime.bundle import Bundle, open_bundle
from edgematte.targets import FLOATS

ALL = 1.0
"""A budget that every error is inside of: of random weights, whose error means little, INT8 is
everything that can be quantized."""


@dataclass(frozen=True)
class Source:
    """A net of edgematte, or a peer's ONNX file, and what to export it with."""

    model: str
    size: str = ""  # of the graphs; the net's own where it is empty
    weights: Path | None = None  # None: those that ship, or random ones
    file: Path | None = None  # of a peer
    preset: str = ""

    @staticmethod
    def of(text: str) -> "Source":
        """``MODEL[:WxH][=WEIGHTS]``."""
        name, _, weights = text.partition("=")
        model, _, size = name.partition(":")
        return Source(model, size, Path(weights) if weights else None)

    @staticmethod
    def of_file(text: str) -> "Source":
        """``FILE.onnx:PRESET``."""
        file, _, preset = text.rpartition(":")
        return Source(Path(file).stem, file=Path(file), preset=preset)

    @property
    def random(self) -> bool:
        """Whether its weights are drawn."""
        return self.file is None and self.weights is None and not find(self.model).weights

    @property
    def label(self) -> str:
        """For people: what it is, and of which weights."""
        words = [self.model, *([self.size] if self.size else [])]
        return " ".join(words) + (", random weights" if self.random else "")

    def bundle(
        self,
        target: str,
        precision: str,
        folder: Path,
        *,
        calibration: Path | None = None,
        limit: int | None = None,
    ) -> Bundle:
        """The bundle in the folder, made if it does not lie there.

        Args:
            target: onnx, openvino, ...
            precision: fp32, int8, ...
            folder: where bundles are kept.
            calibration: pictures of quantized ones; by default made ones.
            limit: how many of them at most.

        Raises:
            EdgematteError: it cannot be exported.
        """
        name = "-".join([self.model, *([self.size] if self.size else []), target, precision])
        output = folder / f"{name}.edgematte"
        if output.exists():
            return open_bundle(output)
        how: dict[str, Any] = {"target": target, "precision": precision, "output": output}
        if precision not in FLOATS:
            how |= {"calibration": calibration, "calibration_limit": limit}
            how |= {"budget": ALL} if self.random else {}
        if self.file is not None:
            from edgematte.export.foreign.importer import import_onnx

            return import_onnx(self.file, preset=self.preset, **how)[0]
        from edgematte.export import export

        if self.size:
            how["size"] = parse_size(self.size)
        return export(self.model, weights=self.weights, random_weights=self.random, **how)
