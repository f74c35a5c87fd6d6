"""DiffMatte's networks: published counts, and blocks against sums over pixels in NumPy."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from edgematte.checkpoint import build, random_model  # noqa: E402
from edgematte.models.diffmatte.decoder import Down, TextureDecoder, TimeEmbedding, Up  # noqa: E402
from edgematte.models.diffmatte.network import DiffMatte  # noqa: E402
from edgematte.models.diffmatte.res34 import Block, Res34  # noqa: E402
from edgematte.models.diffmatte.swin import PriorBlock, area_means  # noqa: E402
from edgematte.models.lightweight.network import Lightweight  # noqa: E402
from edgematte.registry import FAMILIES  # noqa: E402

pytestmark = pytest.mark.export

Planes = NDArray[np.float64]

PUBLISHED = {  # parameters, multiply-adds of one step at 512x512, 1e9
    "diffmatte-vits": (29_014_273, 50.8),
    "diffmatte-vitb": (101_458_945, 56.0),
    "diffmatte-res34": (23_867_575, 53.6),
    "diffmatte-swint": (38_753_560, 54.5),
}
SMALL = {
    "diffmatte-vits": {"dim": 24, "depth": 3, "heads": 2, "window": 3, "base": 8},
    "diffmatte-res34": {"width": 8, "base": 8},
    "diffmatte-swint": {"width": 8, "head_width": 8, "depth3": 3, "base": 8},
    "diffmatte-lightweight": {"base": 8},
}


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_counts(name: str) -> None:
    with torch.device("meta"):
        model = build(FAMILIES[name])
        assert isinstance(model, DiffMatte)
        folded = 0
        if isinstance(model.encoder, Res34):  # a checkpoint holds u and v of each convolution too
            convolutions = [m for m in model.encoder.modules() if isinstance(m, nn.Conv2d)]
            folded = sum(c.out_channels + c.weight[0].numel() for c in convolutions)
        assert parameters(model) + folded == PUBLISHED[name][0]
        side = 512 // model.stride
        given = torch.rand(1, model.channels, side, side), torch.rand(1, 7, 512, 512)
        with FlopCounterMode(display=False) as counter:
            model.denoise(*given, torch.rand(1))
    found = counter.get_total_flops() / 2e9
    assert found == pytest.approx(PUBLISHED[name][1], abs=0.05)
    assert [c.macs_g for c in FAMILIES[name].counts] == [round(found, 1)]


def test_the_lightweight_variant_is_small() -> None:
    with torch.device("meta"):
        model = build(FAMILIES["diffmatte-lightweight"])
        encoder = parameters(build(FAMILIES["lightweight"]))
    assert isinstance(model, DiffMatte)
    assert parameters(model) == 1_125_521 < 6_000_000
    assert parameters(model.encoder) < encoder


def test_its_encoder_takes_the_weights_of_the_lightweight_net() -> None:
    model = build(FAMILIES["diffmatte-lightweight"])
    assert isinstance(model, DiffMatte)
    own = {f"mrn.{name}": value.shape for name, value in model.encoder.state_dict().items()}
    theirs = {name: value.shape for name, value in Lightweight().state_dict().items()}
    assert own.items() <= theirs.items()


@pytest.mark.parametrize("name", SMALL)
def test_one_step_of_every_variant(name: str) -> None:
    """Shapes; and that picture, trimap, noisy matte and time all matter."""
    model, _ = random_model(FAMILIES[name], SMALL[name], 0)
    torch.manual_seed(1)
    image, noisy = torch.rand(2, 3, 128, 192), torch.randn(2, 1, 128, 192)
    classes = torch.randint(0, 3, (2, 128, 192))
    trimap = nn.functional.one_hot(classes, 3).permute(0, 3, 1, 2).float()
    time = torch.tensor([0.9, 0.9])
    with torch.no_grad():
        given = (image, trimap, noisy, time)
        found = model(*given)
        assert found.shape == (2, 1, 128, 192) and found.abs().max() <= 1 and found.std() > 0.05
        alone = torch.cat([model(*(x[i : i + 1] for x in given)) for i in range(2)])
        assert torch.allclose(found, alone, atol=1e-5)
        for i, other in enumerate((image.flip(3), trimap.flip(3), noisy.flip(3), time / 9)):
            changed = model(*(other if i == j else x for j, x in enumerate(given)))
            assert (changed - found).abs().max() > 1e-3, i


# the decoder


def convolve(x: Planes, weight: Planes, stride: int = 1, pad: int = 1) -> Planes:
    """(C, H, W) by (out, C, k, k), one output pixel after the other."""
    size = weight.shape[2]
    padded = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
    height, width = ((n + 2 * pad - size) // stride + 1 for n in x.shape[1:])
    out = np.zeros((len(weight), height, width))
    for r, c in np.ndindex(height, width):
        part = padded[:, r * stride : r * stride + size, c * stride : c * stride + size]
        out[:, r, c] = (weight * part).sum(axis=(1, 2, 3))
    return out


def spread(x: Planes, weight: Planes) -> Planes:
    """Transposed convolution 4x4, stride 2: each pixel adds the kernel, from one up and left."""
    out = np.zeros((weight.shape[1], 2 * x.shape[1] + 2, 2 * x.shape[2] + 2))
    for r, c in np.ndindex(x.shape[1:]):
        part = np.einsum("i,iokl->okl", x[:, r, c], weight)
        out[:, 2 * r : 2 * r + 4, 2 * c : 2 * c + 4] += part
    return out[:, 1:-1, 1:-1]


def doubled(x: Planes) -> Planes:
    """Bilinear, half-pixel centres, borders repeated."""
    for axis in (1, 2):
        before = np.concatenate([x.take([0], axis), x.take(range(x.shape[axis] - 1), axis)], axis)
        after = np.concatenate([x.take(range(1, x.shape[axis]), axis), x.take([-1], axis)], axis)
        x = np.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], axis + 1)
        shape = list(x.shape)
        shape[axis : axis + 2] = [2 * shape[axis]]
        x = x.reshape(shape)
    return x


def settled(module: nn.Module, seed: int = 0) -> Callable[[str], Planes]:
    """Give a module random weights and statistics; look them up by name."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.4)
            if name.endswith("running_var"):
                tensor.abs_().add_(0.5)
    module.eval()
    return lambda name: module.state_dict()[name].double().numpy()


