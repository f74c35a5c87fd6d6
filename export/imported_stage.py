"""The graph of an imported bundle as the trimap stage of another: copied as it is, in fp32."""

import shutil
from dataclasses import replace
from pathlib import Path

from edgematte.arrays import Floats
from edgematte.errors import OptionError
from edgematte.host import Host
from edgematte.manifest import STAGE, Graph, Weights
from edgematte.nets import find
from edgematte.ranges import check_options
from edgematte.runtime.bundle import Bundle, open_bundle
from edgematte.runtime.engines import open_engine
from edgematte.runtime.engines.graph import RunnableGraph
from edgematte.targets import FLOATS, Target, TargetOptions

ENGINE = "onnxruntime"
TARGETS = ("onnx", "openvino")  # whose engines read ONNX files


class ImportedStage:
    """An imported bundle, and how far its band reaches in the new one."""

    def __init__(self, bundle: Bundle, band_px: int | None) -> None:
        """``bundle`` is opened and verified; without ``band_px`` the mask's own band is taken.

        Raises:
            OptionError: the bundle was not imported, or is not in fp32.
        """
        check_options(band_px=band_px)
        manifest = bundle.manifest
        if not find(manifest.model).net.imported:
            raise OptionError(
                f"cascade {bundle.path}: a bundle of {manifest.model}, which was not imported; "
                "give the name of a net whose segmentation can go first, or an imported bundle"
            )
        if manifest.target not in TARGETS[:1] or manifest.precision != "fp32":
            raise OptionError(
                f"cascade {bundle.path}: it is {manifest.target} {manifest.precision}; give one "
                "imported to onnx in fp32"
            )
        self.bundle = bundle
        self.host: Host = replace(manifest.host, band_px=band_px)  # type: ignore[call-arg]
        self.graph: Graph = replace(manifest.graphs[0], name=STAGE, file=f"{STAGE}.onnx")

    @staticmethod
    def of(path: str, band_px: int | None) -> "ImportedStage":
        """The stage of a path.

        Raises:
            BundleError: there is no bundle.
        """
        return ImportedStage(open_bundle(path), band_px)

    def refuse(self, target: Target, options: TargetOptions) -> None:
        """Refuse a target or precision whose files cannot stand beside an ONNX file in fp32.

        Raises:
            OptionError: naming what the target should be.
        """
        if target.name not in TARGETS or options.precision not in FLOATS:
            raise OptionError(
                f"cascade: an imported net goes into bundles of {' and '.join(TARGETS)} in "
                f"{' or '.join(FLOATS)}, not of {target.name} {options.precision}"
            )
        if getattr(options, "ort", False):
            raise OptionError("ort has no meaning with an imported net as cascade: leave it out")

    @property
    def weights(self) -> Weights:
        """The name and the sha256 of the file that was imported."""
        return self.bundle.manifest.weights

    def call(self) -> "RecordedCall":
        """The graph on ONNX Runtime, which is its reference."""
        return RecordedCall(self.graph, self.bundle, self.host)

    def write(self, folder: Path) -> Graph:
        """Copy the file; returns the declaration."""
        shutil.copyfile(self.bundle.file(self.bundle.manifest.graphs[0]), folder / self.graph.file)
        return self.graph


class RecordedCall:
    """A bundle's graph on ONNX Runtime; can remember the inputs of each call."""

    def __init__(self, graph: Graph, bundle: Bundle, host: Host) -> None:
        """``graph`` is its declaration, under the name it is called by."""
        own = next((g for g in bundle.manifest.graphs if g.name == graph.name), None)
        file = bundle.file(own or bundle.manifest.graphs[0])
        self.graph = graph
        self.calls: list[dict[str, Floats]] = []
        self.remember = False
        self._run = RunnableGraph(graph, open_engine(ENGINE, file, graph), host)

    def __call__(self, **inputs: Floats) -> dict[str, Floats]:
        """Float32 arrays by name -> float32 arrays by name."""
        if self.remember:
            self.calls.append(inputs)
        return self._run(**inputs)


def is_path(cascade: str) -> bool:
    """Whether a cascade is given as a folder, and not as the name of a net."""
    return "/" in cascade or "\\" in cascade or "." in cascade or Path(cascade).is_dir()
