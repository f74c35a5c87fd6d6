"""Muon for 1x1 convolutions beside PyTorch's own optimizers of the same numbers."""

import copy

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


def test_matrices_are_linear_layers_and_pointwise_convolutions_alone() -> None:
    assert is_matrix(torch.zeros(3, 2)) and is_matrix(torch.zeros(3, 2, 1, 1))
    others = [(3,), (), (3, 2, 3, 3), (3, 1, 3, 3), (1, 2, 1, 1), (3, 1)]
    assert not any(is_matrix(torch.zeros(shape)) for shape in others)


def test_each_weight_steps_as_pytorchs_own_optimizer_would_take_it() -> None:
    """The same gradients, step by step: those of the whole net, which both nets share."""
    net = _net()
    twin = copy.deepcopy(net)
    muon = Muon([{"params": list(net.parameters()), "lr": 0.01}], BETAS)
    matrix = twin.get_parameter("1.weight")
    flat = nn.Parameter(matrix.detach().flatten(1).clone())
    rest = [p for p in twin.parameters() if p is not matrix]
    theirs = torch.optim.Muon([flat], 0.01, weight_decay=0.0, adjust_lr_fn="match_rms_adamw")
    adam = torch.optim.Adam(rest, 0.01 * ADAM_SCALE, betas=BETAS, fused=True)
    for seed in range(3):
        _steps(net, muon, range(seed, seed + 1))
        own = dict(net.named_parameters())
        for name, parameter in twin.named_parameters():
            gradient = own[name].grad
            assert gradient is not None
            parameter.grad = gradient.clone()
            if name == "1.weight":
                flat.grad = gradient.flatten(1).clone()
        theirs.step()  # type: ignore[no-untyped-call]
        adam.step()
        torch.testing.assert_close(own["1.weight"].flatten(1), flat, rtol=0, atol=0)
        for name, parameter in twin.named_parameters():
            if name != "1.weight":
                torch.testing.assert_close(own[name], parameter, rtol=0, atol=0)


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
