"""Muon for linear layers and convolutions, AdamW for the rest of a net.

A convolution is a matrix with a row for each output channel; nearly all weights of the nets are in
such matrices. Muon (Jordan et al. 2024) takes steps of the same size in all directions of a matrix.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

# Adam's learning rate over that of the matrices. *Chosen*: Muon's steps are scaled to the size of
# Adam's, and allow a higher rate than the few weights of a norm or of a depthwise convolution.
ADAM_SCALE = 0.25


def is_matrix(parameter: Tensor) -> bool:
    """Whether it is of a linear layer or a convolution, with several channels in and out.

    Depthwise convolutions, which have a filter for each channel, are none.
    """
    shape = parameter.shape
    return len(shape) in (2, 4) and min(shape[:2]) > 1


def as_matrix(values: Tensor, weight: Tensor) -> Tensor:
    """A weight, or its gradient, with a row for each output channel.

    Columns are in the order of the weight's memory, so that its own matrix shares that memory.
    """
    if weight.ndim == 4 and weight.is_contiguous(memory_format=torch.channels_last):
        values = values.permute(0, 2, 3, 1)
    return values.reshape(len(values), -1)


class Muon(Optimizer):
    """`torch.optim.Muon` for matrices, `torch.optim.AdamW` for all else, as one optimizer.

    Weight decay is that of the groups, 0 where they have none.

    Args:
        params: groups as for Adam, each with a `lr` before the first step.
        betas: of Adam.
    """

    def __init__(
        self, params: list[dict[str, Any]], betas: tuple[float, float], *, fused: bool = True
    ) -> None:
        super().__init__(params, {"lr": 1e-3, "weight_decay": 0.0})
        self._views: list[tuple[nn.Parameter, nn.Parameter]] = []
        matrices, others = [], []
        for group in self.param_groups:
            of_group = {key: value for key, value in group.items() if key != "params"}
            views = []
            for weight in filter(is_matrix, group["params"]):
                view = nn.Parameter(as_matrix(weight.detach(), weight))  # shares its memory
                self._views.append((weight, view))
                views.append(view)
            matrices.append({**of_group, "params": views})
            rest = [weight for weight in group["params"] if not is_matrix(weight)]
            others.append({**of_group, "params": rest})
        self._muon = torch.optim.Muon(matrices, weight_decay=0.0, adjust_lr_fn="match_rms_adamw")
        self._adam = torch.optim.AdamW(others, betas=betas, fused=fused)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step at each group's `lr` for matrices, and at `ADAM_SCALE` times it for the rest."""
        for weight, view in self._views:
            view.grad = None if weight.grad is None else as_matrix(weight.grad, weight)
        inner = zip(self._muon.param_groups, self._adam.param_groups, strict=True)
        for group, (matrices, others) in zip(self.param_groups, inner, strict=True):
            matrices["lr"], others["lr"] = group["lr"], group["lr"] * ADAM_SCALE
        self._muon.step()  # type: ignore[no-untyped-call]
        self._adam.step()

    def state_dict(self) -> dict[str, Any]:
        """The states of both optimizers."""
        return {"muon": self._muon.state_dict(), "adam": self._adam.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        self._muon.load_state_dict(state_dict["muon"])
        self._adam.load_state_dict(state_dict["adam"])