def normalised(x: Planes, of: Callable[[str], Planes], name: str) -> Planes:
    scale = of(f"{name}.weight") / np.sqrt(of(f"{name}.running_var") + 1e-5)
    shift = of(f"{name}.bias") - of(f"{name}.running_mean") * scale
    return np.asarray(x * scale[:, None, None] + shift[:, None, None])


def relu(x: Planes) -> Planes:
    return np.maximum(x, 0)


@pytest.mark.parametrize("up", [False, True])
def test_a_block_of_the_decoder(up: bool) -> None:
    block = Up(3, 4) if up else Down(3, 4)
    of = settled(block)
    rng = np.random.default_rng(1)
    x, time = rng.normal(size=(3, 6, 8)), rng.normal(size=32)
    if up:
        entered = spread(x, of("enter.weight"))
        around = convolve(doubled(x), of("around.weight"))
    else:
        entered = convolve(x, of("enter.weight"), 2)
        around = convolve(x, of("around.weight"), 2)
    said = relu(of("time.weight") @ time + of("time.bias"))
    y = relu(normalised(entered, of, "norm1")) + said[:, None, None]
    expected = relu(normalised(convolve(y, of("conv.weight")), of, "norm2") + around)
    with torch.no_grad():
        found = block(torch.from_numpy(x)[None].float(), torch.from_numpy(time)[None].float())
    assert found.shape == (1, 4, *((12, 16) if up else (3, 4)))
    # float32 against float64: sums of some dozen products of size 1
    assert np.allclose(found[0].numpy(), expected, atol=2e-5)


