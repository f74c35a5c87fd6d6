"""Making a recipe's optimizer, with a learning rate for each kind of parameter."""

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import nn
from torch.optim import Optimizer

from edgematte.training.engine.muon import Muon
from edgematte.training.recipe.schedule import Recipe

M = TypeVar("M", bound=nn.Module)
OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "muon": Muon,
}


def make_optimizer(recipe: Recipe[M], model: M, *, pretrained: bool) -> Optimizer:
    """The recipe's optimizer, with a group of parameters for each pair of rate and weight decay.

    A group's `scale` is the factor of its learning rate. If the model is `pretrained` it is the
    recipe's, else 1, because what starts from nothing must learn at full speed. The groups are the
    same in both cases, so that the state of either run fits.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        scale = recipe.rate_scale(model, name) if recipe.rate_scale else 1.0
        decays = parameter.ndim > 1 and not name.endswith("position")
        decay = recipe.weight_decay if decays else 0.0
        groups.setdefault((scale, decay), []).append(parameter)
    parts: list[dict[str, Any]] = [
        {"params": parameters, "weight_decay": decay, "scale": scale if pretrained else 1.0}
        for (scale, decay), parameters in groups.items()
    ]
    return OPTIMIZERS[recipe.optimizer](parts, betas=recipe.betas, fused=True)


def layer_decay(name: str, prefix: str, depth: int, decay: float) -> float:
    """The factor of a plain transformer's parameter: decay ^ (1 + number of later blocks).

    Block i of `depth` has decay ^ (depth - i), the patch embedding and the positions before it
    decay ^ (depth + 1); necks and all that is not under `prefix` have 1.
    """
    if not name.startswith(prefix) or ".neck." in name:
        return 1.0
    part, _, rest = name.removeprefix(prefix).partition(".")
    done = int(rest.split(".")[0]) + 1 if part == "blocks" else 0
    return decay ** (depth + 1 - done)
