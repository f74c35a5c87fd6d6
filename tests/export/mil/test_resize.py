from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgematte.errors import UnsupportedOpError
from edgematte.export.mil.resize import grid

pytest.importorskip("coremltools")
torch = pytest.importorskip("torch")
pytestmark = pytest.mark.export
F = torch.nn.functional
sides = st.tuples(st.integers(1, 9), st.integers(1, 9))
few = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def close(got: Any, expected: Any) -> None:
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


def reference(x: Any, mode: str, want: tuple[int, int]) -> Any:
    """Interpolates element by element at the points that coremltools' documentation gives."""
    result = np.empty((*x.shape[:-2], *want), np.float64)
    for row, column in np.ndindex(*want):
        y, z = (
            documented(mode, have, count, i)
            for have, count, i in zip(x.shape[-2:], want, (row, column), strict=True)
        )
        top, left = int(y), int(z)
        bottom, right = min(top + 1, x.shape[-2] - 1), min(left + 1, x.shape[-1] - 1)
        upper = x[..., top, left] * (1 - (z - left)) + x[..., top, right] * (z - left)
        lower = x[..., bottom, left] * (1 - (z - left)) + x[..., bottom, right] * (z - left)
        result[..., row, column] = upper * (1 - (y - top)) + lower * (y - top)
    return result


def documented(mode: str, have: int, want: int, i: int) -> float:
    if mode == "ALIGN_CORNERS" and want == 1:
        return (have - 1) / 2
    if mode in ("ALIGN_CORNERS", "STRICT_ALIGN_CORNERS"):
        point = i * (have - 1) / max(1, want - 1)
    elif mode == "DEFAULT":
        point = i * (have - have / want) / max(1, want - 1)
    elif mode == "OFFSET_CORNERS":
        delta = max(1, have - 1) / want
        point = 0.5 * delta + i * delta
    else:
        point = i * have / want + 0.5 * have / want - 0.5
    return min(have - 1, max(0.0, point))


MODES = ("DEFAULT", "STRICT_ALIGN_CORNERS", "ALIGN_CORNERS", "OFFSET_CORNERS", "UNALIGN_CORNERS")


@few
@given(have=sides, want=sides)
def test_resize_bilinear(bench: Any, have: tuple[int, int], want: tuple[int, int]) -> None:
    from coremltools.converters.mil import Builder as mb

    x = np.random.default_rng(0).normal(size=(1, 2, *have)).astype(np.float32)
    resized = bench.run(
        lambda x: tuple(
            mb.resize_bilinear(
                x=x, target_size_height=want[0], target_size_width=want[1], sampling_mode=mode
            )
            for mode in MODES
        ),
        x,
    )
    for mode, got in zip(MODES, resized, strict=True):
        close(got, reference(x, mode, want))
    close(resized[4], F.interpolate(torch.from_numpy(x), want, mode="bilinear").numpy())
    aligned = F.interpolate(torch.from_numpy(x), want, mode="bilinear", align_corners=True)
    close(resized[1], aligned.numpy())


@few
@given(have=sides, want=sides)
def test_nearest(bench: Any, have: tuple[int, int], want: tuple[int, int]) -> None:
    from coremltools.converters.mil import Builder as mb

    x = np.random.default_rng(0).normal(size=(1, 2, *have)).astype(np.float32)
    got = bench.run(
        lambda x: (
            mb.resize_nearest_neighbor(x=x, target_size_height=want[0], target_size_width=want[1]),
            mb.resize(
                x=x,
                shape=[2, *want],
                resized_dims=np.uint32(2),
                interpolation_mode="NEAREST_NEIGHBOR",
            ),
        ),
        x,
    )
    expected = F.interpolate(torch.from_numpy(x), want, mode="nearest").numpy()
    for value in got:
        np.testing.assert_array_equal(value, expected)


