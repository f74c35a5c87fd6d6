"""Rewrites of captured graphs, so that models can be written as in their papers and still run fast.

Each file holds one pass, which is applied wherever its pattern matches, in any model. A pass
changes an FX graph of ATen operators in place, keeps what the graph computes (up to float
rounding), and returns how many places it changed. The functions below list the passes of each
target; `benchmarks/passes.py` measures every pass.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.export import ExportedProgram
from torch.fx import GraphModule
from torch.fx.passes.fake_tensor_prop import FakeTensorProp

from edgematte.export.passes.concat_by_sum import concat_by_sum
from edgematte.export.passes.erf_gelu import erf_gelu
from edgematte.export.passes.fold_batch_norm import fold_batch_norm
from edgematte.export.passes.fold_normalization import fold_normalization
from edgematte.export.passes.four_axes import four_axes
from edgematte.export.passes.late_division import late_division
from edgematte.export.passes.pad_channels import pad_channels
from edgematte.export.passes.pad_inputs import pad_inputs
from edgematte.export.passes.phase_resize import phase_resize
from edgematte.export.passes.phase_upsample import phase_upsample
from edgematte.export.passes.pool_conv import pool_conv
from edgematte.export.passes.shared_products import shared_products
from edgematte.export.passes.slice_softmax import slice_softmax
from edgematte.export.passes.split_concat import split_concat
from edgematte.export.passes.split_linear import fold_scale, split_linear
from edgematte.export.passes.spread_by_resize import spread_by_resize
from edgematte.export.passes.transposed_conv import transposed_conv
from edgematte.targets import OnnxOptions, TargetOptions

Pass = Callable[[GraphModule], int]
Axes = tuple[dict[int, Any], ...]
"""For every input, the axes that stay open, with their torch.export.Dim."""

ATTENTION: tuple[Pass, ...] = (split_linear, fold_scale, late_division)

ONNX_CPU: tuple[Pass, ...] = (
    transposed_conv,
    fold_normalization,
    *ATTENTION,
    fold_batch_norm,
    slice_softmax,
    phase_upsample,
    phase_resize,
    concat_by_sum,
    split_concat,
    pad_channels,
    erf_gelu,
)
OPENVINO: tuple[Pass, ...] = (
    transposed_conv,
    fold_normalization,
    *ATTENTION,
    fold_batch_norm,
    phase_upsample,
    phase_resize,
    split_concat,
)
PORTABLE: tuple[Pass, ...] = (fold_normalization, fold_batch_norm, slice_softmax, phase_upsample)
"""For accelerators that are not measured here: few kinds of operators, which all of them have."""


def for_onnx(options: OnnxOptions) -> tuple[Pass, ...]:
    """For ONNX: blocks of channels for processors, portable operators for phones and INT8."""
    return ONNX_CPU if options.blocked else (*PORTABLE, pad_inputs, erf_gelu, *_rounded(options))


def for_openvino(options: TargetOptions) -> tuple[Pass, ...]:
    """Passes for OpenVINO."""
    return OPENVINO + _rounded(options)


def portable(options: TargetOptions) -> tuple[Pass, ...]:
    """Passes for accelerators that are not measured here."""
    return PORTABLE


def for_litert(options: TargetOptions) -> tuple[Pass, ...]:
    """The portable passes, with tensors that GPUs of phones have."""
    return (*PORTABLE, four_axes, spread_by_resize, shared_products)


def _rounded(options: TargetOptions) -> tuple[Pass, ...]:
    return (pool_conv,) if options.precision == "int8" else ()


def rewrite(
    program: ExportedProgram,
    example: tuple[torch.Tensor, ...],
    passes: tuple[Pass, ...],
    axes: Axes | None = None,
) -> tuple[ExportedProgram, dict[str, int]]:
    """Apply passes to a capture; ``axes`` are the axes that it left open.

    Returns:
        The rewritten capture, and how many places each pass changed.
    """
    module = program.module(check_guards=False)
    assert isinstance(module, GraphModule)
    changed = {}
    for apply in passes:
        changed[apply.__name__] = apply(module)
        if changed[apply.__name__]:
            module.graph.eliminate_dead_code()
            module.recompile()
            _infer_shapes(module, example)
    if not any(changed.values()):
        return program, changed
    module.delete_all_unused_submodules()
    with torch.no_grad():
        return torch.export.export(module, example, dynamic_shapes=axes), changed


def _infer_shapes(module: GraphModule, example: tuple[torch.Tensor, ...]) -> None:
    """Give every node its ``meta["val"]``, also those that a pass has just made."""
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        FakeTensorProp(module, mode).propagate(*example)
