"""What a run leaves on disk: averaged weights, their config, and the state to go on from."""

import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from edgematte.errors import CheckpointError

WEIGHTS, CONFIG, STATE = "model.safetensors", "config.json", "training-state.pt"


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary sibling, then put it in place: readers never see half a file."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def save_weights(model: nn.Module, weights: Path, config: Path, values: dict[str, Any]) -> None:
    """Write fp32 weights (safetensors) and, beside them, the JSON that rebuilds the model."""
    tensors = {
        name: value.detach().to("cpu").contiguous(memory_format=torch.contiguous_format).clone()
        for name, value in model.state_dict().items()
    }
    write_whole(weights, lambda path: save_file(tensors, path))
    write_whole(config, lambda path: path.write_text(json.dumps(values, indent=2) + "\n") and None)


def load_weights(model: nn.Module, weights: Path) -> None:
    """Fill `model` from a safetensors file; every name and shape must fit."""
    try:
        model.load_state_dict(load_file(weights))
    except (OSError, RuntimeError) as error:
        raise CheckpointError(f"{weights} does not fit the model: {error}") from error


class Average:
    """Exponential moving average of weights; BatchNorm statistics are averaged alike.

    The decay grows with the number of updates, so that early averages forget the start.
    """

    def __init__(self, model: nn.Module, decay: float = 0.999) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay, self.updates = decay, 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move towards the weights of `model`."""
        self.updates += 1
        keep = min(self.decay, (1 + self.updates) / (10 + self.updates))
        averages, values = [], []
        for average, value in zip(
            self.model.state_dict().values(), model.state_dict().values(), strict=True
        ):
            if average.is_floating_point():
                averages.append(average)
                values.append(value)
            else:
                average.copy_(value)
        torch._foreach_lerp_(averages, values, 1 - keep)
