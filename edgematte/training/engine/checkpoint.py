"""The files that a run writes, and the running average of the weights."""

import copy
import io
import json
import os
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from safetensors.torch import save
from torch import nn

from edgematte.atomic import atomic_file
from edgematte.errors import CheckpointError, line_of
from edgematte.scratch import sweep as sweep_scratch

M = TypeVar("M", bound=nn.Module)
WEIGHTS, CONFIG, STATE = "model.safetensors", "config.json", "training-state.pt"
TABLE = "training.csv"


def _write(file: Path, data: bytes) -> None:
    """Replace a file whole; if the disk is full, raises OSError and leaves the old file."""
    with atomic_file(file) as scratch, scratch.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())  # else a machine that crashes may keep the name without the bytes


def save_weights(model: nn.Module, config: dict[str, Any], folder: Path) -> None:
    """Write fp32 weights and the JSON that rebuilds the model, each file whole."""
    tensors = {
        name: value.detach().cpu().contiguous(memory_format=torch.contiguous_format).clone()
        for name, value in model.state_dict().items()
    }
    _write(folder / CONFIG, (json.dumps(config, indent=2) + "\n").encode())
    _write(folder / WEIGHTS, save(tensors))


def save_state(state: dict[str, Any], folder: Path) -> None:
    """Write the state from which a run goes on."""
    # First into memory: torch would raise another kind of error for a full disk.
    stream = io.BytesIO()
    torch.save(state, stream)
    _write(folder / STATE, stream.getvalue())


def read_run(folder: Path, device: torch.device) -> dict[str, Any]:
    """The state that `save_state` wrote.

    Raises:
        CheckpointError: the file is damaged.
    """
    try:
        state: dict[str, Any] = torch.load(folder / STATE, map_location=device, weights_only=True)
    except Exception as error:
        first = line_of(error, 120)
        raise CheckpointError(
            f"{folder / STATE} cannot be read ({first}); give another output, and this folder's "
            f"{WEIGHTS} as weights"
        ) from None
    return state


def sweep(folder: Path) -> None:
    """Remove files that a killed run was writing."""
    for name in (WEIGHTS, CONFIG, STATE, TABLE):
        sweep_scratch(folder / name)
        stem, suffix = os.path.splitext(name)
        for former in folder.glob(f".{stem}.*{suffix}"):  # of versions before 0.2
            former.unlink(missing_ok=True)


class Average(Generic[M]):
    """Exponential moving average of the weights and of BatchNorm statistics.

    The decay grows with the number of updates, so that early averages forget the initial weights.
    """

    def __init__(self, model: M, decay: float = 0.999) -> None:
        self.model: M = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay, self.updates = decay, 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move the average towards the weights of `model`."""
        self.updates += 1
        keep = min(self.decay, (1 + self.updates) / (10 + self.updates))
        own, other = self.model.state_dict(), model.state_dict()
        for name, average in own.items():
            if average.is_floating_point():
                average.lerp_(other[name], 1 - keep)
            else:
                average.copy_(other[name])