def test_the_time_embedding() -> None:
    embedding = TimeEmbedding()
    of = settled(embedding)
    for time in (0.0, 0.1, 1.0):
        waves = [np.cos(time * 10_000 ** (-i / 16)) for i in range(16)]
        waves += [np.sin(time * 10_000 ** (-i / 16)) for i in range(16)]
        hidden = relu(of("enter.weight") @ np.array(waves) + of("enter.bias"))
        expected = of("leave.weight") @ hidden + of("leave.bias")
        with torch.no_grad():
            found = embedding(torch.tensor([time]))[0]
        assert np.allclose(found.numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("stride", [16, 32])
def test_the_decoder_ends_at_the_picture_s_size(stride: int) -> None:
    decoder = TextureDecoder(12, stride, base=4).eval()
    assert len(decoder.downs) == len(decoder.ups) == (3 if stride == 16 else 4)
    feature = torch.randn(1, 12, 128 // stride, 96 // stride)
    with torch.no_grad():
        found = decoder(feature, torch.randn(1, 7, 128, 96), torch.tensor([0.5]))
    assert found.shape == (1, 1, 128, 96)


# encoders


def test_a_block_of_the_res34() -> None:
    block = Block(4, 6, 2)
    of = settled(block)
    x = np.random.default_rng(2).normal(size=(4, 6, 8))
    y = relu(normalised(convolve(x, of("conv1.weight"), 2), of, "norm1"))
    y = normalised(convolve(y, of("conv2.weight")), of, "norm2")
    pooled = x.reshape(4, 3, 2, 4, 2).mean(axis=(2, 4))
    around = normalised(convolve(pooled, of("around.1.weight"), pad=0), of, "around.2")
    with torch.no_grad():
        found = block(torch.from_numpy(x)[None].float())[0]
    assert np.allclose(found.numpy(), relu(y + around), atol=2e-5)


def prior_block(shift: int, number: int) -> PriorBlock:
    torch.manual_seed(0)
    made = PriorBlock(8, 2, shift, number).eval()
    torch.nn.init.normal_(made.attention.bias_table)
    return made


def by_pixels(made: PriorBlock, x: Any, priors: Any) -> tuple[Any, Any]:
    """The block's answer, pixel by pixel: windows of the rolled grid, zeros beyond the map.

    ``priors`` (P, C) are all the block is given, its own included.
    """
    height, width, channels = x.shape[1:]
    attention = made.attention
    tall, wide = -(-height // 7) * 7, -(-width // 7) * 7
    padded = torch.zeros(tall, wide, channels)
    padded[:height, :width] = made.norm1(x)[0]
    q, k, v = attention.qkv(padded).split(channels, dim=-1)
    normal = made.norm1(priors)
    _, prior_k, prior_v = attention.qkv(normal).split(channels, dim=-1)
    out, per_head = torch.zeros(height, width, channels), channels // attention.heads
    shift = made.shift

    def window(place: int, length: int) -> tuple[int, int]:
        """Number of the window, and the side of the wrapped border."""
        rolled = (place - shift) % length
        return rolled // 7, int(rolled >= length - shift)

    for r in range(height):
        for c in range(width):
            keys = [
                (i, j)
                for i in range(tall)
                for j in range(wide)
                if window(i, tall) == window(r, tall) and window(j, wide) == window(c, wide)
            ]
            at = [((r - shift) % tall % 7, (c - shift) % wide % 7)]
            at += [((i - shift) % tall % 7, (j - shift) % wide % 7) for i, j in keys]
            entries = [(at[0][0] - i + 6) * 13 + at[0][1] - j + 6 for i, j in at[1:]]
            entries += [169 + i for i in range(len(priors))]
            for head in range(attention.heads):
                part = slice(head * per_head, (head + 1) * per_head)
                ks = torch.stack([k[i, j, part] for i, j in keys] + list(prior_k[:, part]))
                vs = torch.stack([v[i, j, part] for i, j in keys] + list(prior_v[:, part]))
                logits = ks @ q[r, c, part] / per_head**0.5 + attention.bias_table[entries, head]
                out[r, c, part] = logits.softmax(dim=0) @ vs
    x = x + attention.proj(out)[None]
    priors = priors + attention.proj(prior_v)
    return x + made.mlp(made.norm2(x)), priors + made.mlp(made.norm2(priors))


@pytest.mark.parametrize(("shift", "number"), [(0, 0), (3, 1)])
@pytest.mark.parametrize("size", [(7, 7), (8, 10)])
def test_windows_attend_to_priors_and_padding(
    shift: int, number: int, size: tuple[int, int]
) -> None:
    made = prior_block(shift, number)
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(1, *size, 8, generator=generator)
    areas = nn.functional.one_hot(torch.randint(0, 3, (1, *size), generator=generator), 3)
    areas = areas.permute(0, 3, 1, 2).float()
    earlier = torch.randn(1, 3 * number, 8, generator=generator) if number else None
    own = torch.stack([x[0][areas[0, i] == 1].mean(dim=0) for i in range(3)])
    whole = own if earlier is None else torch.cat([earlier[0], own])
    with torch.no_grad():
        found = made(x, areas, earlier)
        expected = by_pixels(made, x, whole)
    torch.testing.assert_close(found[0], expected[0], atol=2e-5, rtol=0)
    torch.testing.assert_close(found[1][0], expected[1], atol=2e-5, rtol=0)


def test_an_empty_area_has_a_prior_of_zeros() -> None:
    x = torch.randn(2, 4, 6, 8)
    areas = torch.zeros(2, 3, 4, 6)
    areas[:, 0, :2] = 1
    areas[:, 2, 2:] = 1
    found = area_means(x, areas)
    assert torch.allclose(found[:, 0], x[:, :2].mean(dim=(1, 2)), atol=1e-6)
    assert torch.equal(found[:, 1], torch.zeros(2, 8))


def test_area_means_survive_half_precision() -> None:
    """Sums over a map would not: 128x128 pixels of 20 are beyond its largest number."""
    x = 20 + torch.randn(1, 128, 128, 8)
    areas = torch.ones(1, 3, 128, 128)
    found = area_means(x.half(), areas.half())
    assert torch.allclose(found.float(), torch.full_like(found, 20).float(), rtol=2e-2)
