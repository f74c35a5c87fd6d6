"""Put networks that were trained apart together: `python -m edgematte.training.join SN MRN DIR`."""

import argparse
import sys
from pathlib import Path

from edgematte.checkpoint import load_model
from edgematte.errors import CheckpointError, EdgematteError
from edgematte.registry import LIGHTWEIGHT
from edgematte.training.checkpoint import save_weights


def join(sn: Path, mrn: Path, output: Path) -> None:
    """Write the lightweight net with SN of one checkpoint and MRN of another into a folder.

    Raises:
        CheckpointError: a checkpoint cannot be read or is of another model or other options.
    """
    (model, _), (other, _) = load_model(LIGHTWEIGHT, sn), load_model(LIGHTWEIGHT, mrn)
    if model.config != other.config:
        raise CheckpointError(f"{mrn} has other options than {sn}: {other.config}, {model.config}")
    model.get_submodule("mrn").load_state_dict(other.get_submodule("mrn").state_dict())
    output.mkdir(parents=True, exist_ok=True)
    config = {"model": LIGHTWEIGHT.name, **dict(model.config)}  # type: ignore[arg-type]
    save_weights(model, config, output)


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, join, print where the weights are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sn", type=Path, help="a folder or file of weights: SN is taken from it")
    parser.add_argument("mrn", type=Path, help="another: MRN is taken from it")
    parser.add_argument("output", type=Path, help="a folder for model.safetensors, config.json")
    options = parser.parse_args(arguments)
    try:
        join(options.sn, options.mrn, options.output)
    except (EdgematteError, OSError) as error:
        print(f"join: {error}", file=sys.stderr)
        return 2
    print(options.output / "model.safetensors")
    return 0


if __name__ == "__main__":
    sys.exit(main())
