"""What a run leaves on disk and the running average of the weights."""

import copy
import json
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from safetensors.torch import save_file
from torch import nn

from edgematte.atomic import atomic_file

M = TypeVar("M", bound=nn.Module)
WEIGHTS, CONFIG, STATE = "model.safetensors", "config.json", "training-state.pt"


def save_weights(model: nn.Module, config: dict[str, Any], folder: Path) -> None:
    """Write fp32 weights and the JSON that rebuilds the model; readers never see half a file."""
    tensors = {
        name: value.detach().contiguous(memory_format=torch.contiguous_format).clone()
        for name, value in model.state_dict().items()
    }
    with atomic_file(folder / CONFIG) as file:
        file.write_text(json.dumps(config, indent=2) + "\n")
    with atomic_file(folder / WEIGHTS) as file:
        save_file(tensors, file)


def save_state(state: dict[str, Any], folder: Path) -> None:
    """Write what a run needs to go on."""
    with atomic_file(folder / STATE) as file:
        torch.save(state, file)


class Average(Generic[M]):
    """Exponential moving average of the weights; BatchNorm statistics are averaged alike.

    The decay grows with the number of updates, so that early averages forget the start.
    """

    def __init__(self, model: M, decay: float = 0.999) -> None:
        self.model: M = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay, self.updates = decay, 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move towards the weights of `model`."""
        self.updates += 1
        keep = min(self.decay, (1 + self.updates) / (10 + self.updates))
        own, other = self.model.state_dict(), model.state_dict()
        for name, average in own.items():
            if average.is_floating_point():
                average.lerp_(other[name], 1 - keep)
            else:
                average.copy_(other[name])
