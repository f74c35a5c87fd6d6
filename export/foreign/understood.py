"""An ONNX file understood: how a picture goes in, what comes out, and its graph made static."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from edgematte.arrays import Floats
from edgematte.export.foreign.beside import Beside, check_held, held_of, states_of
from edgematte.export.foreign.file import check_valid, read_onnx
from edgematte.export.foreign.graph import (
    PIXELS,
    declared,
    entrance_of,
    host_of,
    output_of,
    states_at,
)
from edgematte.export.foreign.options import Given
from edgematte.export.foreign.original import Original, in_planes, state_shapes
from edgematte.export.foreign.static import multiply_adds, static_graph
from edgematte.host import Size
from edgematte.manifest import Graph
from edgematte.progress import Progress
from edgematte.runtime.engines.graph import to_file
from edgematte.runtime.nets.foreign.host import ForeignHost
from edgematte.runtime.nets.foreign.pipeline import first_states, laid_out, normalised
from edgematte.testcard import testcard


@dataclass(frozen=True)
class Understood:
    """What an import goes on with.

    Args:
        host: the host section.
        graph: the declaration of the bundle's graph.
        model: the graph, static, float32, under the bundle's names.
        original: the file itself.
        shown: the test card as inputs of the graph.
        answer: what the file gives for it, as pipelines take it.
    """

    host: ForeignHost
    graph: Graph
    model: onnx.ModelProto
    original: Original
    shown: Mapping[str, NDArray[np.float32]]
    answer: Floats


def understood(
    path: Path, kind: str, given: Given, usual: Size | None, progress: Progress
) -> Understood:
    """Read a file and run it on a test card.

    Args:
        path: the ONNX file.
        kind: matte or mask.
        given: the options, as they were given or as a preset fills them.
        usual: the size of the preset's nets, for a file with open sides.
        progress: called at each stage.

    Raises:
        OnnxFileError: a file that cannot be imported; the message says why.
        OptionError: an option that is needed or that has no meaning for this file.
    """
    progress(f"reading {path.name}")
    file = read_onnx(path)
    states, numbers = states_of(path, file, given.states or {}), given.held or {}
    check_held(path, file, numbers)
    entrance = entrance_of(path, file, given.size, usual, {*(given.states or {}), *numbers})
    beside = Beside(states, held_of(file, numbers, entrance.size))
    output = output_of(path, file, given)
    check_valid(path, file)
    scaled = given.normalisation[0]  # asked for before the file is run
    progress("running the file on a test card")
    original = Original(path, entrance.name, output, beside)
    middle = np.full(entrance.shape, 127 * scaled, np.float32)
    shape = original.run(middle).shape
    host = host_of(path, kind, entrance, shape, given)
    host = replace(host, states=states_at(state_shapes(original, middle)))
    graph = declared(host, entrance, shape, states)
    model = static_graph(file, entrance, output, graph, beside)
    graph = replace(graph, macs=multiply_adds(model))
    pixels = to_file(laid_out(host, normalised(host, testcard(*host.size))), graph.inputs[0])
    shown = {PIXELS: pixels, **first_states(host)}
    answer = in_planes(original.run(pixels), host.answer_layout)
    return Understood(host, graph, model, original, shown, answer)
