"""The manifest of a bundle: a tree of frozen dataclasses, written as ``edgematte.json``."""

import dataclasses
import json
import re
from dataclasses import dataclass, field
from typing import Any

from edgematte.builtin import IMPORTED
from edgematte.card import Card
from edgematte.codec import decode, encode, parse
from edgematte.errors import BundleError, OptionError
from edgematte.finding import Finding
from edgematte.host import Host, StageHost, host_class
from edgematte.metrics.summary import Scores

FORMAT = 2
FILE = "edgematte.json"
SIGNATURE = "signature.json"
DTYPES = ("float32", "float16", "uint8", "int32")
STAGE = "trimap_stage"
"""Name of the graph in a bundle that turns a reduced picture into class probabilities."""
VARYING = ("accuracy", "files.REPORT.md", "tools", "ladder", "lint")
"""The only parts that differ between two exports of the same weights: measured figures
(``accuracy``, ``ladder``, ``lint``, and the report with its timings) and, on another machine, the
versions of the tools."""


@dataclass(frozen=True)
class Tensor:
    """One input or output of a graph."""

    name: str
    shape: tuple[int, ...]
    dtype: str  # NumPy's name, one of DTYPES
    layout: str  # NCHW, ...
    range: tuple[float, float]
    meaning: str


@dataclass(frozen=True)
class Graph:
    """A pure function of tensors with static shapes; only the batch may be dynamic."""

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    file: str = ""
    macs: int = 0  # multiply-adds of convolutions and matrix products
    image_io: bool = False  # Core ML: takes and gives pictures
    expand_weights: bool = False  # weights are stored small; an engine should expand them at load
    precise: bool | None = None  # an engine must not compute in less than the file's precision
    dynamic_batch: bool | None = None  # the first axis of every tensor, 1 here, may be any length

    def of_batch(self, count: int) -> "Graph":
        """The declaration for a batch of ``count``; unchanged if the batch is not dynamic."""
        if not self.dynamic_batch or count == 1:
            return self
        sized = (
            tuple(dataclasses.replace(t, shape=(count, *t.shape[1:])) for t in tensors)
            for tensors in (self.inputs, self.outputs)
        )
        inputs, outputs = sized
        return dataclasses.replace(self, inputs=inputs, outputs=outputs)

    def shape_of(self, tensor: Tensor) -> str:
        """The shape in words: ``[1, 3, 512, 512]``, or ``[N, 3, 512, 512]``."""
        axes = [str(n) for n in tensor.shape]
        return f"[{', '.join(['N', *axes[1:]] if self.dynamic_batch else axes)}]"


@dataclass(frozen=True)
class Weights:
    """Where the weights come from."""

    source: str
    sha256: str  # of names, dtypes, shapes and bytes, in the order of names; of ONNX: of the file
    card: Card | None = None  # licence, authors, training data; None where nothing is known


@dataclass(frozen=True)
class Difference:
    """One comparison of the check; ``where`` names an output of a graph or host step, or alpha.

    Without tolerances it is for information only and cannot fail.
    """

    equality: str  # cut, export, host, end-to-end
    where: str
    engine: str
    max_abs: float
    mean_abs: float
    tolerance_max: float | None = None
    tolerance_mean: float | None = None

    @property
    def ok(self) -> bool:
        """Whether the difference is inside its tolerances; one that is not finite never is."""
        pairs = ((self.max_abs, self.tolerance_max), (self.mean_abs, self.tolerance_mean))
        return all(limit is None or figure <= limit for figure, limit in pairs)


@dataclass(frozen=True)
class Quality(Scores):
    """Matting metrics of the bundle's alpha against PyTorch's, over one region."""

    region: str  # unknown band, whole picture
    engine: str


