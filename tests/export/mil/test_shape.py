from typing import Any

import numpy as np
import pytest

pytest.importorskip("coremltools")
torch = pytest.importorskip("torch")
pytestmark = pytest.mark.export


@pytest.fixture
def x(random: np.random.Generator) -> Any:
    return random.normal(size=(2, 3, 4, 6)).astype(np.float32)


def same(got: list[Any], expected: list[Any]) -> None:
    assert len(got) == len(expected)
    for value, oracle in zip(got, expected, strict=True):
        np.testing.assert_array_equal(value, np.asarray(oracle), strict=True)


@pytest.mark.parametrize("opset", ["iOS15", "iOS17"])
def test_reshape(bench: Any, x: Any, opset: str) -> None:
    from coremltools.converters.mil import Builder as mb

    shapes = [(6, 24), (2, -1), (0, 0, 24, -1), (1, 144, 1)]
    got = bench.run(lambda x: tuple(mb.reshape(x=x, shape=to) for to in shapes), x, opset=opset)
    same(got, [x.reshape(6, 24), x.reshape(2, 72), x.reshape(2, 3, 24, 1), x.reshape(1, 144, 1)])


def test_reshape_takes_zeros_from_the_right(bench: Any, x: Any) -> None:
    from coremltools.converters.mil import Builder as mb

    got = bench.run(
        lambda x: (
            mb.reshape(x=mb.reshape(x=x, shape=(6, 24)), shape=(0, 0, -1, 0)),
            mb.reshape(x=x, shape=(-1, 0, 0)),
        ),
        x,
    )
    same(got, [x.reshape(1, 1, 6, 24), x.reshape(6, 4, 6)])


def test_reshape_like(bench: Any, x: Any, random: np.random.Generator) -> None:
    from coremltools.converters.mil import Builder as mb

    first, second = np.zeros((6, 2, 9), np.float32), np.zeros((5, 3, 4), np.float32)
    got = bench.run(
        lambda x, first, second: mb.reshape_like(
            x=x,
            ref_tensors=(first, second),
            begins=(0, 1),
            ends=(2, 0),
            end_masks=(False, True),
        ),
        x,
        first,
        second,
    )
    same(got, [x.reshape(6, 2, 3, 4)])


def test_axes(bench: Any, x: Any) -> None:
    from coremltools.converters.mil import Builder as mb

    got = bench.run(
        lambda x: (
            mb.transpose(x=x, perm=[0, 2, 3, 1]),
            mb.transpose(x=x, perm=[-1, 0, -2, 1]),
            mb.expand_dims(x=mb.reduce_sum(x=x, axes=[1], keep_dims=False), axes=[1, -1]),
            mb.flatten2d(x=x, axis=2),
            mb.flatten2d(x=x, axis=-1),
            mb.shape(x=x),
        ),
        x,
    )
    total = x.sum(1)
    assert got[5].dtype == np.int32
    same(
        got,
        [
            x.transpose(0, 2, 3, 1),
            x.transpose(3, 0, 2, 1),
            total[:, None, :, :, None],
            x.reshape(6, 24),
            x.reshape(24, 6),
            np.array([2, 3, 4, 6], np.int32),
        ],
    )


def test_squeeze_leaves_longer_axes(bench: Any, random: np.random.Generator) -> None:
    from coremltools.converters.mil import Builder as mb

    x = random.normal(size=(1, 3, 1, 2)).astype(np.float32)
    got = bench.run(
        lambda x: (mb.squeeze(x=x, axes=[0, 2]), mb.squeeze(x=x, axes=[-2]), mb.squeeze(x=x)), x
    )
    same(got, [x[0, :, 0], x[:, :, 0], x[0, :, 0]])


def test_joining(bench: Any, x: Any) -> None:
    from coremltools.converters.mil import Builder as mb

    y = (x + 1).astype(np.float32)
    got = bench.run(
        lambda x, y: (
            mb.concat(values=(x, y, x), axis=-1),
            mb.concat(values=(x, y), axis=1, interleave=True),
            mb.concat(values=(x, y), axis=-2, interleave=True),
            mb.stack(values=(x, y), axis=2),
            mb.stack(values=(x, y), axis=-1),
        ),
        x,
        y,
    )
    woven = np.empty((2, 6, 4, 6), np.float32)
    woven[:, 0::2], woven[:, 1::2] = x, y
    rows = np.empty((2, 3, 8, 6), np.float32)
    rows[:, :, 0::2], rows[:, :, 1::2] = x, y
    same(got, [np.concatenate([x, y, x], 3), woven, rows, np.stack([x, y], 2), np.stack([x, y], 4)])


def test_split(bench: Any, x: Any) -> None:
    from coremltools.converters.mil import Builder as mb

    got = bench.run(
        lambda x: (
            *mb.split(x=x, axis=3, num_splits=3),
            *mb.split(x=x, axis=-1, split_sizes=[1, 3, 2]),
            mb.split(x=x, axis=2, split_sizes=[3, 1])[1],
        ),
        x,
    )
    same(
        got,
        [x[..., :2], x[..., 2:4], x[..., 4:], x[..., :1], x[..., 1:4], x[..., 4:], x[:, :, 3:]],
    )


def test_repeating(bench: Any, x: Any) -> None:
    from coremltools.converters.mil import Builder as mb

    got = bench.run(
        lambda x: (
            mb.tile(x=x, reps=[1, 2, 1, 3]),
            mb.reverse(x=x, axes=[1, -1]),
            mb.reverse(x=x),
        ),
        x,
    )
    same(got, [np.tile(x, (1, 2, 1, 3)), x[:, ::-1, :, ::-1], x[::-1, ::-1, ::-1, ::-1]])


def test_blocks_of_pixels(bench: Any, random: np.random.Generator) -> None:
    from coremltools.converters.mil import Builder as mb

    x = random.normal(size=(2, 12, 4, 6)).astype(np.float32)
    got = bench.run(
        lambda x: (
            mb.pixel_shuffle(x=x, upscale_factor=2),
            mb.pixel_unshuffle(x=x, downscale_factor=np.uint32(2)),
            mb.depth_to_space(x=x, block_size=2),
            mb.space_to_depth(x=x, block_size=2),
        ),
        x,
    )
    t = torch.from_numpy(x)
    deep = np.empty((2, 3, 8, 12), np.float32)
    flat = np.empty((2, 48, 2, 3), np.float32)
    for row, column in np.ndindex(2, 2):
        place = 2 * row + column
        deep[:, :, row::2, column::2] = x[:, 3 * place : 3 * place + 3]
        flat[:, 12 * place : 12 * place + 12] = x[:, :, row::2, column::2]
    same(
        got,
        [
            torch.nn.functional.pixel_shuffle(t, 2),
            torch.nn.functional.pixel_unshuffle(t, 2),
            deep,
            flat,
        ],
    )
