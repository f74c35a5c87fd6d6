"""The authors' checkpoint layout, written out by its names and shapes, fits our modules."""

from collections.abc import Iterator
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor  # noqa: E402

from edgematte.checkpoint import build, load_model  # noqa: E402
from edgematte.errors import CheckpointError  # noqa: E402
from edgematte.models.diffmatte.keys import fold_spectral_norm, from_official  # noqa: E402
from edgematte.nets import find  # noqa: E402

pytestmark = pytest.mark.export

Named = Iterator[tuple[str, tuple[int, ...]]]


def norm(name: str, channels: int, running: bool = True) -> Named:
    yield f"{name}.weight", (channels,)
    yield f"{name}.bias", (channels,)
    if running:
        yield f"{name}.running_mean", (channels,)
        yield f"{name}.running_var", (channels,)
        yield f"{name}.num_batches_tracked", ()


def layer(name: str, *shape: int) -> Named:
    yield f"{name}.weight", shape
    yield f"{name}.bias", shape[:1]


def spectral(name: str, *shape: int) -> Named:
    out, into, side = shape
    yield f"{name}.module.weight_bar", (out, into, side, side)
    yield f"{name}.module.weight_u", (out,)
    yield f"{name}.module.weight_v", (into * side * side,)


def decoder(features: int, deep: bool) -> Named:
    down = [7, 32, 64, 128, 128] if deep else [7, 32, 64, 128]
    up = [features, 256, 256, 128, 64, 32] if deep else [features, 256, 128, 64, 32]
    yield from layer("decoder.time_embed.0", 32, 32)
    yield from layer("decoder.time_embed.2", 32, 32)

    def block(name: str, into: int, out: int, enter: tuple[int, ...], around: str) -> Named:
        yield from layer(f"{name}.emb_layers.0", out, 32)
        yield f"{name}.conv1.weight", enter
        yield from norm(f"{name}.bn1", out)
        yield f"{name}.conv2.weight", (out, out, 3, 3)
        yield from norm(f"{name}.bn2", out)
        yield f"{name}.{around}.weight", (out, into, 3, 3)

    for i in range(len(down) - 1):
        a, b = down[i], down[i + 1]
        yield from block(f"decoder.down_blks.{i}", a, b, (b, a, 3, 3), "downsample.op")
    for i in range(len(up) - 1):
        a, b = up[i] + (down[-i] if i else 0), up[i + 1]
        name = f"decoder.up_blks.{i - 1}" if i else "decoder.mid_blk"
        yield from block(name, a, b, (a, b, 4, 4), "upsample.conv")
    yield from layer("decoder.matting_head.matting_convs.0", 16, 32, 3, 3)
    yield from norm("decoder.matting_head.matting_convs.1", 16)
    yield from layer("decoder.matting_head.matting_convs.3", 1, 16, 1, 1)


def res34() -> Named:
    for i, (into, out) in enumerate(((6, 32), (32, 32), (32, 64)), 1):
        yield from spectral(f"backbone.conv{i}", out, into, 3)
        yield from norm(f"backbone.bn{i}", out)
    names = ("layer1", "layer2", "layer3", "layer_bottleneck")
    into = 64
    for name, out, depth in zip(names, (64, 128, 256, 512), (3, 4, 4, 2), strict=True):
        for i in range(depth):
            place = f"backbone.{name}.{i}"
            yield from spectral(f"{place}.conv1", out, into, 3)
            yield from norm(f"{place}.bn1", out)
            yield from spectral(f"{place}.conv2", out, out, 3)
            yield from norm(f"{place}.bn2", out)
            if i == 0 and name != "layer1":
                yield from spectral(f"{place}.downsample.1", out, into, 1)
                yield from norm(f"{place}.downsample.2", out)
            into = out


def swin() -> Named:
    yield from layer("backbone.patch_embed.proj", 96, 6, 4, 4)
    yield from norm("backbone.patch_embed.norm", 96, running=False)
    for i, depth in enumerate((2, 2, 6, 2)):
        c, heads = 96 << i, 3 << i
        for j in range(depth):
            name = f"backbone.layers.{i}.blocks.{j}"
            yield from norm(f"{name}.norm1", c, running=False)
            yield f"{name}.attn.relative_position_bias_table", (169 + 3 * (j + 1), heads)
            yield f"{name}.attn.relative_position_index", (49, 49 + 3 * (j + 1))
            yield from layer(f"{name}.attn.qkv", 3 * c, c)
            yield from layer(f"{name}.attn.proj", c, c)
            yield from norm(f"{name}.norm2", c, running=False)
            yield from layer(f"{name}.mlp.fc1", 4 * c, c)
            yield from layer(f"{name}.mlp.fc2", c, 4 * c)
        if i < 3:
            yield f"backbone.layers.{i}.downsample.reduction.weight", (2 * c, 4 * c)
            yield from norm(f"backbone.layers.{i}.downsample.norm", 4 * c, running=False)