def test_resize_of_one_axis_and_of_three(bench: Any, random: np.random.Generator) -> None:
    from coremltools.converters.mil import Builder as mb

    x = random.normal(size=(2, 3, 4, 5)).astype(np.float32)
    one, three, kept = bench.run(
        lambda x: (
            mb.resize(x=x, shape=[9], resized_dims=np.uint32(1), sampling_mode="UNALIGN_CORNERS"),
            mb.resize(
                x=x, shape=[6, 7, 8], resized_dims=np.uint32(3), sampling_mode="UNALIGN_CORNERS"
            ),
            mb.resize(x=x, shape=[1, 0, 10], resized_dims=np.uint32(2), sampling_mode="DEFAULT"),
        ),
        x,
    )
    t = torch.from_numpy(x)
    close(one, F.interpolate(t.reshape(6, 4, 5), 9, mode="linear").reshape(2, 3, 4, 9).numpy())
    close(three, F.interpolate(t[:, None], (6, 7, 8), mode="trilinear")[:, 0].numpy())
    close(kept, reference(x, "DEFAULT", (4, 10)))


@pytest.mark.parametrize("scale", [(2, 3), (8, 8), (1.6, 2.2), (1, 2)])
def test_upsample(bench: Any, random: np.random.Generator, scale: Any) -> None:
    from coremltools.converters.mil import Builder as mb

    x = random.normal(size=(2, 3, 5, 10)).astype(np.float32)
    factors = {"scale_factor_height": scale[0], "scale_factor_width": scale[1]}
    if any(isinstance(factor, float) for factor in scale):
        factors = {name: float(factor) for name, factor in factors.items()}
    nearest, centred, aligned, plain = bench.run(
        lambda x: (
            mb.upsample_nearest_neighbor(x=x, **factors),
            mb.upsample_bilinear(x=x, align_corners=False, **factors),
            mb.upsample_bilinear(x=x, align_corners=True, **factors),
            mb.upsample_bilinear(x=x, align_corners=False, half_pixel_centers=False, **factors),
        ),
        x,
    )
    want = (int(5 * scale[0] + 1e-6), int(10 * scale[1] + 1e-6))
    t = torch.from_numpy(x)
    np.testing.assert_array_equal(nearest, F.interpolate(t, want, mode="nearest").numpy())
    close(centred, F.interpolate(t, want, mode="bilinear").numpy())
    close(aligned, F.interpolate(t, want, mode="bilinear", align_corners=True).numpy())
    close(plain, reference(x, "DEFAULT", want))


def test_fp16_arithmetic_does_not_round_scale_factors(
    bench: Any, random: np.random.Generator
) -> None:
    from coremltools.converters.mil import Builder as mb

    x = random.normal(size=(1, 1, 5, 5)).astype(np.float16).astype(np.float32)
    (got,) = bench.run(
        lambda x: mb.upsample_nearest_neighbor(
            x=x, scale_factor_height=1.6, scale_factor_width=1.6
        ),
        x,
        arithmetic="fp16",
    )
    expected = F.interpolate(torch.from_numpy(x), (8, 8), mode="nearest")
    np.testing.assert_array_equal(got, expected.numpy())


def test_unsupported_attributes_are_named(bench: Any) -> None:
    from coremltools.converters.mil import Builder as mb

    x = np.zeros((1, 1, 4, 4), np.float32)
    with pytest.raises(UnsupportedOpError, match="resize .*sampling_mode = 'UNALIGN_CORNERS'"):
        bench.run(
            lambda x: mb.resize(
                x=x,
                shape=[8, 8],
                resized_dims=np.uint32(2),
                interpolation_mode="NEAREST_NEIGHBOR",
                sampling_mode="UNALIGN_CORNERS",
            ),
            x,
        )
    with pytest.raises(UnsupportedOpError, match="upsample_bilinear .*half_pixel_centers"):
        bench.run(
            lambda x: mb.upsample_bilinear(x=x, align_corners=True, half_pixel_centers=True), x
        )
    with pytest.raises(UnsupportedOpError, match="resize .*sampling_mode = 'CUBIC'"):
        grid("CUBIC", 4, 8)
