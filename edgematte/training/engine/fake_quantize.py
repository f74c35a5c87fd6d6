"""Quantization-aware training: convolutions that compute with what int8 leaves of numbers.

As the exporters quantize: weights symmetric, a scale per output channel, int8 without -128;
activations affine, one scale a tensor, uint8. Gradients pass the rounding as if it were not there,
where nothing was cut off (straight-through). BatchNorm need not be folded first: it scales whole
output channels, and each has a scale of its own.
"""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

MOMENTUM = 0.01  # of the moving averages
WEIGHT_STEPS, ACTIVATION_STEPS = 127, 255
LEAST_SCALE = 1e-12


class FakeQuantConv2d(nn.Conv2d):
    """A convolution whose weight and input are rounded to 8 bits first.

    `low` and `high` are the input's range, `seen` how many batches it was measured on. They are no
    part of the weights: a checkpoint is that of the plain convolution.
    """

    low: Tensor
    high: Tensor
    seen: Tensor

    def add_range(self) -> None:
        """Give a convolution that became one an empty range."""
        for name in RANGE:
            zero = torch.zeros((), device=self.weight.device)
            self.register_buffer(name, zero, persistent=False)

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if self.training:
            self._measure(input.detach())
        if self.seen:
            input = fake_activation(input, self.low, self.high)
        output: Tensor = super()._conv_forward(input, fake_weight(weight), bias)
        return output

    @torch.no_grad()
    def _measure(self, values: Tensor) -> None:
        low, high = torch.aminmax(values.float())
        share = (1 / (self.seen + 1)).clamp_min(MOMENTUM)  # at first the mean of what was seen
        self.low.lerp_(low, share)
        self.high.lerp_(high, share)
        self.seen.add_(1)


RANGE = ("low", "high", "seen")


def fake_weight(weight: Tensor) -> Tensor:
    """What int8 leaves of a weight (out, ...): steps of the largest value of a channel / 127."""
    largest = weight.detach().float().flatten(1).abs().amax(dim=1)
    scale = (largest / WEIGHT_STEPS).clamp_min(LEAST_SCALE)
    zero = torch.zeros_like(scale, dtype=torch.int32)
    return torch.fake_quantize_per_channel_affine(
        weight.float(), scale, zero, 0, -WEIGHT_STEPS, WEIGHT_STEPS
    )


def fake_activation(values: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """What uint8 leaves of values: 255 steps from `low` to `high`, which hold zero."""
    low, high = low.clamp_max(0), high.clamp_min(0)
    scale = ((high - low) / ACTIVATION_STEPS).clamp_min(LEAST_SCALE)
    zero = (-low / scale).round().clamp(0, ACTIVATION_STEPS).to(torch.int32)
    return torch.fake_quantize_per_tensor_affine(values.float(), scale, zero, 0, ACTIVATION_STEPS)


def quantize_aware(model: nn.Module) -> int:
    """Turn every plain convolution of a model into a fake-quantized one; gives how many.

    Parameters, their names and the state stay what they were.
    """
    convs = [module for module in model.modules() if type(module) is nn.Conv2d]
    for conv in convs:
        conv.__class__ = FakeQuantConv2d
        assert isinstance(conv, FakeQuantConv2d)
        conv.add_range()
    return len(convs)


def plain(model: nn.Module) -> None:
    """Turn them back into plain convolutions, which forget their ranges."""
    for _, conv in _quantized(model):
        for name in RANGE:
            delattr(conv, name)
        conv.__class__ = nn.Conv2d  # type: ignore[assignment]


def ranges(model: nn.Module) -> dict[str, Tensor]:
    """The ranges (3): low, high, batches of all inputs, by the name of the convolution."""
    return {
        name: torch.stack([getattr(conv, part) for part in RANGE])
        for name, conv in _quantized(model)
    }


def restore(model: nn.Module, kept: Mapping[str, Tensor]) -> None:
    """Give a model the ranges that :func:`ranges` gave; KeyError where one is missing."""
    for name, conv in _quantized(model):
        for part, value in zip(RANGE, kept[name], strict=True):
            getattr(conv, part).copy_(value)


def copy(source: nn.Module, target: nn.Module) -> None:
    """Give a model of the same kind the ranges of another."""
    for (_, one), (_, other) in zip(_quantized(source), _quantized(target), strict=True):
        for part in RANGE:
            getattr(other, part).copy_(getattr(one, part))


def _quantized(model: nn.Module) -> Iterator[tuple[str, FakeQuantConv2d]]:
    for name, module in model.named_modules():
        if isinstance(module, FakeQuantConv2d):
            yield name, module
