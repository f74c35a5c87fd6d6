"""What learns: a model, its optimizer and the running average of its weights."""

import math
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from edgematte.errors import TrainingError
from edgematte.training.engine import fake_quantize, norms, processes
from edgematte.training.engine.checkpoint import Average
from edgematte.training.engine.optimizer import make_optimizer
from edgematte.training.recipe.schedule import Recipe

M = TypeVar("M", bound=nn.Module)


class Learner(Generic[M]):
    """Takes steps on a recipe's loss; `average` holds the weights to use."""

    def __init__(
        self,
        recipe: Recipe[M],
        model: M,
        device: torch.device,
        precision: torch.dtype,
        *,
        pretrained: bool = False,
        teacher: M | None = None,
    ) -> None:
        """`precision` is what autocast computes in; float32 turns it off.

        `pretrained`: the model's backbone is, and parts of it learn as slowly as the recipe says.
        `teacher`: imitate this one, by the recipe's `imitation` in place of its losses.
        """
        self.recipe, self.model, self.device, self.precision = recipe, model, device, precision
        model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        model.requires_grad_(False)
        recipe.learning(model).requires_grad_(True)
        self.teacher = teacher and teacher.to(device).eval().requires_grad_(False)
        self.average = Average(model, recipe.decay)
        self.optimizer = make_optimizer(recipe, model, pretrained=pretrained)
        self.scaler = torch.amp.GradScaler(device.type, enabled=precision == torch.float16)

    def losses(self, batch: Any, radius_px: int) -> dict[str, Tensor]:
        """The recipe's losses of a batch, `radius_px` as it takes it."""
        enabled = self.precision != torch.float32
        with torch.autocast(self.device.type, self.precision, enabled=enabled):
            if self.teacher is not None and self.recipe.imitation is not None:
                return self.recipe.imitation(self.model, self.teacher, batch)
            return self.recipe.losses(self.model, batch, radius_px)

    def ready(self, *, keep_norms: bool) -> None:
        """Turn to training what learns; BatchNorm may keep its running statistics."""
        self.model.eval()
        learning = self.recipe.learning(self.model).train()
        if keep_norms:
            norms.freeze(learning)

    def step(
        self, batch: Any, rate: float, radius_px: int, *, keep_norms: bool
    ) -> dict[str, float]:
        """One step at this learning rate, its gradients averaged over the processes.

        Args:
            keep_norms: use BatchNorm's running statistics and leave them as they are.

        Raises:
            TrainingError: loss or gradient is not finite; the weights are those before the step.
        """
        self.ready(keep_norms=keep_norms)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("scale", 1.0)
        parts = self.losses(batch, radius_px)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(parts["total"]).backward()  # type: ignore[no-untyped-call]
        # Averaged first: a gradient that overflows in one process makes all of them skip the step.
        processes.average(p.grad for p in self.model.parameters() if p.grad is not None)
        self.scaler.unscale_(self.optimizer)
        size = nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip_norm)
        numbers = torch.stack([*(part.detach().float() for part in parts.values()), size]).tolist()
        losses = dict(zip(parts, numbers, strict=False))
        # With a scaler an infinite gradient only means that its factor was too large.
        if not math.isfinite(losses["total"] if self.scaler.is_enabled() else sum(numbers)):
            raise TrainingError(
                f"the loss ({losses['total']}) or its gradient ({numbers[-1]}) is not finite"
            )
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.average.update(self.model)
        fake_quantize.copy(self.model, self.average.model)
        return losses

    def state(self) -> dict[str, Any]:
        """All of it, for `restore`."""
        return {
            "model": self.model.state_dict(),
            "average": self.average.model.state_dict(),
            "updates": self.average.updates,
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "ranges": fake_quantize.ranges(self.model),
            "teacher": self.teacher.state_dict() if self.teacher is not None else {},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` gave."""
        self.model.load_state_dict(state["model"])
        self.average.model.load_state_dict(state["average"])
        self.average.updates = state["updates"]
        self.optimizer.load_state_dict(state["optimizer"])
        if state.get("scaler"):
            self.scaler.load_state_dict(state["scaler"])
        for model in (self.model, self.average.model):
            fake_quantize.restore(model, state.get("ranges", {}))
        if self.teacher is not None:
            self.teacher.load_state_dict(state["teacher"])
