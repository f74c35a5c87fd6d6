"""Writing weights to ship at half their size.

    python -m edgematte.training.half MODEL FROM FILE.safetensors

Large tensors are stored in half precision, and read as float32 again. Small ones, which are few
bytes and count for more, stay as they are, and so do those few that move the answers most, where
that is needed. FILE's config is written beside it.
"""

import argparse
from collections.abc import Collection
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

LARGE = 256  # numbers in a tensor from which on it is stored in half precision
SIDE_PX = 256  # of the picture that both are compared on
ALLOWED = 1e-3  # a quarter of a level of 8 bits
WHOLE = 0.25  # the largest share of the large tensors that may stay whole


def is_large(value: Tensor) -> bool:
    """Whether a tensor is stored in half precision."""
    return value.is_floating_point() and value.numel() >= LARGE


def halved(state: dict[str, Tensor], whole: Collection[str] = ()) -> dict[str, Tensor]:
    """Weights by name, the large ones in half precision but for those named ``whole``.

    Raises:
        CheckpointError: a weight is too large for half precision.
    """
    kept = {k: v.half() if is_large(v) and k not in whole else v for k, v in state.items()}
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
    values = whole.state_dict()
    large = [name for name, value in values.items() if is_large(value)]

    def moved(kept: Collection[str]) -> float:
        """How far the answers move if all large tensors but these are halved."""
        read = build(model, config)
        state = halved(values, kept)
        load_into(read, {k: v.float() if is_large(v) else v for k, v in state.items()}, source)
        return apart(whole, read)

    kept: list[str] = []
    away = moved(kept)
    if away > ALLOWED:
        alone = {name: moved([other for other in large if other != name]) for name in large}
        ranked = sorted(large, key=lambda name: alone[name], reverse=True)
        while away > ALLOWED and len(kept) < WHOLE * len(large):
            kept.append(ranked[len(kept)])
            away = moved(kept)
    if away > ALLOWED:
        raise CheckpointError(
            f"{source} in half precision answers otherwise by up to {away:.1e}, more than "
            f"{ALLOWED:.0e}: ship it as it is"
        )
    save_model(whole, {"model": model.name, **config}, output, halved(values, kept))
    return away


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
