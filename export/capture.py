"""One torch.export capture a graph; every target is written from it."""

import copy
from dataclasses import dataclass, replace

import torch
from torch import nn
from torch.export import ExportedProgram
from torch.utils.flop_counter import FlopCounterMode

from edgematte.errors import ExportError
from edgematte.export.passes import Pass, rewrite
from edgematte.manifest import Graph


@dataclass(frozen=True)
class TorchGraph:
    """A graph before its capture: the declaration and the module that computes it."""

    graph: Graph
    module: nn.Module


@dataclass(frozen=True)
class Capture:
    """A captured graph: pure, with static shapes; inputs in declared order."""

    graph: Graph
    program: ExportedProgram
    rewritten: dict[str, int]  # places changed, by pass


def capture(source: TorchGraph, passes: tuple[Pass, ...] = ()) -> Capture:
    """Run torch.export on inputs of the declared shapes, rewrite, and count multiply-adds.

    Raises:
        ExportError: the graph cannot be captured, or returns other shapes than declared.
    """
    module = source.module.eval()
    example = tuple(torch.zeros(t.shape) for t in source.graph.inputs)
    shapeless = tuple(x.to("meta") for x in example)
    with torch.no_grad():
        with FlopCounterMode(display=False) as counter:  # counts by shapes alone
            outputs = copy.deepcopy(module).to("meta")(*shapeless)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        shapes = [tuple(o.shape) for o in outputs]
        declared = [t.shape for t in source.graph.outputs]
        if shapes != declared:
            raise ExportError(f"graph {source.graph.name} returns {shapes}, declared {declared}")
        try:
            program = torch.export.export(module, example)
        except Exception as error:
            first = str(error).strip().splitlines()[0]
            raise ExportError(f"graph {source.graph.name} cannot be captured: {first}") from error
    program, rewritten = rewrite(program, example, passes)
    macs = int(counter.get_total_flops()) // 2
    return Capture(replace(source.graph, macs=macs), program, rewritten)
