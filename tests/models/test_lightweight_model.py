"""The lightweight net: published sizes, and its parts against plain re-computations."""

import pytest

torch = pytest.importorskip("torch")

from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from edgematte.checkpoint import build, random_model  # noqa: E402
from edgematte.models.lightweight.network import (  # noqa: E402
    EfficientNonLocalAttention,
    Lightweight,
)
from edgematte.models.lightweight.octave import OctSep, merge  # noqa: E402
from edgematte.nets import find  # noqa: E402
from edgematte.published import COUNTS, Count  # noqa: E402

pytestmark = pytest.mark.export


@pytest.mark.parametrize("count", COUNTS["lightweight"], ids=lambda c: str(c.config))
def test_parameters_and_multiply_adds_are_the_published_ones(count: Count) -> None:
    model = build(find("lightweight"), count.config)
    assert sum(p.numel() for p in model.parameters()) == count.parameters
    published = float(count.published_parameters.removesuffix("K"))
    # The paper rounds to 10 parameters and drops 93 to 113 of them in its own total.
    assert abs(count.parameters / 1000 - published) < 0.12
    with torch.no_grad(), FlopCounterMode(display=False) as counter:  # shapes alone count
        model.to("meta")(torch.zeros(1, 3, 512, 512, device="meta"))
    macs = counter.get_total_flops() / 2e9
    assert round(macs, 3) == count.macs_g
    assert abs(macs - float(count.published_macs_g)) < 0.02


def test_training_supervises_three_levels_and_inference_only_the_finest() -> None:
    model = Lightweight()
    image = torch.rand(2, 3, 128, 64)
    shapes = [tuple(x.shape) for x in model.train().sn(image)]
    assert shapes == [(2, 3, 16, 8), (2, 3, 8, 4), (2, 3, 4, 2)]
    assert [tuple(x.shape) for x in model.eval().sn(image)] == [(2, 3, 16, 8)]


def test_alpha_follows_equation_5_and_probabilities_sum_to_one() -> None:
    model, _ = random_model(find("lightweight"), {}, 3)
    assert isinstance(model, Lightweight)
    image = torch.rand(1, 3, 64, 128)
    with torch.no_grad():
        alpha, p = model(image)
        refined = model.mrn(image, p)
    torch.testing.assert_close(p.sum(dim=1), torch.ones(1, 64, 128))
    torch.testing.assert_close(alpha, p[:, 1:2] + p[:, 2:3] * refined)
    assert 0 <= float(alpha.min()) and float(alpha.max()) <= 1


def test_pictures_of_a_batch_do_not_see_each_other() -> None:
    model, _ = random_model(find("lightweight"), {}, 4)
    images = torch.rand(3, 3, 64, 64)
    with torch.no_grad():
        together = model(images)[0]
        alone = torch.cat([model(image[None])[0] for image in images])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


def test_a_certain_trimap_decides_alpha_alone() -> None:
    model, _ = random_model(find("lightweight"), {}, 5)
    assert isinstance(model, Lightweight)
    one_hot = torch.zeros(1, 3, 64, 64)
    one_hot[:, 0, :, :32], one_hot[:, 1, :, 32:] = 1, 1
    with torch.no_grad():
        alpha = model.matte(torch.rand(1, 3, 64, 64), one_hot)
    assert torch.equal(alpha[0, 0], one_hot[0, 1])


def test_octsep_is_four_paths_between_two_resolutions() -> None:
    block = OctSep(8, 12, stride=2).eval()
    high, low = torch.rand(1, 4, 8, 8), torch.rand(1, 4, 4, 4)
    with torch.no_grad():
        got_high, got_low = block((high, low))
        deep_high, deep_low = block.depth_high(high), block.depth_low(low)
        pooled = deep_high.reshape(1, 4, 2, 2, 2, 2).mean(dim=(3, 5))
        repeated = deep_low.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        want_high = block.norm_high(block.high_to_high(deep_high) + block.low_to_high(repeated))
        want_low = block.norm_low(block.high_to_low(pooled) + block.low_to_low(deep_low))
    torch.testing.assert_close(got_high, want_high)
    torch.testing.assert_close(got_low, want_low)


def same_cell(p: tuple[int, int], q: tuple[int, int], side: int) -> bool:
    return p[0] // side == q[0] // side and p[1] // side == q[1] // side


@pytest.mark.parametrize("k", [4, 16])
def test_ena_is_long_then_short_attention_pixel_by_pixel(k: int) -> None:
    stride = round(k**0.5)
    ena = EfficientNonLocalAttention(8, 6, k).eval()
    height, width = 2 * stride, 4 * stride
    feature = torch.rand(2, 4, height, width), torch.rand(2, 4, height // 2, width // 2)
    image, unknown = torch.rand(2, 6, height, width), torch.rand(2, 1, height, width)
    with torch.no_grad():
        got = ena(feature, image, unknown)
        query = merge(feature) * unknown
        key, value = ena.key(image), ena.value(image)
        long, short = torch.zeros_like(query), torch.zeros_like(query)
        spots = [(y, x) for y in range(height) for x in range(width)]
        for b in range(2):
            for out, source, same in (
                (long, query, lambda p, q: (p[0] - q[0]) % stride == (p[1] - q[1]) % stride == 0),
                (short, long, lambda p, q: same_cell(p, q, stride)),
            ):
                for p in spots:
                    others = [q for q in spots if same(p, q)]
                    keys = torch.stack([key[b, :, y, x] for y, x in others])
                    values = torch.stack([value[b, :, y, x] for y, x in others])
                    weight = (keys @ source[b, :, p[0], p[1]] / 8**0.5).softmax(dim=0)
                    out[b, :, p[0], p[1]] = weight @ values
    torch.testing.assert_close(got[0], feature[0] + short[:, :4])
    pooled = short[:, 4:].reshape(2, 4, height // 2, 2, width // 2, 2).mean(dim=(3, 5))
    torch.testing.assert_close(got[1], feature[1] + pooled)
