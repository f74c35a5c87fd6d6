"""Joining networks of a model that were trained separately.

    python -m edgematte.training.join MODEL PART FROM REST DIR [--towards FILE SHARE]

writes the model with network PART of one checkpoint and everything else of another. `--towards`
moves that network back towards the weights it was tuned from. Weights on the straight line between
the two keep part of both, of what was learnt before and of what was learnt in tuning (Wortsman et
al., "Robust fine-tuning of zero-shot models", CVPR 2022).
"""

import argparse
import sys
from pathlib import Path

from torch import Tensor

from edgematte.checkpoint import load_model
from edgematte.cli.streams import say, settle
from edgematte.errors import CheckpointError, EdgematteError
from edgematte.net import Variant
from edgematte.nets import find
from edgematte.ranges import OPTIONS, check
from edgematte.training.engine.checkpoint import save_weights
from edgematte.training.recipes import recipe


def join(
    model: Variant,
    part: str,
    source: Path,
    rest: Path,
    output: Path,
    towards: Path | None = None,
    share: float = 0,
) -> None:
    """Write a model with network `part` of `source` and everything else of `rest` into a folder.

    Args:
        towards: a checkpoint; the network becomes (1 - `share`) times itself plus `share` times the
            network of this checkpoint.

    Raises:
        CheckpointError: a checkpoint cannot be read or is of another model or other options.
        OptionError: the model has no such network, or the share is not in [0, 1].
    """
    check("share", share, OPTIONS["share"])
    whole, _ = load_model(model, rest)
    chosen = recipe(model.name, part)

    def network(file: Path) -> dict[str, Tensor]:
        other, _ = load_model(model, file)
        if other.config != whole.config:
            raise CheckpointError(f"{file} has other options than {rest}: {other.config}")
        return chosen.learning(other).state_dict()

    state = network(source)
    if towards is not None:
        for name, value in network(towards).items():
            if value.is_floating_point():  # BatchNorm counts its batches in integers
                state[name].mul_(1 - share).add_(value, alpha=share)
    chosen.learning(whole).load_state_dict(state)
    output.mkdir(parents=True, exist_ok=True)
    save_weights(whole, {"model": model.name, **dict(whole.config)}, output)  # type: ignore[arg-type]


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, join, print where the weights are."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="see `edgematte models`")
    parser.add_argument("part", help="as `edgematte train --part` takes it")
    parser.add_argument("source", metavar="from", type=Path, help="a folder or file of weights")
    parser.add_argument("rest", type=Path, help="another")
    parser.add_argument("output", metavar="dir", type=Path)
    parser.add_argument("--towards", nargs=2, metavar=("FILE", "SHARE"))
    settle()
    options = parser.parse_args(arguments)
    try:
        towards, share = None, 0.0
        if options.towards:
            towards, share = Path(options.towards[0]), float(options.towards[1])
        model = find(options.model)
        join(model, options.part, options.source, options.rest, options.output, towards, share)
    except (EdgematteError, OSError, ValueError) as error:
        say(f"join: {error}")
        return 2
    print(options.output / "model.safetensors")
    return 0


if __name__ == "__main__":
    sys.exit(main())
