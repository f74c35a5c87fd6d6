from typing import Any

import numpy as np
import pytest

pytest.importorskip("coremltools")
torch = pytest.importorskip("torch")
pytestmark = pytest.mark.export
F = torch.nn.functional

PLAIN = {
    "relu": F.relu,
    "relu6": F.relu6,
    "sigmoid": torch.sigmoid,
    "silu": F.silu,
    "softplus": F.softplus,
    "softsign": F.softsign,
}


def close(got: Any, expected: Any) -> None:
    np.testing.assert_allclose(got, expected.numpy(), rtol=2e-6, atol=1e-6)


def test_without_parameters(bench: Any, random: np.random.Generator) -> None:
    from coremltools.converters.mil import Builder as mb

    x = (8 * random.normal(size=(2, 3, 4, 5))).astype(np.float32)
    x[0, 0, 0] = -100, 100, 0, -60, 60
    got = bench.run(lambda x: tuple(getattr(mb, op)(x=x) for op in PLAIN), x)
    for value, oracle in zip(got, PLAIN.values(), strict=True):
        close(value, oracle(torch.from_numpy(x)))


def test_with_parameters(bench: Any, random: np.random.Generator) -> None:
    from coremltools.converters.mil import Builder as mb

    x = (3 * random.normal(size=(2, 3, 4, 5))).astype(np.float32)
    slopes = np.array([0.1, 0.3, -0.2], np.float32)
    sharp = np.array([0.5, 1.5, 2.0], np.float32)
    got = bench.run(
        lambda x: (
            mb.leaky_relu(x=x, alpha=0.1),
            mb.elu(x=x, alpha=0.7),
            mb.prelu(x=x, alpha=slopes),
            mb.sigmoid_hard(x=x, alpha=1 / 6, beta=0.5),
            mb.clamped_relu(x=x, alpha=0.25, beta=1.5),
            mb.thresholded_relu(x=x, alpha=0.5),
            mb.linear_activation(x=x, alpha=2.0, beta=-1.0),
            mb.scaled_tanh(x=x, alpha=1.7, beta=0.6),
            mb.softplus_parametric(x=x, alpha=slopes, beta=sharp),
        ),
        x,
    )
    t = torch.from_numpy(x)
    a, b = torch.from_numpy(slopes).view(3, 1, 1), torch.from_numpy(sharp).view(3, 1, 1)
    expected = [
        F.leaky_relu(t, 0.1),
        F.elu(t, 0.7),
        F.prelu(t, torch.from_numpy(slopes)),
        F.hardsigmoid(t),
        F.leaky_relu(t, 0.25).clamp(max=1.5),
        torch.where(t >= 0.5, t, 0.0),
        2 * t - 1,
        1.7 * torch.tanh(0.6 * t),
        a * torch.log1p(torch.exp(b * t)),
    ]
    for value, oracle in zip(got, expected, strict=True):
        close(value, oracle)


@pytest.mark.parametrize(
    ("mode", "oracle"),
    [
        ("EXACT", F.gelu),
        ("TANH_APPROXIMATION", lambda x: F.gelu(x, approximate="tanh")),
        ("SIGMOID_APPROXIMATION", lambda x: x * torch.sigmoid(1.702 * x)),
    ],
)
def test_gelu(bench: Any, random: np.random.Generator, mode: str, oracle: Any) -> None:
    from coremltools.converters.mil import Builder as mb

    x = (3 * random.normal(size=(200,))).astype(np.float32)
    (got,) = bench.run(lambda x: mb.gelu(x=x, mode=mode), x)
    close(got, oracle(torch.from_numpy(x)))


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_softmax(bench: Any, random: np.random.Generator, axis: int) -> None:
    from coremltools.converters.mil import Builder as mb

    x = (40 * random.normal(size=(3, 4, 5))).astype(np.float32)
    (got,) = bench.run(lambda x: mb.softmax(x=x, axis=axis), x)
    close(got, torch.softmax(torch.from_numpy(x), axis))
