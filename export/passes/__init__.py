"""Rewrites of captured graphs: the model reads like its paper, the exported graph runs fast.

One pass a file, applied wherever its pattern matches, in any model. A pass changes an FX graph of
ATen operators in place, keeps what it computes (up to float rounding), and returns how many places
it changed.
"""

from collections.abc import Callable

import torch
from torch.export import ExportedProgram
from torch.fx import GraphModule

from edgematte.export.passes.fold_batch_norm import fold_batch_norm
from edgematte.export.passes.phase_upsample import phase_upsample
from edgematte.export.passes.slice_softmax import slice_softmax

Pass = Callable[[GraphModule], int]

PASSES: tuple[Pass, ...] = (fold_batch_norm, slice_softmax, phase_upsample)


def rewrite(
    program: ExportedProgram, example: tuple[torch.Tensor, ...], passes: tuple[Pass, ...] = PASSES
) -> tuple[ExportedProgram, dict[str, int]]:
    """Apply passes to a capture.

    Returns:
        The rewritten capture, and how many places each pass changed.
    """
    module = program.module(check_guards=False)
    assert isinstance(module, GraphModule)
    changed = {apply.__name__: apply(module) for apply in passes}
    if not any(changed.values()):
        return program, changed
    module.graph.eliminate_dead_code()
    module.delete_all_unused_submodules()
    module.recompile()
    with torch.no_grad():
        return torch.export.export(module, example), changed
