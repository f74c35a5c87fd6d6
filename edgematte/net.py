"""Descriptors of networks, which say where a net's parts are without importing them.

A package of your own describes its net in the same way; see samples/sixth_net.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from edgematte.errors import PluginError

OWN = "edgematte"
"""The distribution whose nets are built in."""


@dataclass(frozen=True)
class Variant:
    """A named configuration of a net; fields that are left empty are filled with the net's."""

    config: Mapping[str, int]  # constructor options of the network
    paper: str = ""
    network: str = ""  # module:class
    multiple: int = 0  # sides of a graph's picture must be multiples of this
    weights: str = ""  # name under edgematte/weights, empty where none are shipped
    recipes: str = ""  # module:mapping
    name: str = ""  # filled in by `Net.variant`, like the next field
    of: "Net | None" = None

    @property
    def net(self) -> "Net":
        """The net that this is a variant of."""
        assert self.of is not None, "variants are taken from a net: net.variant(name)"
        return self.of

    @property
    def estimates(self) -> bool:
        """Whether it can estimate trimaps for other nets: built-in ones need weights that ship."""
        return bool(self.net.stage and (self.weights or self.net.package != OWN))


@dataclass(frozen=True)
class Net:
    """A network and everything that the SDK needs to know about it.

    Parts are given as ``module:name`` and imported when they are used. `network`, `cut`, `keys`,
    `recipes` and `stage` may import torch; the others must not.
    """

    name: str
    paper: str
    network: str  # the class; it keeps its constructor's options in `config`
    cut: str  # an `edgematte.export.cut.Cut`
    hosts: Mapping[str, str]  # kind of cut -> class of its host section; the first is the default
    pipeline: str  # host section, graphs, load options -> the pipeline that mattes a picture
    steps: str  # kind of cut -> its host steps
    variants: Mapping[str, Variant]
    multiple: int = 1
    options: str = ""  # the dataclass of options of `load`
    sizes: str = ""  # the dataclass of options of `export`, for sizes of graphs
    keys: str = ""  # a checkpoint in the authors' layout -> in ours
    recipes: str = ""  # part of the network ("" is all of it) -> how it is trained
    patches: str = ""  # host section, trimap -> patches that alpha is stitched from
    stage: str = ""  # variant, band_px -> a trimap stage for other nets: host, graph, weights
    estimator: str = ""  # imported nets: host section, graph -> an estimator of trimaps
    pads: bool = False  # it pads whole pictures, so that graphs may have several sizes
    needs_trimap: bool = False  # it does not find a trimap itself
    imported: bool = False  # bundles come from ONNX files: it has no `network` and no `cut`
    unpools: bool = False  # it puts values back at the pixels of maxima: see tolerances.py
    package: str = OWN  # the distribution that reads this net's bundles

    @property
    def reference(self) -> str:
        """What its bundles are compared with."""
        return "the ONNX file" if self.imported else "PyTorch"

    def variant(self, name: str) -> Variant:
        """The variant of a name, with empty fields filled with the net's."""
        own = self.variants[name]
        return replace(
            own,
            paper=own.paper or self.paper,
            network=own.network or self.network,
            multiple=own.multiple or self.multiple,
            recipes=own.recipes or self.recipes,
            name=name,
            of=self,
        )

    def host_class(self, kind: str) -> Any:
        """The class of a cut's host section.

        Raises:
            PluginError: the class cannot be imported.
            KeyError: the net has no such cut.
        """
        return load_part(self.hosts[kind])


def load_part(where: str) -> Any:
    """The object that ``module:name`` names.

    Raises:
        PluginError: there is no such module, it has no such name, or it is a foreign one and
            importing it fails.
        ImportError: a module of edgematte's needs a package that is missing; callers know which
            extra has it.
    """
    module, _, name = where.partition(":")
    try:
        imported = importlib.import_module(module)
    except Exception as error:
        missing = getattr(error, "name", None) if isinstance(error, ModuleNotFoundError) else None
        if missing and (module == missing or module.startswith(f"{missing}.")):
            raise PluginError(f"{where} names a module that is not there ({error})") from None
        if module.split(".")[0] == OWN:
            raise
        raise PluginError(
            f"{module}, a part of a net, cannot be imported ({type(error).__name__}: {error}): "
            "mend it, or install what it lacks"
        ) from error
    if not name or not hasattr(imported, name):
        raise PluginError(f"{module} has no {name!r}")
    return getattr(imported, name)
