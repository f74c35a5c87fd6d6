from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("coremltools")
torch = pytest.importorskip("torch")
pytestmark = pytest.mark.export


@st.composite
def bounds(draw: Any, side: int) -> tuple[int, int, int, bool, bool]:
    """(begin, end, stride, begin_mask, end_mask) of a slice with at least one element."""
    first, last = sorted([draw(st.integers(0, side - 1)), draw(st.integers(0, side - 1))])
    stride = draw(st.integers(1, 3))
    begin, end = first, last + 1
    if draw(st.booleans()):
        begin, end, stride = last, first - 1, -stride
    open_end = draw(st.booleans()) or end < 0
    if not open_end and stride > 0 and end < side and draw(st.booleans()):
        end -= side
    return begin, end, stride, draw(st.booleans()), open_end


SHAPE = (4, 5, 6)


@settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    axes=st.tuples(*(bounds(side) for side in SHAPE)),
    squeezed=st.lists(st.booleans(), min_size=3, max_size=3).filter(lambda mask: not all(mask)),
)
def test_slice_by_index(bench: Any, axes: Any, squeezed: list[bool]) -> None:
    from coremltools.converters.mil import Builder as mb

    x = np.arange(np.prod(SHAPE), dtype=np.float32).reshape(SHAPE)
    begin, end, stride, open_begin, open_end = (list(part) for part in zip(*axes, strict=True))
    for axis, mask in enumerate(squeezed):
        if mask:
            open_begin[axis], stride[axis] = False, 1
    picks = [
        first if mask else slice(None if low else first, None if high else last, step)
        for first, last, step, low, high, mask in zip(
            begin, end, stride, open_begin, open_end, squeezed, strict=True
        )
    ]
    expected = x[tuple(picks)]
    if 0 in expected.shape:
        return
    (got,) = bench.run(
        lambda x: mb.slice_by_index(
            x=x,
            begin=begin,
            end=end,
            stride=stride,
            begin_mask=open_begin,
            end_mask=open_end,
            squeeze_mask=squeezed,
        ),
        x,
    )
    np.testing.assert_array_equal(got, expected, strict=True)


def test_slices_without_masks_sizes_and_crops(bench: Any, random: np.random.Generator) -> None:
    from coremltools.converters.mil import Builder as mb

    x = random.normal(size=(2, 3, 6, 7)).astype(np.float32)
    got = bench.run(
        lambda x: (
            mb.slice_by_index(x=x, begin=[0, 1, 2, -3], end=[1, 3, -1, 7]),
            mb.slice_by_size(x=x, begin=[1, 0, 2, 3], size=[1, -1, 3, -1]),
            mb.crop(x=x, crop_height=[1, 2], crop_width=[0, 3]),
        ),
        x,
    )
    expected = [x[:1, 1:, 2:-1, -3:], x[1:, :, 2:5, 3:], x[:, :, 1:4, :4]]
    for value, oracle in zip(got, expected, strict=True):
        np.testing.assert_array_equal(value, oracle, strict=True)


@pytest.mark.parametrize("opset", ["iOS15", "iOS16", "iOS17"])
def test_gather(bench: Any, random: np.random.Generator, opset: str) -> None:
    from coremltools.converters.mil import Builder as mb

    x = random.normal(size=(4, 5, 6)).astype(np.float32)
    table = random.integers(0, 4, (2, 3)).astype(np.int32)
    got = bench.run(
        lambda x, table: (
            mb.gather(x=x, indices=table, axis=0),
            mb.gather(x=x, indices=[3, 0, 0], axis=-1),
            mb.gather(x=x, indices=2, axis=1),
        ),
        x,
        table,
        opset=opset,
    )
    for value, oracle in zip(got, [x[table], x[:, :, [3, 0, 0]], x[:, 2]], strict=True):
        np.testing.assert_array_equal(value, oracle, strict=True)


def test_gather_in_batches(bench: Any, random: np.random.Generator) -> None:
    from coremltools.converters.mil import Builder as mb

    x = random.normal(size=(2, 3, 5, 4)).astype(np.float32)
    table = random.integers(0, 5, (2, 3, 7)).astype(np.int32)
    points = random.integers(0, 4, (2, 6, 2)).astype(np.int32) % 3
    gathered, picked = bench.run(
        lambda x, table, points: (
            mb.gather(x=x, indices=table, axis=2, batch_dims=2),
            mb.gather_nd(x=x, indices=points, batch_dims=1),
        ),
        x,
        table,
        points,
    )
    for n, c in np.ndindex(2, 3):
        np.testing.assert_array_equal(gathered[n, c], x[n, c][table[n, c]])
    for n, place in np.ndindex(2, 6):
        row, column = points[n, place]
        np.testing.assert_array_equal(picked[n, place], x[n, row, column])
    assert gathered.shape == (2, 3, 7, 4) and picked.shape == (2, 6, 4)


def test_gather_elements_and_points(bench: Any, random: np.random.Generator) -> None:
    from coremltools.converters.mil import Builder as mb

    x = random.normal(size=(4, 5, 6)).astype(np.float32)
    along = random.integers(0, 5, (4, 3, 6)).astype(np.int32)
    points = random.integers(0, 4, (7, 2)).astype(np.int32)
    elements, rows = bench.run(
        lambda x, along, points: (
            mb.gather_along_axis(x=x, indices=along, axis=1),
            mb.gather_nd(x=x, indices=points),
        ),
        x,
        along,
        points,
    )
    expected = torch.gather(torch.from_numpy(x), 1, torch.from_numpy(along).long())
    np.testing.assert_array_equal(elements, expected.numpy())
    np.testing.assert_array_equal(rows, x[points[:, 0], points[:, 1]])
