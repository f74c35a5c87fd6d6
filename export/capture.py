"""Capturing a graph with torch.export; all targets are written from the same capture."""

import copy
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.utils.flop_counter import FlopCounterMode

from edgematte.errors import ExportError, line_of
from edgematte.export.passes import Axes, Pass, rewrite
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
    rewritten: dict[str, int]  # pass -> how many places it changed


def capture(source: TorchGraph, passes: tuple[Pass, ...] = ()) -> Capture:
    """Run torch.export on inputs of the declared shapes, rewrite, and count multiply-adds.

    A graph with a dynamic batch is captured with its first axis open; multiply-adds are counted for
    a batch of one.

    Raises:
        ExportError: the graph cannot be captured, or returns other shapes than declared.
    """
    module = source.module.eval()
    shapeless = tuple(torch.zeros(t.shape, device="meta") for t in source.graph.inputs)
    example, axes = _example(source.graph)
    with torch.no_grad():
        with FlopCounterMode(display=False) as counter:  # it counts from shapes alone
            outputs = copy.deepcopy(module).to("meta")(*shapeless)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        shapes = [tuple(o.shape) for o in outputs]
        declared = [t.shape for t in source.graph.outputs]
        if shapes != declared:
            raise ExportError(f"graph {source.graph.name} returns {shapes}, declared {declared}")
        try:
            program = torch.export.export(module, example, dynamic_shapes=axes)
        except Exception as error:
            first = line_of(error)
            raise ExportError(f"graph {source.graph.name} cannot be captured: {first}") from error
    program, rewritten = rewrite(program, example, passes, axes)
    macs = int(counter.get_total_flops()) // 2
    return Capture(replace(source.graph, macs=macs), program, rewritten)


def _example(graph: Graph) -> tuple[tuple[Tensor, ...], Axes | None]:
    """Example inputs for the capture, and which of their axes stay open."""
    if not graph.dynamic_batch:
        return tuple(torch.zeros(t.shape) for t in graph.inputs), None
    batch = torch.export.Dim("batch")  # an example of 1 would make torch.export fix the axis at 1
    return tuple(torch.zeros(2, *t.shape[1:]) for t in graph.inputs), tuple(
        {0: batch} for _ in graph.inputs
    )
