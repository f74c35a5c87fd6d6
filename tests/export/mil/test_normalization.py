from typing import Any

import numpy as np
import pytest

pytest.importorskip("coremltools")
torch = pytest.importorskip("torch")
pytestmark = pytest.mark.export
F = torch.nn.functional


def close(got: Any, expected: Any) -> None:
    np.testing.assert_allclose(got, expected.numpy(), rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("sides", [(9,), (5, 6), (2, 3, 4)])
def test_batch_norm(bench: Any, random: np.random.Generator, sides: tuple[int, ...]) -> None:
    from coremltools.converters.mil import Builder as mb

    x = random.normal(2, 3, size=(2, 4, *sides)).astype(np.float32)
    mean, gamma, beta = random.normal(size=(3, 4)).astype(np.float32)
    variance = random.uniform(0.1, 2, 4).astype(np.float32)
    got = bench.run(
        lambda x: (
            mb.batch_norm(x=x, mean=mean, variance=variance, gamma=gamma, beta=beta, epsilon=1e-3),
            mb.batch_norm(x=x, mean=mean, variance=variance),
            mb.batch_norm(x=x, mean=mean, variance=variance, beta=beta),
        ),
        x,
    )
    t, m, v, g, b = map(torch.from_numpy, (x, mean, variance, gamma, beta))
    close(got[0], F.batch_norm(t, m, v, g, b, eps=1e-3))
    close(got[1], F.batch_norm(t, m, v))
    close(got[2], F.batch_norm(t, m, v, None, b))


@pytest.mark.parametrize("axes", [[-1], [2, 3], [3, 1], [0, 1, 2, 3]])
def test_layer_norm(bench: Any, random: np.random.Generator, axes: list[int]) -> None:
    from coremltools.converters.mil import Builder as mb

    x = random.normal(1, 2, size=(2, 3, 4, 5)).astype(np.float32)
    along = sorted(axis % 4 for axis in axes)
    shape = [x.shape[axis] for axis in along]
    gamma, beta = random.normal(size=(2, *shape)).astype(np.float32)
    got = bench.run(
        lambda x: (
            mb.layer_norm(x=x, axes=axes, gamma=gamma, beta=beta, epsilon=1e-6),
            mb.layer_norm(x=x, axes=axes),
        ),
        x,
    )
    others = [axis for axis in range(4) if axis not in along]
    back = np.argsort(others + along).tolist()
    t = torch.from_numpy(x).permute(others + along)
    scaled = F.layer_norm(t, shape, torch.from_numpy(gamma), torch.from_numpy(beta), 1e-6)
    close(got[0], scaled.permute(back))
    close(got[1], F.layer_norm(t, shape).permute(back))


@pytest.mark.parametrize("sides", [(9,), (5, 6)])
def test_instance_norm(bench: Any, random: np.random.Generator, sides: tuple[int, ...]) -> None:
    from coremltools.converters.mil import Builder as mb

    x = random.normal(2, 3, size=(2, 4, *sides)).astype(np.float32)
    gamma, beta = random.normal(size=(2, 4)).astype(np.float32)
    got = bench.run(
        lambda x: (
            mb.instance_norm(x=x, gamma=gamma, beta=beta, epsilon=1e-3),
            mb.instance_norm(x=x),
        ),
        x,
    )
    t = torch.from_numpy(x)
    weights = {"weight": torch.from_numpy(gamma), "bias": torch.from_numpy(beta)}
    close(got[0], F.instance_norm(t, eps=1e-3, **weights))
    close(got[1], F.instance_norm(t))


@pytest.mark.parametrize("shape", [(3, 4, 5), (2, 3, 4, 5)])
def test_l2_norm(bench: Any, random: np.random.Generator, shape: tuple[int, ...]) -> None:
    from coremltools.converters.mil import Builder as mb

    x = random.normal(size=shape).astype(np.float32)
    (got,) = bench.run(lambda x: mb.l2_norm(x=x, epsilon=0.5), x)
    t = torch.from_numpy(x)
    close(got, t / torch.sqrt(t.square().sum((-3, -2, -1), keepdim=True) + 0.5))