def vit(dim: int) -> Named:
    yield "backbone.pos_embed", (1, 197, dim)
    yield from layer("backbone.patch_embed.proj", dim, 4, 16, 16)
    for i in range(12):
        name = f"backbone.blocks.{i}"
        yield from norm(f"{name}.norm1", dim, running=False)
        yield from norm(f"{name}.norm2", dim, running=False)
        table = 63 if i % 3 == 2 else 27
        yield f"{name}.attn.rel_pos_h", (table, 64)
        yield f"{name}.attn.rel_pos_w", (table, 64)
        yield from layer(f"{name}.attn.qkv", 3 * dim, dim)
        yield from layer(f"{name}.attn.proj", dim, dim)
        yield from layer(f"{name}.mlp.fc1", 4 * dim, dim)
        yield from layer(f"{name}.mlp.fc2", dim, 4 * dim)
        if i % 3 == 2:
            half = dim // 2
            for j, shape in enumerate(((half, dim, 1, 1), (half, half, 3, 3), (dim, half, 1, 1))):
                yield f"{name}.residual.conv{j + 1}.weight", shape
                yield from norm(f"{name}.residual.norm{j + 1}", shape[0], running=False)


def official(name: str) -> dict[str, Tensor]:
    """Without values: on the meta device."""
    encoder, features = {
        "diffmatte-vits": (vit(384), 384),
        "diffmatte-vitb": (vit(768), 768),
        "diffmatte-res34": (res34(), 512),
        "diffmatte-swint": (swin(), 768),
    }[name]
    deep = name in ("diffmatte-res34", "diffmatte-swint")
    named = dict([*encoder, *decoder(features, deep)])
    return {k: torch.empty(shape, device="meta") for k, shape in named.items()}


@pytest.mark.parametrize(
    "name", ["diffmatte-vits", "diffmatte-vitb", "diffmatte-res34", "diffmatte-swint"]
)
def test_every_key_finds_its_place(name: str) -> None:
    with torch.device("meta"):
        own = {k: v.shape for k, v in build(find(name)).state_dict().items()}
    found = {k: v.shape for k, v in from_official(official(name)).items()}
    assert found == own


PAIRS = {  # alike in shape, so that only their names tell them apart
    "decoder.up_blks.1.bn1.weight": "decoder.ups.1.norm1.weight",
    "decoder.up_blks.1.bn2.running_var": "decoder.ups.1.norm2.running_var",
    "decoder.time_embed.2.weight": "decoder.time.leave.weight",
    "decoder.down_blks.2.emb_layers.0.bias": "decoder.downs.2.time.bias",
    "decoder.mid_blk.upsample.conv.weight": "decoder.middle.around.weight",
    "backbone.bn2.bias": "encoder.stem.4.bias",
    "backbone.layer1.2.bn1.bias": "encoder.levels.0.2.norm1.bias",
    "backbone.layer1.2.bn2.bias": "encoder.levels.0.2.norm2.bias",
    "backbone.layer_bottleneck.1.bn2.weight": "encoder.levels.3.1.norm2.weight",
}


def test_keys_of_one_shape_are_not_confused() -> None:
    state = {k: torch.full((1,), float(i)) for i, k in enumerate(PAIRS)}
    state["decoder.mid_blk.bn1.weight"] = torch.zeros(1)
    found = from_official(state)
    assert {k: float(found[ours]) for k, ours in PAIRS.items()} == {
        k: float(v) for k, v in state.items() if k in PAIRS
    }


def test_spectral_norm_is_folded() -> None:
    """With the singular vectors themselves the largest singular value becomes 1."""
    torch.manual_seed(0)
    bar = torch.randn(6, 4, 3, 3)
    left, values, right = torch.linalg.svd(bar.flatten(1), full_matrices=False)
    state = {"a.module.weight_bar": bar, "a.module.weight_u": left[:, 0]}
    state |= {"a.module.weight_v": right[0], "b.weight": torch.ones(2)}
    found = fold_spectral_norm(state)
    assert set(found) == {"a.weight", "b.weight"}
    assert torch.allclose(found["a.weight"], bar / values[0], atol=1e-6)
    assert float(torch.linalg.matrix_norm(found["a.weight"].flatten(1), 2)) == pytest.approx(1)


def test_with_other_vectors_it_is_u_w_v() -> None:
    torch.manual_seed(1)
    bar, u, v = torch.randn(5, 3, 1, 1), torch.randn(5), torch.randn(3)
    found = fold_spectral_norm(
        {"a.module.weight_bar": bar, "a.module.weight_u": u, "a.module.weight_v": v}
    )
    sigma = sum(float(u[i] * bar[i, j, 0, 0] * v[j]) for i in range(5) for j in range(3))
    assert torch.allclose(found["a.weight"], bar / sigma, rtol=1e-4)


def test_a_checkpoint_of_theirs_loads(tmp_path: Path) -> None:
    """Through the file, as their trainer writes it; values arrive."""
    torch.manual_seed(2)
    name = "diffmatte-res34"
    state = {f"model.{k}": torch.rand(v.shape) for k, v in official(name).items()}
    file = tmp_path / "model_final.pth"
    torch.save({"model": state, "iteration": 3}, file)
    model, weights = load_model(find(name), file)
    held = dict(model.named_parameters())["decoder.middle.enter.weight"]
    assert torch.equal(held, state["model.decoder.mid_blk.conv1.weight"])
    assert weights.source == "model_final.pth (taken from 'model'; prefix 'model.' removed)"
    del state["model.backbone.layer2.1.conv1.module.weight_u"]
    torch.save({"model": state}, file)
    with pytest.raises(CheckpointError, match=r"levels\.1\.1\.conv1\.module\.weight_bar"):
        load_model(find(name), file)


def test_our_own_states_stay() -> None:
    with torch.device("meta"):
        state = build(find("diffmatte-swint")).state_dict()
    assert from_official(state).keys() == state.keys()