@dataclass(frozen=True)
class Accuracy:
    """What the check measured when the bundle was made."""

    differences: tuple[Difference, ...] = ()
    quality: tuple[Quality, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every difference is inside its tolerance."""
        return all(d.ok for d in self.differences)


@dataclass(frozen=True)
class Rung:
    """One way of quantizing that an export tried, measured end to end on held-out pictures."""

    name: str  # w8a8; w8a8, 40 nodes in float; w8a16; ...
    mad: float  # mean absolute alpha error over the unknown band, against PyTorch
    grad: float
    conn: float
    bytes: int  # of the graphs
    ms: float  # median time of the graphs on the exporting machine; 0: not measured
    inside: bool  # whether it is inside the budget
    chosen: bool = False


@dataclass(frozen=True)
class Manifest:
    """The whole of ``edgematte.json``."""

    format: int
    model: str
    target: str
    precision: str
    config: dict[str, int]  # the model's constructor options
    host: Host
    graphs: tuple[Graph, ...]
    weights: Weights
    tools: dict[str, str]
    options: dict[str, str] = field(default_factory=dict)  # the target's: opset, min_ios, io
    accuracy: Accuracy = field(default_factory=Accuracy)
    files: dict[str, str] = field(default_factory=dict)  # path in the bundle -> sha256
    budget: float | None = None  # INT8: the largest mad that was allowed
    ladder: tuple[Rung, ...] = ()  # INT8: what was tried, in order
    trimap_stage: Host | None = None  # host section of the graph that estimates trimaps
    stage_weights: Weights | None = None  # of the net that estimates trimaps
    lint: tuple[Finding, ...] | None = None  # of other devices; None: exported before it was
    package: str = ""  # NAME, or NAME VERSION, of the plug-in whose net it is; empty if built in

    def graph(self, name: str) -> Graph:
        """The graph of that name."""
        return next(g for g in self.graphs if g.name == name)

    def host_of(self, graph: Graph) -> Host:
        """The host section of a graph: the trimap stage has its own."""
        if graph.name == STAGE and self.trimap_stage is not None:
            return self.trimap_stage
        return self.host

    def to_json(self) -> str:
        """Deterministic text: fields in their order, two spaces of indentation."""
        return json.dumps(encode(self), indent=2) + "\n"

    def embedded(self) -> str:
        """The part of the manifest that is known before the files exist; graphs embed it."""
        early = dataclasses.replace(self, accuracy=Accuracy(), files={}, lint=None)
        return json.dumps(encode(early))

    @staticmethod
    def from_json(text: str, where: str = FILE) -> "Manifest":
        """Parse and check.

        Raises:
            BundleError: the text is no JSON, has an unknown format version, or a field does not
                fit.
        """
        try:
            value = parse(text)
        except ValueError as error:
            raise BundleError(f"{where} is not JSON ({error})") from None
        version = value.get("format") if isinstance(value, dict) else None
        if version != FORMAT:
            raise BundleError(
                f"{where} has format version {version!r}; this edgematte reads version {FORMAT}: "
                "install the edgematte that wrote it, or export again"
            )
        try:
            section = value.get("host")
            plain = section if not isinstance(section, dict) else {"size": [1, 1]}
            given = {"host": plain} if "host" in value else {}
            read = decode(Manifest, value | given | {STAGE: None}, where)
            kind = _host_class(read, section, where)
            return dataclasses.replace(
                read,
                host=decode(kind, section, f"{where}.host"),
                trimap_stage=_stage(value.get(STAGE), f"{where}.{STAGE}"),
            )
        except ValueError as error:
            raise BundleError(str(error)) from None


def _host_class(manifest: Manifest, section: dict[str, Any], where: str) -> type[Host]:
    """The class of the host section, by the manifest's model and the section's kind.

    Raises:
        BundleError: a net that is not here; the message says what to install.
        ValueError: a kind that is missing, or no text.
    """
    if "kind" not in section:
        raise ValueError(f"{where}.host lacks the field 'kind'")
    kind = decode(str, section["kind"], f"{where}.host.kind")
    try:
        section_class: type[Host] = host_class(manifest.model, kind, f"{where}.host")
        return section_class
    except OptionError:
        raise BundleError(_unknown(manifest.model, manifest.package, where)) from None


def _stage(section: Any, where: str) -> Host | None:
    """The host section of the trimap stage: of a built-in net's segmentation, or an imported net.

    Raises:
        BundleError, ValueError: as :meth:`Manifest.from_json`.
    """
    if section is None:
        return None
    kind = section.get("kind") if isinstance(section, dict) else None
    able: dict[Any, str] = {kind: net.name for net in IMPORTED for kind in net.hosts}
    known = isinstance(kind, str) and kind in able
    stage: Host = decode(
        host_class(able[kind], kind, where) if known else StageHost, section, where
    )
    return stage


def _unknown(model: str, package: str, where: str) -> str:
    """The sentence for a bundle whose net is not here."""
    said = re.fullmatch(r"([A-Za-z0-9][\w.-]*)( [\w.+!-]+)?", package, re.ASCII)
    if said is None:
        return (
            f"{where} is of the model {model!r}, which this edgematte does not know: install the "
            "edgematte that wrote it"
        )
    from importlib import metadata  # only an unknown net is worth the time it takes to import

    name = said[1]
    try:
        here = metadata.version(name)
    except metadata.PackageNotFoundError:
        return (
            f"{where} is of the model {model!r} of {package}, which is not installed: "
            f"pip install {name}"
        )
    return (
        f"{where} is of the model {model!r} of {package}, which the installed {name} {here} does "
        f"not bring: pip install --upgrade {name}"
    )
