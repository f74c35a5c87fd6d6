"""Starting a wider variant of a net from the weights of a narrower one.

    python -m edgematte.training.widen NARROW FROM WIDE DIR [--seed N]

Every channel of a widened layer is repeated side by side, and what reads it shares its weight out
among the copies, so that the wide net answers what the narrow one did (Chen et al., "Net2Net",
ICLR 2016, section 2.2). The shares are random: equal copies would have equal gradients, and stay
equal however long they are trained.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor

from edgematte.checkpoint import build, config_of, load_model
from edgematte.cli.streams import as_program
from edgematte.errors import CheckpointError, OptionError
from edgematte.net import Variant
from edgematte.nets import find
from edgematte.ranges import OPTIONS, check
from edgematte.training.engine.checkpoint import save_weights
from edgematte.training.half import apart

UNEVEN = 0.5  # a copy's share of a weight is off the mean by up to this part of the mean
ALLOWED = 1e-3  # of what the net answers, of 1: sums of floats in another order, layer after layer


def shares(shape: tuple[int, ...], copies: int, draw: torch.Generator) -> Tensor:
    """Random positive shares (`copies`, *shape) that sum to 1 over the copies."""
    raw = 1 + UNEVEN * (2 * torch.rand((copies, *shape), generator=draw) - 1)
    return raw / raw.sum(dim=0)


def widened(value: Tensor, shape: tuple[int, ...], draw: torch.Generator) -> Tensor | None:
    """A tensor as the wide net has it; None if it is not a whole number of times as wide.

    Of a layer's weight (output channels, input channels, ...) rows are repeated and columns shared
    out; of vectors, and where a channel has a filter of its own, there are rows alone.
    """
    if value.ndim != len(shape) or value.shape[2:] != shape[2:]:
        return None
    sides = zip(shape[:2], value.shape[:2], strict=True)
    if any(wide % narrow for wide, narrow in sides):
        return None
    if value.ndim == 0:
        return value.clone()
    rows = value.repeat_interleave(shape[0] // len(value), dim=0)
    if value.ndim == 1 or shape[1] == value.shape[1]:
        return rows
    copies = shape[1] // value.shape[1]
    parts = rows * shares(tuple(rows.shape), copies, draw)
    return parts.movedim(0, 2).reshape(shape)


def widen(narrow: Variant, source: Path, wide: Variant, output: Path, seed: int = 0) -> float:
    """Write weights of the wide variant into a folder; gives how far its answers moved.

    Raises:
        CheckpointError: the weights do not fit the narrow variant; or the wide one has other
            layers, or answers otherwise.
        OptionError: the seed is out of range.
    """
    check("seed", seed, OPTIONS["seed"])
    small, _ = load_model(narrow, source)
    kept = {k: v for k, v in config_of(small).items() if v != narrow.config.get(k)}
    large = build(wide, kept)
    draw = torch.Generator().manual_seed(seed)
    given, wanted = small.state_dict(), large.state_dict()
    if given.keys() != wanted.keys():
        raise CheckpointError(f"{wide.name} has other layers than {narrow.name}")
    state = {}
    for name, value in given.items():
        found = widened(value, tuple(wanted[name].shape), draw)
        if found is None:
            sizes = f"{list(value.shape)} and {list(wanted[name].shape)}"
            raise CheckpointError(f"{name} is {sizes}: not a whole number of times as wide")
        state[name] = found
    large.load_state_dict(state)
    moved = apart(small, large)
    if moved > ALLOWED:
        raise CheckpointError(
            f"{wide.name} answers otherwise than {narrow.name} by up to {moved:.1e}: it is more "
            "than wider"
        )
    output.mkdir(parents=True, exist_ok=True)
    save_weights(large, {"model": wide.name, **config_of(large)}, output)
    return moved


def main(arguments: list[str] | None = None) -> None:
    """Read the command line, widen, say where the weights are."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("narrow", help="see `edgematte models`")
    parser.add_argument("source", metavar="from", type=Path, help="a folder or file of weights")
    parser.add_argument("wide", help="a wider variant of the same net")
    parser.add_argument("output", metavar="dir", type=Path)
    parser.add_argument("--seed", type=int, default=0, help="of the shares (default: %(default)s)")
    options = parser.parse_args(arguments)
    narrow, wide = find(options.narrow), find(options.wide)
    if narrow.network != wide.network:
        raise OptionError(f"{wide.name} is no variant of the net of {narrow.name}")
    moved = widen(narrow, options.source, wide, options.output, options.seed)
    print(f"{options.output / 'model.safetensors'}: answers moved by up to {moved:.1e}")


if __name__ == "__main__":
    as_program("widen", main)
