"""What a network is to the SDK: where its parts live, without importing them.

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
    """A named configuration of a net; what is left empty is the net's."""

    config: Mapping[str, int]  # constructor options of the network
    paper: str = ""
    network: str = ""  # module:class
    multiple: int = 0  # sides of the graph's picture are multiples of this
    weights: str = ""  # name under edgematte/weights, empty where none are shipped
    recipes: str = ""  # module:mapping
    name: str = ""  # filled in by `Net.variant`, as is the next
    of: "Net | None" = None

    @property
    def net(self) -> "Net":
        """The net it is a variant of."""
        assert self.of is not None, "variants are taken from a net: net.variant(name)"
        return self.of


@dataclass(frozen=True)
class Net:
    """One network and everything the SDK needs to know of it.

    Parts are written ``module:name`` and imported when they are used: `network`, `cut`, `keys`,
    `recipes` and `stage` may import torch, the others must not.
    """

    name: str
    paper: str
    network: str  # the class; it keeps its constructor's options in `config`
    cut: str  # an `edgematte.export.cut.Cut`
    hosts: Mapping[str, str]  # kind of cut -> class of its host section; the first is the default
    pipeline: str  # host section, graphs, load options -> what mattes a picture
    steps: str  # kind of cut -> its host steps
    variants: Mapping[str, Variant]
    multiple: int = 1
    options: str = ""  # a dataclass of what `load` may be told
    sizes: str = ""  # a dataclass of what `export` may be told of the graphs' sizes
    keys: str = ""  # a checkpoint in the authors' layout -> in ours
    recipes: str = ""  # part of the network ("" is all of it) -> how it is trained
    patches: str = ""  # host section, trimap -> patches that alpha is stitched from
    stage: str = ""  # band_px -> a trimap stage for bundles of other nets: host section and graph
    pads: bool = False  # whole pictures, so that graphs may come in several sizes
    needs_trimap: bool = False  # the net finds none of its own
    unpools: bool = False  # copies values back to where maxima stood: see check/tolerances.py
    package: str = OWN  # the distribution that reads this net's bundles

    def variant(self, name: str) -> Variant:
        """A variant with everything it shares with the net filled in."""
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
            PluginError: it cannot be imported.
            KeyError: no such cut.
        """
        return load_part(self.hosts[kind])


def load_part(where: str) -> Any:
    """The object that ``module:name`` names.

    Raises:
        PluginError: the module is not there, has no such name, or is somebody else's and cannot be
            imported, whatever it raises.
        ImportError: a module of edgematte's lacks a package, for whoever knows the extra to
            install.
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
