from typing import Any

import numpy as np
import pytest

pytest.importorskip("coremltools")
torch = pytest.importorskip("torch")
pytestmark = pytest.mark.export
F = torch.nn.functional


def close(got: Any, expected: Any) -> None:
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [(7,), (4, 7), (2, 4, 7)])
def test_linear(bench: Any, random: np.random.Generator, shape: tuple[int, ...]) -> None:
    from coremltools.converters.mil import Builder as mb

    x = random.normal(size=shape).astype(np.float32)
    weight = random.normal(size=(5, 7)).astype(np.float32)
    bias = random.normal(size=5).astype(np.float32)
    got = bench.run(
        lambda x: (mb.linear(x=x, weight=weight, bias=bias), mb.linear(x=x, weight=weight)), x
    )
    t, w = torch.from_numpy(x), torch.from_numpy(weight)
    close(got[0], F.linear(t, w, torch.from_numpy(bias)).numpy())
    close(got[1], F.linear(t, w).numpy())


@pytest.mark.parametrize("transpose_x", [False, True])
@pytest.mark.parametrize("transpose_y", [False, True])
@pytest.mark.parametrize("batches", [((), ()), ((2, 3), (2, 3)), ((2, 1), (3,)), ((4,), ())])
def test_matmul(
    bench: Any, random: np.random.Generator, transpose_x: bool, transpose_y: bool, batches: Any
) -> None:
    from coremltools.converters.mil import Builder as mb

    x = random.normal(size=(*batches[0], *((6, 5) if transpose_x else (5, 6)))).astype(np.float32)
    y = random.normal(size=(*batches[1], *((4, 6) if transpose_y else (6, 4)))).astype(np.float32)
    (got,) = bench.run(
        lambda x, y: mb.matmul(x=x, y=y, transpose_x=transpose_x, transpose_y=transpose_y), x, y
    )
    left, right = torch.from_numpy(x), torch.from_numpy(y)
    left = left.mT if transpose_x else left
    right = right.mT if transpose_y else right
    close(got, torch.matmul(left, right).numpy())


def test_matmul_of_views_that_no_fast_product_takes(random: np.random.Generator) -> None:
    from edgematte.export.mil.linear import matmul

    x = random.normal(size=(5, 6, 3)).astype(np.float32).transpose(2, 0, 1)
    y = random.normal(size=(6, 4, 3)).astype(np.float32).transpose(2, 0, 1)
    no = np.array(False)
    close(matmul(x, y, no, no), x.copy() @ y.copy())


def test_einsum(bench: Any, random: np.random.Generator) -> None:
    from coremltools.converters.mil import Builder as mb

    x = random.normal(size=(2, 3, 4, 5)).astype(np.float32)
    y = random.normal(size=(1, 5, 4, 6)).astype(np.float32)
    got = bench.run(
        lambda x, y: (
            mb.einsum(values=(x, y), equation="nchw,nwhu->nchu"),
            mb.einsum(
                values=(
                    mb.squeeze(
                        x=mb.slice_by_size(x=x, begin=[0] * 4, size=[1, -1, -1, -1]), axes=[0]
                    ),
                    mb.squeeze(x=y, axes=[0]),
                ),
                equation="abc,cbd->abd",
            ),
        ),
        x,
        y,
    )
    close(got[0], np.einsum("nchw,nwhu->nchu", x, np.repeat(y, 2, 0)))
    close(got[1], np.einsum("chw,whu->chu", x[0], y[0]))


@pytest.mark.parametrize("kind", ["none", "added", "boolean"])
def test_attention(bench: Any, random: np.random.Generator, kind: str) -> None:
    from coremltools.converters.mil import Builder as mb

    q = random.normal(size=(2, 3, 7, 8)).astype(np.float32)
    k = random.normal(size=(2, 3, 5, 8)).astype(np.float32)
    v = random.normal(size=(2, 3, 5, 6)).astype(np.float32)
    keep = random.random((7, 5)) < 0.7
    keep[:, 0] = True
    added = random.normal(size=(3, 7, 5)).astype(np.float32)
    mask = {"none": None, "added": added, "boolean": keep}[kind]

    def body(q: Any, k: Any, v: Any) -> Any:
        options = {} if mask is None else {"attn_mask": mask}
        return mb.scaled_dot_product_attention(query=q, key=k, value=v, **options)

    (got,) = bench.run(body, q, k, v, opset="iOS18")
    expected = F.scaled_dot_product_attention(
        torch.from_numpy(q),
        torch.from_numpy(k),
        torch.from_numpy(v),
        attn_mask=None if mask is None else torch.from_numpy(mask),
    )
    close(got, expected.numpy())
