"""What a patch looked at: attention by its equation, the pixel's patch, and the drawing."""

from typing import Any

import numpy as np
import pytest

from edgematte.errors import OptionError
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.host.explanation import Explanation, patch_of, pixel_to_explain
from edgematte.runtime.host.explanation_drawing import BLUE, GREEN, RED, draw
from edgematte.runtime.host.patches import Patch, patch_grid, walk
from edgematte.runtime.nets.hdmatt.contexts import best_contexts
from edgematte.runtime.nets.hdmatt.explanation import attention
from edgematte.runtime.nets.hdmatt.host import PatchesHost
from edgematte.runtime.nets.hdmatt.pipeline import Patches

SIDE = 16


def bank(image: np.ndarray, trimap: np.ndarray) -> dict[str, np.ndarray]:
    cells = image.reshape(1, 3, 2, 8, 2, 8).mean(axis=(3, 5)) - np.float32(0.4)
    mask = trimap.reshape(1, 3, 2, 8, 2, 8).mean(axis=(3, 5))
    mask = np.eye(3, dtype=np.float32)[mask.argmax(axis=1)].transpose(0, 3, 1, 2)
    return {
        "key": cells,
        "value": cells,
        "own": cells,
        "query": cells.mean(axis=(2, 3)),
        "context": cells.mean(axis=(2, 3)),
        "mask": mask,
    }


def test_attention_is_the_softmax_of_equation_3() -> None:
    rng = np.random.default_rng(0)
    query, keys = rng.random(4, "f4") * 3, rng.random((2, 4, 3, 3), "f4") * 2
    masks = np.eye(3, dtype="f4")[rng.integers(0, 3, (2, 3, 3))].transpose(0, 3, 1, 2)
    found = attention(query, keys, masks)
    for k, y, x in np.ndindex(2, 3, 3):
        region = int(masks[k, :, y, x].argmax())
        inside = masks[:, region]
        total = sum(
            np.exp(query @ (keys[i, :, v, u] * inside[i, v, u])) for i, v, u in np.ndindex(2, 3, 3)
        )
        assert found[k, y, x] == pytest.approx(np.exp(query @ keys[k, :, y, x]) / total, rel=1e-5)
    plain = attention(query, keys, None)
    assert plain.sum() == pytest.approx(1, rel=1e-5) and (plain > 0).all()
    assert attention(query, keys[:0], masks[:0]).shape == (0, 3, 3)


def test_the_explanation_names_the_contexts_that_alpha_came_from() -> None:
    rng = np.random.default_rng(1)
    picture = rng.integers(0, 256, (48, 64, 3), np.uint8)
    trimap = rng.choice(np.array([0, 128, 255], np.uint8), (6, 8)).repeat(8, 0).repeat(8, 1)
    host = PatchesHost(size=(SIDE, SIDE), patch=SIDE, overlap=0, k=2, candidates=30)
    graphs: Any = {"bank": bank, "query": lambda **given: {"alpha": given["image"][:, :1]}}
    net, clock = Patches(host, graphs), Clock()
    net(picture, trimap, clock)
    y, x = (int(n[5]) for n in np.nonzero(trimap == 128))
    found = net.explain(picture, trimap, Clock(), (x, y))
    patches = list(walk(patch_grid((64, 48), SIDE, 0)))
    number = patches.index(found.patch)
    assert found.patch == Patch(x // 16 * 16, y // 16 * 16, SIDE)
    chosen = clock.choices[f"contexts of patch {number}"][:, 1]
    assert found.contexts == tuple(patches[n] for n in chosen)
    features = [
        bank(
            picture[p.top : p.top + 16, p.left : p.left + 16].transpose(2, 0, 1)[None]
            * np.float32(1 / 255),
            np.stack(
                [trimap[p.top : p.top + 16, p.left : p.left + 16] == c for c in (0, 255, 128)]
            )[None].astype(np.float32),
        )
        for p in patches
    ]
    vectors = np.concatenate([f["context"] for f in features])
    assert best_contexts(vectors[number], vectors, 2, number).tolist() == chosen.tolist()
    query = features[number]["key"][0, :, y % 16 // 8, x % 16 // 8]
    keys, masks = (np.concatenate([features[n][name] for n in chosen]) for name in ("key", "mask"))
    np.testing.assert_allclose(found.attention, attention(query, keys, masks), atol=1e-6)


def test_the_pixel_by_default_is_amid_unknown_ones() -> None:
    trimap = np.zeros((40, 60), np.uint8)
    trimap[5, 5] = 128
    trimap[20:30, 40:50] = 128
    patches = list(walk(patch_grid((60, 40), 20, 0)))
    x, y = pixel_to_explain(trimap, patches)
    assert trimap[y, x] == 128 and (x, y) == (49, 29)
    assert patches[patch_of((x, y), trimap, patches)] == Patch(40, 20, 20)
    assert patches[patch_of((5, 5), trimap, patches)] == Patch(0, 0, 20)
    for pixel in ((0, 0), (60, 5), (5, 40), (-1, 5)):
        with pytest.raises(OptionError, match="is not unknown in the trimap"):
            patch_of(pixel, trimap, patches)
    with pytest.raises(OptionError, match="nothing to explain"):
        pixel_to_explain(trimap * 0, patches)


@pytest.mark.parametrize("size", [(640, 480), (3000, 2000)])
def test_the_drawing_shows_boxes_the_pixel_and_where_attention_is(size: tuple[int, int]) -> None:
    width, height = size
    side = width // 4
    picture = np.full((height, width, 3), 100, np.uint8)
    weights = np.full((2, 8, 8), 1e-6, np.float32)
    weights[0, 2, 6] = 0.5
    contexts = (Patch(2 * side, 0, side), Patch(3 * side, height - side // 2, side))
    pixel = (side // 2, height // 2)
    drawn = draw(Explanation(pixel, Patch(0, height // 4, side), contexts, weights), picture)
    shrunk = drawn.shape[1] / width
    assert max(drawn.shape) == min(max(size), 1600) and drawn.dtype == np.uint8
    for colour in (GREEN, RED, BLUE):
        assert (drawn == colour).all(axis=2).any()
    middle = (side * np.array([0.25 + 1 / 16, 2.75 + 1 / 16]) * shrunk).astype(int)  # row, column
    bright, dim = drawn[tuple(middle)], drawn[middle[0], int(2.4 * side * shrunk)]
    assert bright.mean() > 200 > 80 > dim.mean()
    untouched = drawn[-10, int(1.5 * side * shrunk)]
    assert (untouched == 100).all()
