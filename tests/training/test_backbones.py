"""Plain pretrained backbones, in files as their authors publish them, start the nets."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edgematte.checkpoint import build, read_state
from edgematte.cli import main
from edgematte.errors import CheckpointError
from edgematte.models.diffmatte.network import DiffMatteViT
from edgematte.models.hdmatt.network import HDMatt
from edgematte.models.hdmatt.resnet import BLOCKS, Encoder
from edgematte.models.regional.network import Regional
from edgematte.models.swin.network import Swin
from edgematte.models.vit.network import NORM_EPS, ViT
from edgematte.models.vitmatte.network import ViTMatte
from edgematte.nets import find
from edgematte.training.engine.optimizer import layer_decay, make_optimizer
from edgematte.training.nets import diffmatte, hdmatt, regional, vitmatte
from edgematte.training.recipes import recipe

DIM, DEPTH, HEADS, GRID = 32, 3, 2, 4


def values(shapes: dict[str, tuple[int, ...]], seed: int = 0) -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=random) * 0.1 for name, shape in shapes.items()}


def plain_vit(dim: int = DIM, depth: int = DEPTH, grid: int = GRID) -> dict[str, Tensor]:
    """What timm, DINO and MAE call the parameters of a plain vision transformer."""
    shapes: dict[str, tuple[int, ...]] = {
        "cls_token": (1, 1, dim),
        "pos_embed": (1, 1 + grid**2, dim),
        "patch_embed.proj.weight": (dim, 3, 16, 16),
        "patch_embed.proj.bias": (dim,),
        "norm.weight": (dim,),
        "norm.bias": (dim,),
    }
    layers = {"attn.qkv": (3 * dim, dim), "attn.proj": (dim, dim)}
    layers |= {"mlp.fc1": (4 * dim, dim), "mlp.fc2": (dim, 4 * dim)}
    for i in range(depth):
        for layer, shape in layers.items():
            shapes[f"blocks.{i}.{layer}.weight"] = shape
            shapes[f"blocks.{i}.{layer}.bias"] = shape[:1]
        for norm in ("norm1", "norm2"):
            shapes[f"blocks.{i}.{norm}.weight"] = shapes[f"blocks.{i}.{norm}.bias"] = (dim,)
    return values(shapes)


def answer_of_plain_vit(state: dict[str, Tensor], image: Tensor) -> Tensor:
    """Patch tokens after the blocks, without class token and final norm: (B, dim, h, w)."""

    def linear(x: Tensor, name: str) -> Tensor:
        return F.linear(x, state[f"{name}.weight"], state[f"{name}.bias"])

    def norm(x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, (DIM,), state[f"{name}.weight"], state[f"{name}.bias"], NORM_EPS)

    weight, bias = (state[f"patch_embed.proj.{part}"] for part in ("weight", "bias"))
    x = F.conv2d(image, weight, bias, stride=16)
    batch, _, height, width = x.shape
    x = x.flatten(2).transpose(1, 2) + state["pos_embed"][:, 1:]
    for i in range(DEPTH):
        q, k, v = linear(norm(x, f"blocks.{i}.norm1"), f"blocks.{i}.attn.qkv").chunk(3, dim=2)
        q, k, v = (t.reshape(batch, -1, HEADS, DIM // HEADS).transpose(1, 2) for t in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = x + linear(y, f"blocks.{i}.attn.proj")
        y = F.gelu(linear(norm(x, f"blocks.{i}.norm2"), f"blocks.{i}.mlp.fc1"))
        x = x + linear(y, f"blocks.{i}.mlp.fc2")
    return x.transpose(1, 2).reshape(batch, DIM, height, width)


def with_prefix(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {prefix + name: value for name, value in state.items()}


def layouts(state: dict[str, Tensor]) -> dict[str, Any]:
    """Files as DINO and MAE publish them, and their parts that are of no use here."""
    head = {"head.mlp.0.weight": torch.zeros(2, 2)}
    decoder = {"mask_token": torch.zeros(1, 1, 8), "decoder_blocks.0.norm1.bias": torch.zeros(8)}
    student = {name: torch.zeros_like(value) for name, value in state.items()}
    return {
        "DINO, backbone": state,
        "DINO, whole": {
            "student": with_prefix({**student, **head}, "module.backbone."),
            "teacher": {**with_prefix(state, "backbone."), **head},
            "args": argparse.Namespace(arch="vit_small"),
            "epoch": 800,
        },
        "MAE": {"model": state},
        "MAE, whole": {"model": {**state, **decoder}, "optimizer": {"state": {}}, "epoch": 1},
        "MAE, fine-tuned": {"model": {**state, "fc_norm.bias": torch.zeros(DIM), **head}},
    }


@pytest.mark.parametrize("layout", list(layouts({})))
def test_a_plain_transformer_answers_as_it_did(layout: str, tmp_path: Path) -> None:
    """With global attention, whatever the trimap; 1e-5: float32, another order of sums."""
    state = plain_vit()
    torch.save(layouts(state)[layout], tmp_path / "vit.pth")
    options: dict[str, Any] = {"dim": DIM, "depth": DEPTH, "heads": HEADS, "pretrained": GRID}
    net = ViTMatte(local=0, group=1, grid=GRID, **options).eval()
    vitmatte.backbone(net, read_state(tmp_path / "vit.pth"), "vit.pth")
    image = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    expected = answer_of_plain_vit(state, image)
    assert expected.std() > 0.1
    with torch.no_grad():
        for trimap in (torch.zeros(2, 1, 64, 64), torch.rand(2, 1, 64, 64)):
            found = net.backbone(torch.cat([image, trimap], dim=1))
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_diffmatte_takes_the_same_files() -> None:
    net = DiffMatteViT(dim=DIM, depth=3, heads=HEADS, window=2, pretrained=GRID, grid=4, base=8)
    state = plain_vit()
    diffmatte.backbone(net, state, "vit.pth")
    assert isinstance(net.encoder, ViT)
    assert torch.equal(net.encoder.embed.weight[:, :3], state["patch_embed.proj.weight"])
    assert not net.encoder.embed.weight[:, 3].any()


def test_positions_without_a_class_token_fit_too() -> None:
    vit = ViTMatte(dim=DIM, depth=3, heads=HEADS, pretrained=GRID)
    state = plain_vit()
    state["pos_embed"] = state["pos_embed"][:, 1:]
    vitmatte.backbone(vit, state, "vit.pth")
    assert torch.equal(vit.backbone.position[:, 1:], state["pos_embed"])


def changed(state: dict[str, Tensor], fault: str) -> dict[str, Tensor]:
    first = next(name for name in state if name.endswith("proj.weight") or "conv1" in name)
    changes: dict[str, dict[str, Tensor]] = {
        "missing": {},
        "extra": {"blocks.0.ls1.gamma": torch.ones(4)},
        "size": {first: torch.ones(5, 3, 16, 16)},
        "infinite": {first: state[first] / 0},
    }
    found = {**state, **changes[fault]}
    return {k: v for k, v in found.items() if fault != "missing" or k != first}


FAULTS = {
    "missing": r"^f\.pth is no .* for this model: 1 keys missing \([a-z_.]+[0-9.a-z_]*\)$",
    "extra": r"^f\.pth is no .* for this model: 1 keys not known \(blocks\.0\.ls1\.gamma\)$",
    "size": r"^f\.pth: [a-z_.0-9]+ has shape \[5, 3, 16, 16\], which does not fit .*: give the ",
    "infinite": r"^f\.pth: [a-z_.0-9]+ holds values that are not finite$",
}


@pytest.mark.parametrize("fault", list(FAULTS))
def test_what_does_not_fit_is_named(fault: str) -> None:
    tiny = {"dim": DIM, "depth": 3, "heads": HEADS, "pretrained": GRID}
    cases: tuple[tuple[Callable[..., None], nn.Module, dict[str, Tensor]], ...] = (
        (vitmatte.backbone, build(find("vitmatte-tiny"), tiny), plain_vit()),
        (hdmatt.backbone, build(find("hdmatt-tiny")), resnet34(8)),
        (regional.backbone, build(find("regional-tiny")), swin_t(16, (2, 2, 4, 1), 16)),
    )
    for take, net, state in cases:
        before = {name: value.clone() for name, value in net.state_dict().items()}
        with pytest.raises(CheckpointError, match=FAULTS[fault]):
            take(net, changed(state, fault), "f.pth")
        for name, value in net.state_dict().items():
            assert torch.equal(value, before[name]), name
        take(net, state, "f.pth")


def resnet34(width: int = 64) -> dict[str, Tensor]:
    """torchvision's names of a ResNet-34."""

    def norm(name: str, channels: int) -> dict[str, tuple[int, ...]]:
        parts = ("weight", "bias", "running_mean", "running_var")
        return {f"{name}.{part}": (channels,) for part in parts}

    shapes: dict[str, tuple[int, ...]] = {"conv1.weight": (width, 3, 7, 7), **norm("bn1", width)}
    before = width
    for i, blocks in enumerate(BLOCKS):
        out = width << i
        for block in range(blocks):
            name = f"layer{i + 1}.{block}"
            shapes[f"{name}.conv1.weight"] = (out, before, 3, 3)
            shapes[f"{name}.conv2.weight"] = (out, out, 3, 3)
            shapes |= {**norm(f"{name}.bn1", out), **norm(f"{name}.bn2", out)}
            if before != out:
                shapes[f"{name}.downsample.0.weight"] = (out, before, 1, 1)
                shapes |= norm(f"{name}.downsample.1", out)
            before = out
    shapes |= {"fc.weight": (10, 8 * width), "fc.bias": (10,)}
    found = values(shapes)
    return {k: v.abs() + 0.5 if k.endswith("running_var") else v for k, v in found.items()}


