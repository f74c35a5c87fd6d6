"""Put networks that were trained apart together: `python -m edgematte.training.join SN MRN DIR`.

`--towards FILE SHARE` draws SN back towards the weights it was tuned from: on a straight line
between the two, what was learnt anew and what was known before are both kept in part (Wortsman et
al., "Robust fine-tuning of zero-shot models", CVPR 2022).
"""

import argparse
import sys
from pathlib import Path

from torch import nn

from edgematte.checkpoint import load_model
from edgematte.errors import CheckpointError, EdgematteError, OptionError
from edgematte.registry import LIGHTWEIGHT
from edgematte.training.checkpoint import save_weights


def _like(file: Path, model: nn.Module) -> nn.Module:
    other, _ = load_model(LIGHTWEIGHT, file)
    if model.config != other.config:
        raise CheckpointError(f"{file} has other options: {other.config}, not {model.config}")
    return other


def join(sn: Path, mrn: Path, output: Path, towards: Path | None = None, share: float = 0) -> None:
    """Write the lightweight net with SN of one checkpoint and MRN of another into a folder.

    Args:
        towards: SN becomes (1 - `share`) times its own weights plus `share` times those of this.

    Raises:
        CheckpointError: a checkpoint cannot be read or is of another model or other options.
        OptionError: the share is not in [0, 1].
    """
    if not 0 <= share <= 1:
        raise OptionError(f"a share of {share}: 0 to 1")
    model, _ = load_model(LIGHTWEIGHT, sn)
    model.get_submodule("mrn").load_state_dict(_like(mrn, model).get_submodule("mrn").state_dict())
    if towards is not None:
        state = model.get_submodule("sn").state_dict()
        for name, value in _like(towards, model).get_submodule("sn").state_dict().items():
            if value.is_floating_point():  # BatchNorm counts its batches in integers
                state[name].mul_(1 - share).add_(value, alpha=share)
    output.mkdir(parents=True, exist_ok=True)
    config = {"model": LIGHTWEIGHT.name, **dict(model.config)}  # type: ignore[arg-type]
    save_weights(model, config, output)


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, join, print where the weights are."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sn", type=Path, help="a folder or file of weights: SN is taken from it")
    parser.add_argument("mrn", type=Path, help="another: MRN is taken from it")
    parser.add_argument("output", type=Path, help="a folder for model.safetensors, config.json")
    parser.add_argument("--towards", nargs=2, metavar=("FILE", "SHARE"))
    options = parser.parse_args(arguments)
    try:
        towards, share = None, 0.0
        if options.towards:
            towards, share = Path(options.towards[0]), float(options.towards[1])
        join(options.sn, options.mrn, options.output, towards, share)
    except (EdgematteError, OSError, ValueError) as error:
        print(f"join: {error}", file=sys.stderr)
        return 2
    print(options.output / "model.safetensors")
    return 0


if __name__ == "__main__":
    sys.exit(main())
