"""Where an export's network comes from: a checkpoint, the shipped weights, chance, the caller."""

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
        random: seeded random weights, for trying the tool chain.
        seed: of the random weights.
        config: options of the model with random weights.
        module: a trained module of one of the classes that nets name.

    Raises:
        OptionError: two sources at once, or options of the random weights without them.
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
        """The network in evaluation mode; of a caller's module a copy, so that it can train on.

        Raises:
            CheckpointError: weights that do not fit.
        """
        if self.random:
            return random_model(variant, dict(self.config or {}), self.seed)
        if self.module is not None:
            return module_weights(self.module)
        return load_model(variant, None if self.file is None else Path(self.file))


def variant_of(module: nn.Module) -> Variant:
    """The variant of a module of a class that a net names.

    Raises:
        OptionError: a module of any other class.
    """
    kind = f"{type(module).__module__}:{type(module).__qualname__}"
    listed = usable_variants()
    able = [variant for variant in listed.values() if variant.network == kind]
    if able:  # of several sizes of one class the one with its options, else the first
        config = getattr(module, "config", None)
        return next((v for v in able if dict(v.config) == config), able[0])
    raise OptionError(f"{kind} is no model of edgematte; there are: {', '.join(listed)}")
