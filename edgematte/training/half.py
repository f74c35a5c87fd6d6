"""Writing weights to ship at half their size.

    python -m edgematte.training.half MODEL FROM FILE.safetensors

Large tensors are stored in half precision, and read as float32 again. Small ones, which are few
bytes and count for more, stay as they are. FILE's config is written beside it.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor, nn

from edgematte.checkpoint import build, config_of, load_model, save_model
from edgematte.cli.streams import as_program
from edgematte.errors import CheckpointError, OptionError
from edgematte.net import Variant
from edgematte.nets import find
from edgematte.state_dict import load_into
from edgematte.testcard import testcard

LARGE = 20_000  # numbers in a tensor from which on it is stored in half precision
SIDE_PX = 256  # of the picture that both are compared on
ALLOWED = 1e-3  # a quarter of a level of 8 bits


def halved(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights by name, the large ones in half precision.

    Raises:
        CheckpointError: a weight is too large for half precision.
    """
    kept = {
        k: v.half() if v.is_floating_point() and v.numel() >= LARGE else v for k, v in state.items()
    }
    for name, value in kept.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise CheckpointError(f"{name} has values that half precision cannot hold")
    return kept


def apart(one: nn.Module, other: nn.Module) -> float:
    """The largest difference of what two models say of a picture."""
    card = torch.from_numpy(testcard(SIDE_PX, SIDE_PX)).permute(2, 0, 1)[None].float() / 255
    examples = one.examples(card) if hasattr(one, "examples") else (card,)  # type: ignore[operator]
    with torch.inference_mode():
        answers = [model(*examples) for model in (one, other)]
    first, second = (a[0] if isinstance(a, tuple) else a for a in answers)
    return float((first - second).abs().max())


def half(model: Variant, source: Path, output: Path) -> float:
    """Write the weights of a checkpoint in half precision; gives how far its answers moved.

    Raises:
        CheckpointError: the checkpoint does not fit, or half precision changes what it answers.
        OptionError: the output is no safetensors file.
    """
    if output.suffix != ".safetensors":
        raise OptionError(f"{output}: give a name that ends in .safetensors")
    whole, _ = load_model(model, source)
    config = config_of(whole)
    state = halved(whole.state_dict())
    read = build(model, config)
    load_into(
        read, {k: v.float() if v.dtype == torch.half else v for k, v in state.items()}, source
    )
    moved = apart(whole, read)
    if moved > ALLOWED:
        raise CheckpointError(
            f"{source} in half precision answers otherwise by up to {moved:.1e}, more than "
            f"{ALLOWED:.0e}: ship it as it is"
        )
    save_model(whole, {"model": model.name, **config}, output, state)
    return moved


def main(arguments: list[str] | None = None) -> None:
    """Read the command line, write, say how large the file is."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="see `edgematte models`")
    parser.add_argument("source", metavar="from", type=Path, help="a folder or file of weights")
    parser.add_argument("output", metavar="file", type=Path, help="a .safetensors file")
    options = parser.parse_args(arguments)
    moved = half(find(options.model), options.source, options.output)
    size = options.output.stat().st_size
    print(f"{options.output}: {size:,} bytes, answers moved by up to {moved:.1e}")


if __name__ == "__main__":
    as_program("half", main)
