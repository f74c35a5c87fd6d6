"""Muon for convolutions beside PyTorch's own optimizers of the same numbers."""

import copy

import pytest
import torch
from torch import nn

from edgematte.training.engine.muon import ADAM_SCALE, Muon, is_matrix

BETAS = (0.9, 0.99)


def _net() -> nn.Sequential:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.Conv2d(6, 4, 1),
        nn.BatchNorm2d(4),
        nn.Conv2d(4, 4, 3, groups=4, bias=False),
        nn.Conv2d(4, 1, 1),
    )
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return net


def _steps(net: nn.Sequential, optimizer: torch.optim.Optimizer, seeds: range) -> None:
    for seed in seeds:
        x = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
        optimizer.zero_grad()
        net(x).square().mean().backward()
        optimizer.step()


def test_matrices_are_linear_layers_and_convolutions_over_several_channels() -> None:
    shapes = [(3, 2), (3, 2, 1, 1), (3, 2, 3, 3)]
    assert all(is_matrix(torch.zeros(shape)) for shape in shapes)
    others = [(3,), (), (3, 1, 3, 3), (1, 2, 1, 1), (3, 1), (1, 50, 96)]
    assert not any(is_matrix(torch.zeros(shape)) for shape in others)


@pytest.mark.parametrize(
    ("layout", "decay"), [(torch.channels_last, 0.0), (torch.contiguous_format, 0.1)]
)
def test_each_weight_steps_as_pytorchs_own_optimizer_would_take_it(
    layout: torch.memory_format, decay: float
) -> None:
    """The same gradients, step by step: those of the whole net, which both nets share."""

    def columns(weight: torch.Tensor) -> torch.Tensor:
        """A row for each output channel, in the order of memory: rounding depends on it."""
        last = layout == torch.channels_last
        return (weight.permute(0, 2, 3, 1) if last else weight).flatten(1)

    net = _net()
    net.to(memory_format=layout)  # type: ignore[call-overload]
    twin = copy.deepcopy(net)
    muon = Muon([{"params": list(net.parameters()), "lr": 0.01, "weight_decay": decay}], BETAS)
    matrices = ("0.weight", "1.weight")
    flat = {n: nn.Parameter(columns(twin.get_parameter(n).detach()).clone()) for n in matrices}
    rest = [p for name, p in twin.named_parameters() if name not in flat]
    theirs = torch.optim.Muon(
        flat.values(), 0.01, weight_decay=decay, adjust_lr_fn="match_rms_adamw"
    )
    adam = torch.optim.AdamW(rest, 0.01 * ADAM_SCALE, betas=BETAS, weight_decay=decay, fused=True)
    for seed in range(3):
        _steps(net, muon, range(seed, seed + 1))
        own = dict(net.named_parameters())
        for name, parameter in twin.named_parameters():
            gradient = own[name].grad
            assert gradient is not None
            parameter.grad = gradient.clone()
            if name in flat:
                flat[name].grad = columns(gradient).clone()
        theirs.step()  # type: ignore[no-untyped-call]
        adam.step()
        for name, parameter in twin.named_parameters():
            same = (columns(own[name]), flat[name]) if name in flat else (own[name], parameter)
            torch.testing.assert_close(*same, rtol=0, atol=0)


def test_a_run_gone_on_with_is_the_run_in_one_go() -> None:
    whole, first = _net(), _net()
    _steps(whole, Muon([{"params": list(whole.parameters()), "lr": 0.01}], BETAS), range(6))
    optimizer = Muon([{"params": list(first.parameters()), "lr": 0.01}], BETAS)
    _steps(first, optimizer, range(3))
    second = copy.deepcopy(first)
    fresh = Muon([{"params": list(second.parameters()), "lr": 0.01}], BETAS)
    fresh.load_state_dict(optimizer.state_dict())
    _steps(second, fresh, range(3, 6))
    for a, b in zip(whole.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)
