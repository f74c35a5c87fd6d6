"""Small modules as the exporter converts them, against PyTorch: what was saved is what is run."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("coremltools")
torch = pytest.importorskip("torch")
pytestmark = pytest.mark.export
nn = torch.nn
F = torch.nn.functional


class OctaveBlock(nn.Module):  # type: ignore[misc, name-defined]
    """Two resolutions that exchange by pooling and by nearest upsampling."""

    def __init__(self) -> None:
        super().__init__()
        self.high = nn.Conv2d(6, 6, 3, padding=1, groups=6, bias=False)
        self.low = nn.Conv2d(6, 6, 3, padding=1, groups=6, bias=False)
        self.paths = nn.ModuleList([nn.Conv2d(6, 6, 1, bias=False) for _ in range(4)])
        self.norms = nn.ModuleList([nn.BatchNorm2d(6) for _ in range(2)])

    def forward(self, x: Any) -> Any:
        high, low = self.high(x), self.low(F.avg_pool2d(x, 2))
        up = F.interpolate(self.paths[2](low), scale_factor=2, mode="nearest")
        down = self.paths[1](F.avg_pool2d(high, 2))
        high = F.relu(self.norms[0](self.paths[0](high) + up))
        low = F.relu(self.norms[1](self.paths[3](low) + down))
        size = [2 * side for side in low.shape[2:]]
        return torch.cat([high, F.interpolate(low, size=size, mode="bilinear")], 1)


class SqueezeExcite(nn.Module):  # type: ignore[misc, name-defined]
    """Channel weights from a global mean."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(6, 2, 1), nn.Conv2d(2, 6, 1)

    def forward(self, x: Any) -> Any:
        weights = torch.sigmoid(self.up(F.relu(self.down(x.mean((2, 3), keepdim=True)))))
        return x * weights + F.adaptive_avg_pool2d(x, 1)


class WindowAttention(nn.Module):  # type: ignore[misc, name-defined]
    """Attention in 4x4 windows of a padded map, with a relative position bias."""

    def __init__(self, fused: bool) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(6, eps=1e-6)
        self.qkv, self.out = nn.Linear(6, 18), nn.Linear(6, 6)
        self.bias = nn.Parameter(torch.randn(2, 16, 16))
        self.fused = fused

    def forward(self, x: Any) -> Any:
        tokens = self.norm(x.permute(0, 2, 3, 1))
        tokens = F.pad(tokens, (0, 0, 0, 2, 0, 2))
        windows = tokens.reshape(3, 4, 3, 4, 6).transpose(1, 2).reshape(9, 16, 6)
        q, k, v = self.qkv(windows).reshape(9, 16, 3, 2, 3).permute(2, 0, 3, 1, 4).unbind(0)
        if self.fused:
            mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=self.bias)
        else:
            mixed = torch.softmax(q @ k.transpose(-1, -2) * 3**-0.5 + self.bias, -1) @ v
        mixed = self.out(mixed.transpose(1, 2).reshape(9, 16, 6))
        whole = mixed.reshape(3, 3, 4, 4, 6).transpose(1, 2).reshape(1, 12, 12, 6)
        return x + whole[:, :10, :10].permute(0, 3, 1, 2)


class UpBlock(nn.Module):  # type: ignore[misc, name-defined]
    """A transposed convolution with a time embedding, as a diffusion decoder has."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(6, 5, 4, stride=2, padding=1, bias=False)
        self.odd = nn.ConvTranspose2d(5, 4, 3, stride=2, padding=1, output_padding=1)
        self.time = nn.Linear(8, 5)

    def forward(self, x: Any, t: Any) -> Any:
        rates = 10000.0 ** (-torch.arange(4) / 4)
        angles = t[:, None] * rates[None]
        embedding = F.relu(self.time(torch.cat([angles.cos(), angles.sin()], -1)))
        return self.odd(F.relu(self.up(x)) + embedding[:, :, None, None])


class Unpool(nn.Module):  # type: ignore[misc, name-defined]
    """Max pooling whose places are kept as masks, and its inverse."""

    def forward(self, x: Any) -> Any:
        phases = F.pixel_unshuffle(x, 2).reshape(1, 6, 4, 5, 5)
        pooled = F.max_pool2d(x, 2, 2)
        mask = (phases == pooled[:, :, None]).to(x.dtype)
        first = mask * (torch.cumsum(mask, 2) == 1).to(x.dtype)
        spread = (first * pooled[:, :, None]).reshape(1, 24, 5, 5)
        return F.pixel_shuffle(spread, 2)


class Activations(nn.Module):  # type: ignore[misc, name-defined]
    """One of each."""

    def forward(self, x: Any) -> Any:
        made = [
            F.gelu(x),
            F.silu(x),
            F.leaky_relu(x, 0.1),
            F.elu(x),
            F.softplus(x),
            F.hardswish(x),
            F.hardsigmoid(x),
            F.relu6(x),
            torch.erf(x),
            x.clamp(-1, 1),
            torch.rsqrt(x.abs() + 1),
            torch.where(x > 0, x, x.exp()),
            x.square().sum(1, keepdim=True).sqrt() - x,
            x.std(dim=(2, 3), keepdim=True) + x.amax(1, keepdim=True),
            F.normalize(x, dim=1),
            torch.log(x.abs() + 0.5),
        ]
        return torch.stack(made)


class Pictures(nn.Module):  # type: ignore[misc, name-defined]
    """Resizes, pads, pools and norms."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.InstanceNorm2d(6, affine=True)
        self.group = nn.GroupNorm(2, 6)
        self.strided = nn.Conv2d(6, 6, 3, stride=2, padding=2, dilation=2, padding_mode="reflect")

    def forward(self, x: Any) -> Any:
        made = [
            F.interpolate(x, size=(15, 25), mode="bilinear", align_corners=True),
            F.interpolate(F.pad(x, (1, 2, 3, 4), mode="replicate"), size=(17, 26), mode="nearest"),
            F.interpolate(self.norm(x) + self.group(x), scale_factor=4, mode="bilinear"),
            self.strided(x),
            F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
            F.max_pool2d(x, 3, 2, 1, ceil_mode=True),
            x.flip(3)[:, 1:4, ::2, -3:],
            torch.roll(x, (1, -2), (2, 3)),
            x.argmax(1).float(),
            F.one_hot(x.argmax(1), 6).float(),
            torch.einsum("bchw,bcu->bhwu", x, x[:, :, 0]),
        ]
        return tuple(made)


