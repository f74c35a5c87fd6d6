"""Sources of an export's network: a checkpoint, shipped or random weights, the caller's module."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from edgematte.checkpoint import load_model, module_weights, random_model
from edgematte.errors import OptionError
from edgematte.manifest import Weights
from edgematte.net import Variant
from edgematte.nets import usable_variants
from edgematte.ranges import check_options


@dataclass(frozen=True)
class WeightsFrom:
    """The source of a network; by default the weights that ship with edgematte.

    Args:
        file: a checkpoint, or ``hf:OWNER/NAME``.
        random: use seeded random weights, for trying the tool chain.
        seed: seed of the random weights.
        config: constructor options of the model with random weights.
        module: a trained module of a net's class.

    Raises:
        OptionError: two sources are given, or options of random weights without random weights.
    """

    file: Path | str | None = None
    random: bool = False
    seed: int = 0
    config: Mapping[str, int] | None = None
    module: nn.Module | None = None

    def __post_init__(self) -> None:
        """Check that there is one source."""
        given = [
            name
            for name, there in (
                ("weights", self.file is not None),
                ("random_weights", self.random),
                ("a module", self.module is not None),
            )
            if there
        ]
        if len(given) > 1:
            raise OptionError(f"{' and '.join(given)} exclude each other: give one")
        if self.config is not None and not self.random:
            raise OptionError(
                "config is of random weights; a checkpoint has its own beside it, a module in "
                "itself"
            )
        check_options(seed=self.seed)

    def network(self, variant: Variant) -> tuple[nn.Module, Weights]:
        """The network in evaluation mode; a caller's module is copied, so that it stays as it was.

        Raises:
            CheckpointError: the weights do not fit the network.
        """
        if self.random:
            return random_model(variant, dict(self.config or {}), self.seed)
        if self.module is not None:
            return module_weights(self.module)
        return load_model(variant, None if self.file is None else Path(self.file))


def variant_of(module: nn.Module) -> Variant:
    """The variant that a module's class and options belong to.

    Raises:
        OptionError: the module is of no class that a net names.
    """
    kind = f"{type(module).__module__}:{type(module).__qualname__}"
    listed = usable_variants()
    able = [variant for variant in listed.values() if variant.network == kind]
    if able:  # prefer the variant of this class with the same options
        config = getattr(module, "config", None)
        return next((v for v in able if dict(v.config) == config), able[0])
    raise OptionError(f"{kind} is no model of edgematte; there are: {', '.join(listed)}")