@pytest.mark.parametrize("counts", [False, True])
def test_a_resnet_starts_hdmatt_s_encoder(counts: bool) -> None:
    """All but ASPP is taken, and the trimap's channels count for nothing yet."""
    state = resnet34(8)
    if counts:  # as newer files have them
        norms = [k.removesuffix("running_var") for k in state if k.endswith("running_var")]
        state |= {f"{name}num_batches_tracked": torch.tensor(7) for name in norms}
    net = build(find("hdmatt-tiny"))
    assert isinstance(net, HDMatt) and isinstance(net.encoder, Encoder)
    hdmatt.backbone(net, state, "resnet34.pth")
    own = net.encoder.state_dict()
    for name, value in state.items():
        if name != "conv1.weight" and not name.startswith("fc.") and "batches" not in name:
            assert torch.equal(own[name], value), name
    image, trimaps = torch.rand(2, 3, 32, 32), torch.rand(2, 2, 3, 32, 32)
    with torch.no_grad():
        one, other = (net.encoder.shallow(image, trimap)[0] for trimap in trimaps)
    assert torch.equal(one, other) and one.std() > 0


def swin_t(
    width: int, depths: tuple[int, ...], head: int, patch: int = 4, timm: bool = False
) -> dict[str, Tensor]:
    """The authors' names of a Swin, or timm's, which has merges at the start of the next stage."""
    shapes: dict[str, tuple[int, ...]] = {
        "patch_embed.proj.weight": (width, 3, patch, patch),
        "patch_embed.proj.bias": (width,),
        "patch_embed.norm.weight": (width,),
        "patch_embed.norm.bias": (width,),
        "norm.weight": (8 * width,),
        "head.weight": (10, 8 * width),
        "layers.0.blocks.1.attn_mask": (4, 49, 49),
        "layers.0.blocks.0.attn.relative_position_index": (49, 49),
    }
    for i, depth in enumerate(depths):
        c = width << i
        layers = {"attn.qkv": (3 * c, c), "attn.proj": (c, c)}
        layers |= {"mlp.fc1": (4 * c, c), "mlp.fc2": (c, 4 * c)}
        for j in range(depth):
            block = f"layers.{i}.blocks.{j}"
            for layer, shape in layers.items():
                shapes[f"{block}.{layer}.weight"] = shape
                shapes[f"{block}.{layer}.bias"] = shape[:1]
            for norm in ("norm1", "norm2"):
                shapes[f"{block}.{norm}.weight"] = shapes[f"{block}.{norm}.bias"] = (c,)
            shapes[f"{block}.attn.relative_position_bias_table"] = (169, c // head)
        if i < len(depths) - 1:
            merge = f"layers.{i + timm}.downsample"
            shapes[f"{merge}.reduction.weight"] = (2 * c, 4 * c)
            shapes[f"{merge}.norm.weight"] = shapes[f"{merge}.norm.bias"] = (4 * c,)
    return values(shapes)


def test_a_swin_of_smaller_patches_sees_the_picture_reduced() -> None:
    """Patches of 16 of a picture answer as patches of 4 of its means of 4x4 pixels."""
    depths = (2, 2, 2, 1)
    state = swin_t(16, depths, 16)
    net = Regional(width=16, head_width=16, depth3=2, depth4=1, decoder=8, region=8, token=8)
    regional.backbone(net, state, "swin.pth")
    small = Swin(16, depths, 16, patch=4)
    whole = net.coarse_net.encoder.state_dict()
    small.load_state_dict({**whole, "embed.weight": state["patch_embed.proj.weight"]})
    image = torch.randn(1, 3, 256, 128, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        found = net.coarse_net.encoder(image)
        expected = small(F.avg_pool2d(image, 4))
    for one, other in zip(found, expected, strict=True):
        assert other.std() > 0.05
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


def test_both_layouts_of_swin_start_the_same_net() -> None:
    nets = []
    for timm in (False, True):
        net = build(find("regional-tiny"))
        assert isinstance(net, Regional)
        regional.backbone(net, swin_t(16, (2, 2, 4, 1), 16, timm=timm), "swin.pth")
        nets.append(net.coarse_net.encoder)
    for name, value in nets[0].state_dict().items():
        assert torch.equal(value, nets[1].state_dict()[name]), name
    state = swin_t(16, (2, 2, 4, 1), 16)
    for ours, theirs in (
        ("merges.1.reduction.weight", "layers.1.downsample.reduction.weight"),
        ("stages.2.3.attention.bias_table", "layers.2.blocks.3.attn.relative_position_bias_table"),
        ("stages.3.0.mlp.2.bias", "layers.3.blocks.0.mlp.fc2.bias"),
        ("norm.weight", "patch_embed.norm.weight"),
    ):
        assert torch.equal(nets[0].state_dict()[ours], state[theirs]), ours


def test_layers_near_the_picture_learn_slower() -> None:
    """0.65 to the number of blocks above, and one more; decoder, necks: 1."""
    for name, blocks_above in (
        ("backbone.embed.weight", 12),
        ("backbone.position", 12),
        ("backbone.blocks.0.mlp.0.bias", 11),
        ("backbone.blocks.11.attention.qkv.weight", 0),
    ):
        assert layer_decay(name, "backbone.", 12, 0.65) == pytest.approx(0.65 ** (1 + blocks_above))
    for name in ("backbone.blocks.5.neck.conv1.weight", "decoder.head.0.weight"):
        assert layer_decay(name, "backbone.", 12, 0.65) == 1


@pytest.mark.parametrize("pretrained", [False, True])
def test_groups_hold_each_parameter_once_with_its_rate_and_decay(pretrained: bool) -> None:
    net, known = build(find("vitmatte-tiny")), recipe("vitmatte-s")  # 4 blocks are enough
    groups = make_optimizer(known, net, pretrained=pretrained).param_groups
    names = {id(parameter): name for name, parameter in net.named_parameters()}
    found = {names[id(p)]: group for group in groups for p in group["params"]}
    assert found.keys() == set(names.values()) and sum(len(g["params"]) for g in groups) == len(
        names
    )
    assert found["backbone.blocks.1.attention.qkv.weight"]["weight_decay"] == 0.1
    for name in ("backbone.position", "backbone.blocks.1.norm1.weight", "decoder.head.0.bias"):
        assert found[name]["weight_decay"] == 0
    scale = found["backbone.blocks.1.attention.qkv.weight"]["scale"]
    assert scale == pytest.approx(0.65**3 if pretrained else 1)  # 4 blocks
    assert found["decoder.head.0.weight"]["scale"] == 1


def test_the_command_starts_from_a_backbone_and_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """After a step at almost no rate it is still there; the second command needs no file."""
    state = plain_vit(dim=384, depth=12, grid=14)
    torch.save({"model": state}, tmp_path / "mae.pth")
    command = ["train", "--model", "vitmatte-s", "--procedural", "--size", "64", "--batch", "2"]
    command += ["--workers", "0", "--output", str(tmp_path / "run"), "--learning-rate", "1e-9"]
    backbone = ["--backbone", str(tmp_path / "mae.pth")]
    assert main([*command, "--steps", "1", *backbone]) == 0
    stored = read_state(tmp_path / "run/model.safetensors")
    for ours, theirs in (
        ("backbone.blocks.11.attention.qkv.weight", "blocks.11.attn.qkv.weight"),
        ("backbone.position", "pos_embed"),
    ):
        torch.testing.assert_close(stored[ours], state[theirs], atol=1e-6, rtol=0)
    (tmp_path / "mae.pth").unlink()
    assert main([*command, "--steps", "2", *backbone]) == 0
    groups = torch.load(tmp_path / "run/training-state.pt", weights_only=True)["optimizer"]
    scales = sorted({group["scale"] for group in groups["param_groups"]})
    assert scales == pytest.approx([0.65**power for power in range(13, -1, -1)])
    capsys.readouterr()
    torch.save({"model": plain_vit()}, tmp_path / "mae.pth")
    other = [*command[:-3], str(tmp_path / "other"), "--steps", "1", *backbone]
    assert main(other) == 2 and not (tmp_path / "other").exists()
    err = capsys.readouterr().err
    assert "no plain ViT in DINO's or MAE's layout for this model: 108 keys missing" in err