CASES: list[tuple[str, Callable[[], Any], list[tuple[int, ...]], str]] = [
    ("octave", OctaveBlock, [(1, 6, 10, 10)], "iOS17"),
    ("squeeze", SqueezeExcite, [(1, 6, 10, 10)], "iOS17"),
    ("attention", lambda: WindowAttention(False), [(1, 6, 10, 10)], "iOS17"),
    ("fused attention", lambda: WindowAttention(True), [(1, 6, 10, 10)], "iOS18"),
    ("up", UpBlock, [(1, 6, 5, 5), (1,)], "iOS17"),
    ("unpool", Unpool, [(1, 6, 10, 10)], "iOS17"),
    ("activations", Activations, [(1, 6, 10, 10)], "iOS17"),
    ("pictures", Pictures, [(1, 6, 10, 10)], "iOS17"),
]


@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
@pytest.mark.parametrize(
    ("precision", "oldest"),
    [("FLOAT32", False), ("FLOAT16", False), ("FLOAT16", True)],
    ids=["fp32", "fp16", "fp16 iOS16"],
)
def test_parity(bench: Any, case: Any, precision: str, oldest: bool) -> None:
    import coremltools as ct

    _, make, shapes, opset = case
    torch.manual_seed(0)
    module = make().eval()
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2)
    inputs = [torch.randn(shape).half().float() for shape in shapes]
    program = bench.load(
        bench.convert(
            module,
            inputs,
            minimum_deployment_target=getattr(ct.target, "iOS16" if oldest else opset),
            compute_precision=getattr(ct.precision, precision),
        )
    )
    expected = module(*inputs)
    expected = expected if isinstance(expected, tuple) else (expected,)
    feed = dict(zip(program.inputs, (value.numpy() for value in inputs), strict=True))
    for arithmetic in ("fp32", "fp16"):
        got = program.run(feed, arithmetic).values()
        single = precision == "FLOAT32" and arithmetic == "fp32"
        tolerance = 1e-5 if single else 3e-3 if arithmetic == "fp32" else 3e-2
        for value, oracle in zip(got, expected, strict=True):
            oracle = oracle.detach().numpy()
            np.testing.assert_allclose(value, oracle, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("precision", ["FLOAT32", "FLOAT16"])
def test_pictures_in_and_out(bench: Any, precision: str) -> None:
    import coremltools as ct

    class Matte(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(4, 1, 3, padding=1)

        def forward(self, image: Any, trimap: Any) -> Any:
            return torch.sigmoid(self.conv(torch.cat([image, trimap], 1))) * 255

    torch.manual_seed(0)
    module = Matte().eval()
    bias = [-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225]
    model = bench.convert(
        module,
        [torch.zeros(1, 3, 8, 12), torch.zeros(1, 1, 8, 12)],
        inputs=[
            ct.ImageType(name="image", shape=(1, 3, 8, 12), scale=1 / 58.0, bias=bias),
            ct.ImageType(
                name="trimap",
                shape=(1, 1, 8, 12),
                scale=1 / 255,
                color_layout=ct.colorlayout.GRAYSCALE,
            ),
        ],
        outputs=[ct.ImageType(name="alpha", color_layout=ct.colorlayout.GRAYSCALE)],
        compute_precision=getattr(ct.precision, precision),
    )
    program = bench.load(model)
    assert {name: shape for name, (shape, _) in program.inputs.items()} == {
        "image": (1, 3, 8, 12),
        "trimap": (1, 1, 8, 12),
    }
    assert program.outputs["alpha"][0] == (1, 1, 8, 12)
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (1, 3, 8, 12)).astype(np.uint8)
    trimap = random.choice(np.array([0, 128, 255], np.uint8), (1, 1, 8, 12))
    got = program.run({"image": image, "trimap": trimap})["alpha"]
    scaled = torch.from_numpy(image) / 58.0 + torch.tensor(bias).view(1, 3, 1, 1)
    expected = module(scaled, torch.from_numpy(trimap) / 255).detach().numpy()
    tolerance = 1e-3 if precision == "FLOAT32" else 0.5
    np.testing.assert_allclose(got, expected, atol=tolerance)
    assert got.dtype == np.float32
