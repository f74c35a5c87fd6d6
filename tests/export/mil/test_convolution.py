from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from edgematte.export.mil import convolution

pytest.importorskip("coremltools")
torch = pytest.importorskip("torch")
pytestmark = pytest.mark.export
F = torch.nn.functional
CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
few = settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def padded(x: Any, pads: list[int]) -> Any:
    """Zeros before and after each spatial axis; torch counts from the last axis."""
    pairs = list(zip(pads[::2], pads[1::2], strict=True))
    return F.pad(x, [amount for pair in reversed(pairs) for amount in pair])


def same(side: int, extent: int, stride: int, lower: bool) -> list[int]:
    """Padding to ceil(side / stride) results, by definition."""
    total = max(0, (int(np.ceil(side / stride)) - 1) * stride + extent - side)
    return [total - total // 2, total // 2] if lower else [total // 2, total - total // 2]


@st.composite
def convolutions(draw: Any) -> dict[str, Any]:
    rank = draw(st.sampled_from([1, 2, 2, 2, 3]))
    per_axis = st.integers(1, 3)
    kernel = [draw(per_axis) for _ in range(rank)]
    dilations = [draw(st.integers(1, 2)) for _ in range(rank)]
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    inputs, outputs = draw(st.sampled_from([1, 2])), draw(st.sampled_from([1, 2]))
    return {
        "n": draw(st.integers(1, 3)),
        "sides": [draw(st.integers(5, 9)) for _ in range(rank)],
        "kernel": kernel,
        "strides": [draw(st.integers(1, 3)) for _ in range(rank)],
        "dilations": dilations,
        "groups": groups,
        "cin": inputs * groups,
        "cout": outputs * groups,
        "pad_type": draw(st.sampled_from(["valid", "custom", "same", "same_lower"])),
        "pad": [draw(st.integers(0, 2)) for _ in range(2 * rank)],
        "bias": draw(st.booleans()),
    }


ODD = {
    "n": 1,
    "sides": [7, 8],
    "kernel": [2, 3],
    "strides": [1, 2],
    "dilations": [1, 1],
    "groups": 1,
    "cin": 2,
    "cout": 1,
    "pad": [0, 0, 0, 0],
    "bias": True,
}


@few
@given(case=convolutions())
@example(case={**ODD, "pad_type": "same"})
@example(case={**ODD, "pad_type": "same_lower"})
def test_conv(bench: Any, case: dict[str, Any]) -> None:
    from coremltools.converters.mil import Builder as mb

    random = np.random.default_rng(0)
    x = random.normal(size=(case["n"], case["cin"], *case["sides"])).astype(np.float32)
    weight = random.normal(
        size=(case["cout"], case["cin"] // case["groups"], *case["kernel"])
    ).astype(np.float32)
    bias = random.normal(size=case["cout"]).astype(np.float32) if case["bias"] else None
    options: dict[str, Any] = {"pad": case["pad"]} if case["pad_type"] == "custom" else {}
    if bias is not None:
        options["bias"] = bias
    (got,) = bench.run(
        lambda x: mb.conv(
            x=x,
            weight=weight,
            strides=case["strides"],
            dilations=case["dilations"],
            groups=case["groups"],
            pad_type=case["pad_type"],
            **options,
        ),
        x,
    )
    pads = case["pad"] if case["pad_type"] == "custom" else [0] * len(case["pad"])
    if case["pad_type"].startswith("same"):
        pads = []
        for axis, side in enumerate(case["sides"]):
            extent = (case["kernel"][axis] - 1) * case["dilations"][axis] + 1
            pads += same(
                side, extent, case["strides"][axis], lower=case["pad_type"] == "same_lower"
            )
    expected = CONV[len(case["sides"])](
        padded(torch.from_numpy(x), pads),
        torch.from_numpy(weight),
        None if bias is None else torch.from_numpy(bias),
        stride=case["strides"],
        dilation=case["dilations"],
        groups=case["groups"],
    )
    np.testing.assert_allclose(got, expected.numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "weight", "groups", "stride"),
    [
        ((2, 5, 33, 17), (4, 5, 3, 3), 1, 1),
        ((9, 4, 6, 6), (8, 4, 3, 3), 1, 1),
        ((2, 6, 12, 11), (6, 1, 3, 3), 6, 2),
        ((2, 3, 12, 11), (9, 1, 5, 5), 3, 1),
        ((1, 4, 16, 16), (8, 4, 1, 1), 1, 2),
        ((1, 4, 16, 16), (8, 2, 1, 1), 2, 1),
    ],
)
@pytest.mark.parametrize("budget", [1, 600, 1 << 20])
def test_every_path_in_blocks_of_any_size(
    monkeypatch: pytest.MonkeyPatch,
    random: np.random.Generator,
    shape: tuple[int, ...],
    weight: tuple[int, ...],
    groups: int,
    stride: int,
    budget: int,
) -> None:
    monkeypatch.setattr(convolution, "COLUMN_ELEMENTS", budget)
    monkeypatch.setattr(convolution, "PLANE_ELEMENTS", budget)
    x = random.normal(size=shape).astype(np.float32)
    w = random.normal(size=weight).astype(np.float32)
    got = convolution.conv(
        x, w, np.array([stride] * 2), "valid", np.zeros(4), np.ones(2), np.array(groups)
    )
    expected = F.conv2d(torch.from_numpy(x), torch.from_numpy(w), stride=stride, groups=groups)
    np.testing.assert_allclose(got, expected.numpy(), rtol=1e-5, atol=1e-5)


def test_an_input_that_is_a_view(random: np.random.Generator) -> None:
    x = random.normal(size=(7, 9, 2, 4)).astype(np.float32).transpose(2, 3, 0, 1)
    for shape, groups in (((3, 4, 1, 1), 1), ((4, 1, 3, 3), 4), ((6, 2, 3, 3), 2)):
        w = random.normal(size=shape).astype(np.float32)
        got = convolution.conv(
            x, w, np.ones(2), "custom", np.array([1, 0, 2, 1]), np.ones(2), np.array(groups)
        )
        expected = F.conv2d(
            padded(torch.from_numpy(x.copy()), [1, 0, 2, 1]), torch.from_numpy(w), groups=groups
        )
        np.testing.assert_allclose(got, expected.numpy(), rtol=1e-5, atol=1e-5)


@few
@given(case=convolutions())
def test_conv_transpose(bench: Any, case: dict[str, Any]) -> None:
    from coremltools.converters.mil import Builder as mb

    rank = len(case["sides"])
    kernel = [side + 1 for side in case["kernel"]]
    pads = [min(amount, 1) for amount in case["pad"]]
    if case["pad_type"] != "custom":
        pads = [0] * len(pads)
    random = np.random.default_rng(0)
    x = random.normal(size=(case["n"], case["cin"], *case["sides"])).astype(np.float32)
    weight = random.normal(size=(case["cin"], case["cout"] // case["groups"], *kernel)).astype(
        np.float32
    )
    bias = random.normal(size=case["cout"]).astype(np.float32) if case["bias"] else None
    options: dict[str, Any] = {"pad": pads, "pad_type": "custom"} if any(pads) else {}
    if bias is not None:
        options["bias"] = bias
    (got,) = bench.run(
        lambda x: mb.conv_transpose(
            x=x,
            weight=weight,
            strides=case["strides"],
            dilations=case["dilations"],
            groups=case["groups"],
            **options,
        ),
        x,
    )
    full = TRANSPOSED[rank](
        torch.from_numpy(x),
        torch.from_numpy(weight),
        None if bias is None else torch.from_numpy(bias),
        stride=case["strides"],
        dilation=case["dilations"],
        groups=case["groups"],
    ).numpy()
    keep = tuple(
        slice(pads[2 * axis], side - pads[2 * axis + 1]) for axis, side in enumerate(full.shape[2:])
    )
    np.testing.assert_allclose(got, full[(..., *keep)], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kernel", [1, 2, 3, 4])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_conv_transpose_same_is_the_gradient_of_conv_same(
    bench: Any, random: np.random.Generator, kernel: int, stride: int
) -> None:
    from coremltools.converters.mil import Builder as mb

    x = random.normal(size=(1, 2, 5, 4)).astype(np.float32)
    weight = random.normal(size=(2, 3, kernel, kernel)).astype(np.float32)
    sides = [5 * stride, 4 * stride]
    got = bench.run(
        lambda x: (
            mb.conv_transpose(x=x, weight=weight, strides=[stride] * 2, pad_type="same"),
            mb.conv_transpose(
                x=x,
                weight=weight,
                strides=[stride] * 2,
                pad_type="same",
                output_shape=[1, 3, *sides],
            ),
        ),
        x,
    )
    source = torch.zeros(1, 3, *sides, requires_grad=True)
    pads = [amount for side in sides for amount in same(side, kernel, stride, lower=False)]
    result = F.conv2d(padded(source, pads), torch.from_numpy(weight), stride=stride)
    result.backward(torch.from_numpy(x))
    for value in got:
        np.testing.assert_allclose(value, source.grad.numpy(), rtol=1e-5, atol=1e-5)


def test_conv_transpose_to_a_given_shape(bench: Any, random: np.random.Generator) -> None:
    from coremltools.converters.mil import Builder as mb

    x = random.normal(size=(1, 2, 5, 4)).astype(np.float32)
    weight = random.normal(size=(2, 3, 3, 3)).astype(np.float32)
    bias = random.normal(size=3).astype(np.float32)
    (got,) = bench.run(
        lambda x: mb.conv_transpose(
            x=x,
            weight=weight,
            bias=bias,
            strides=[2, 2],
            pad_type="custom",
            pad=[1, 1, 1, 1],
            output_shape=[1, 3, 10, 8],
        ),
        x,
    )
    expected = F.conv_transpose2d(
        torch.from_numpy(x),
        torch.from_numpy(weight),
        torch.from_numpy(bias),
        stride=2,
        padding=1,
        output_padding=1,
    )
    np.testing.assert_allclose(got, expected.numpy(), rtol=1e-5, atol=1e-5)
