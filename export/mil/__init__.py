"""The Core ML (MIL) evaluator: a saved .mlpackage, run op by op in NumPy."""

from edgematte.export.mil.program import MilProgram

__all__ = ["MilProgram"]
