"""Writing a model repository: a model for each graph of a bundle, and one for its host steps."""

import re
import shutil
from pathlib import Path
from string import Template

from edgematte.atomic import atomic_folder
from edgematte.errors import OptionError
from edgematte.export.triton.config import BACKENDS, graph_config, host_config
from edgematte.manifest import FILE, Graph, Manifest
from edgematte.nets import find
from edgematte.ranges import check_options
from edgematte.runtime.bundle import Bundle

MODEL, README = (Path(__file__).with_name(name) for name in ("model.py", "README.md"))
SHARED = "weights.bin"
"""Weights that several ONNX graphs hold: each refers to the file beside it."""
BATCH = 8
"""*Chosen*: the largest batch, unless another is asked for."""


def lay_out(
    bundle: Bundle,
    output: Path | str,
    *,
    name: str | None = None,
    batch: int | None = None,
) -> Path:
    """Write a bundle as a model repository of Triton; the bundle stays as it is.

    Args:
        bundle: an opened bundle for onnx or openvino.
        output: a folder that is not there yet, or empty.
        name: of the model of the host steps; those of graphs are NAME-GRAPH. By default the net's.
        batch: the largest batch of graphs whose batch is dynamic; 8 by default.

    Returns:
        The folder.

    Raises:
        OptionError: a target that Triton cannot run, a name that is none of a model, a batch for a
            bundle without a dynamic one, or an output that exists.
    """
    check_options(batch=batch)
    manifest = bundle.manifest
    place = Path(output)
    refuse(manifest.target, place)
    name = manifest.model if name is None else name
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name, re.ASCII):
        raise OptionError(f"name {name!r}: should be letters and digits, such as portrait")
    dynamic = any(graph.dynamic_batch for graph in manifest.graphs)
    if batch is not None and not dynamic:
        raise OptionError(
            "batch has no meaning for graphs of one tile a call: export with a dynamic batch, or "
            "leave it out"
        )
    most = (BATCH if batch is None else batch) if dynamic else 1
    with atomic_folder(place) as repository:
        for graph in manifest.graphs:
            _graph(bundle, graph, repository / f"{name}-{graph.name}", most)
        version = repository / name / "1"
        version.mkdir(parents=True)
        shutil.copyfile(MODEL, version / MODEL.name)
        (version / FILE).write_text(manifest.to_json(), encoding="utf-8")
        needs = find(manifest.model).net.needs_trimap and manifest.trimap_stage is None
        _write(repository / name / "config.pbtxt", host_config(name, needs, most))
        _write(repository / "README.md", _readme(manifest, name))
    return place


def refuse(target: str, output: Path) -> None:
    """Refuse what cannot be laid out, or there; an export asks before it begins.

    Raises:
        OptionError: a target that Triton cannot run, or an output that exists.
    """
    if target not in BACKENDS:
        raise OptionError(
            f"Triton runs graphs for {' and '.join(BACKENDS)}, not those for {target}: export for "
            "one of them, or leave the repository out"
        )
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise OptionError(f"{output} exists: give a new folder for the repository")


def _graph(bundle: Bundle, graph: Graph, folder: Path, batch: int) -> None:
    """The folder of one graph's model."""
    version = folder / "1"
    version.mkdir(parents=True)
    file = bundle.file(graph)
    shutil.copyfile(file, version / f"model{file.suffix}")
    if bundle.manifest.target == "openvino":
        shutil.copyfile(file.with_suffix(".bin"), version / "model.bin")
    elif (bundle.path / SHARED).is_file():
        shutil.copyfile(bundle.path / SHARED, version / SHARED)
    config = graph_config(folder.name, graph, bundle.manifest.target, batch)
    _write(folder / "config.pbtxt", config)


def _write(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8", newline="\n")


def _readme(manifest: Manifest, name: str) -> str:
    graphs = "\n".join(
        f"| `{name}-{g.name}` | {_shapes(g, 'inputs')} | {_shapes(g, 'outputs')} |"
        for g in manifest.graphs
    )
    notes = []
    if any(graph.expand_weights for graph in manifest.graphs):
        notes.append(
            "Weights are int8 here, and Triton's ONNX Runtime backend has no setting that expands "
            "them once: they are expanded in every run. An fp32 or fp16 bundle is faster on it."
        )
    if manifest.target == "openvino" and any(graph.precise for graph in manifest.graphs):
        notes.append(
            "A graph here must not be computed in bf16: see that Triton's OpenVINO backend does "
            "not, on processors that have it."
        )
    values = {"name": name, "graphs": graphs, "notes": "\n\n".join(notes)}
    text = Template(README.read_text(encoding="utf-8")).substitute(values)
    return text.rstrip() + "\n"


def _shapes(graph: Graph, which: str) -> str:
    return ", ".join(f"{t.name} {graph.shape_of(t)}" for t in getattr(graph, which))
