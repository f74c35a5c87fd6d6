"""The regional net: published sizes, its parts by their definitions, the authors' checkpoints."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from edgematte.checkpoint import build, load_model, random_model  # noqa: E402
from edgematte.errors import CheckpointError  # noqa: E402
from edgematte.models.regional.keys import from_official  # noqa: E402
from edgematte.models.regional.neighbours import relative_positions  # noqa: E402
from edgematte.models.regional.network import UNKNOWN, Regional, crop_cells, paste_cells  # noqa: E402
from edgematte.models.regional.refine import RegionAttention  # noqa: E402
from edgematte.registry import REGIONAL, REGIONAL_TINY  # noqa: E402

pytestmark = pytest.mark.export


def macs(call: Any, *inputs: Any) -> float:
    """1e9 multiply-adds, by shapes alone."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        call(*inputs)
    return float(counter.get_total_flops()) / 2e9


def per_region(model: Regional) -> tuple[float, float]:
    """1e9 multiply-adds of one region's convolutions, and of its attention."""
    n = 64
    regions = torch.zeros(n, 4, 8, 8, device="meta")
    tokens, bias = torch.zeros(n, 9, 128, device="meta"), torch.zeros(n, 8, 9, 9, device="meta")

    def whole() -> None:
        model.refine(tokens, bias, model.encode(regions)[1])

    alone = macs(model.refine_alone, regions) / n
    return alone, macs(whole) / n - alone


def test_parameters_are_those_of_the_authors_code() -> None:
    assert sum(p.numel() for p in Regional().parameters()) == 31_257_579
    assert sum(p.numel() for p in build(REGIONAL_TINY).parameters()) <= 1_000_000


@pytest.mark.parametrize(
    ("size", "coarse_g"), [((1152, 1792), 16.36), ((2304, 3456), 62.31), ((896, 896), 6.04)]
)
def test_multiply_adds_of_the_coarse_net(size: tuple[int, int], coarse_g: float) -> None:
    model = Regional().to("meta")
    image = torch.zeros(1, 3, *size, device="meta")
    # With the heads that are supervised only, as in the authors' count: 0.01 % more.
    assert round(macs(model.coarse_net.train(), image), 2) == coarse_g
    assert macs(model.coarse_net.eval(), image) == pytest.approx(coarse_g, rel=1e-3)


def test_multiply_adds_of_regions_and_of_frames() -> None:
    model = Regional().to("meta").eval()
    convolutions, attention = per_region(model)
    assert (round(convolutions * 1e3, 3), round(attention * 1e3, 3)) == (2.393, 1.285)
    # Table 4; it gives the mean over frames, whose regions are known to about 4 %.
    for size, regions, row, published, published_without in (
        ((1152, 1792), 1401, REGIONAL.counts[0], 21.2, 19.4),
        ((2304, 3456), 3036, REGIONAL.counts[1], 74.6, 70.7),
    ):
        coarse = macs(model.coarse, torch.zeros(1, 3, *size, device="meta"))
        whole = coarse + regions * (convolutions + attention)
        assert row.what == f"{size[1]}x{size[0]}, {regions} regions"
        assert round(whole, 1) == row.macs_g and float(row.published_macs_g) == published
        assert whole == pytest.approx(published, rel=0.02)
        assert coarse + regions * convolutions == pytest.approx(published_without, rel=0.02)


def tiny(**options: int) -> Regional:
    model, _ = random_model(REGIONAL_TINY, options, 3)
    assert isinstance(model, Regional)
    return model


def frames(count: int, height: int, width: int) -> Any:
    small = torch.rand(count, 3, height // 16, width // 16, generator=torch.manual_seed(2))
    return torch.nn.functional.interpolate(small, (height, width), mode="bicubic").clamp(0, 1)


def test_a_frame_of_1024_is_the_authors_only_without_the_last_shift() -> None:
    """Their last stage never shifts, and the trimap shows it from 1024x1024 on, not below."""
    assert REGIONAL.config["last_shift"] == 0 == Regional().config["last_shift"]
    models = [tiny(depth4=2, last_shift=shifted) for shifted in (0, 1)]
    models[1].load_state_dict(models[0].state_dict())
    for side, apart in ((896, False), (1024, True)):
        with torch.no_grad():
            ours, other = (model.coarse(frames(1, side, side)).cell_trimap for model in models)
        assert ((ours - other).abs().max() > 1e-3) == apart
        assert torch.equal(ours, other) != apart


@pytest.mark.parametrize("cra", [0, 1])
def test_known_cells_keep_the_coarse_alpha_and_unknown_ones_are_refined(cra: int) -> None:
    model = tiny(cra=cra)
    image = frames(1, 128, 256)
    with torch.no_grad():
        found = model(image)
    assert found.alpha.shape == (1, 1, 128, 256)
    assert 0 <= float(found.alpha.min()) and float(found.alpha.max()) <= 1
    torch.testing.assert_close(found.cell_trimap.sum(dim=1), torch.ones(1, 16, 32))
    unknown = found.cell_trimap[0].argmax(dim=0) == UNKNOWN
    assert 20 < int(unknown.sum()) < 400
    cells = found.alpha[0, 0].reshape(16, 8, 32, 8).permute(0, 2, 1, 3)
    plain = found.cell_alpha[0, 0][..., None, None].expand_as(cells)
    assert torch.equal(cells[~unknown], plain[~unknown])
    assert (cells[unknown] != plain[unknown]).float().mean() > 0.9
    assert float(cells[unknown].std()) > 0.02


def test_training_supervises_three_levels_and_inference_only_the_finest() -> None:
    model = tiny()
    shapes = [tuple(level.alpha.shape) for level in model.coarse_net.train()(frames(2, 128, 256))]
    assert shapes == [(2, 1, 16, 32), (2, 1, 8, 16), (2, 1, 4, 8)]
    assert len(model.coarse_net.eval()(frames(2, 128, 256))) == 1


def test_frames_of_a_batch_have_their_own_neighbours() -> None:
    model, images = tiny(), frames(3, 128, 128)
    with torch.no_grad():
        together = model(images).alpha
        alone = torch.cat([model(image[None]).alpha for image in images])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("count", [0, 1, 2, 9, 256])
def test_any_number_of_unknown_cells(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny()
    plain = model.coarse

    def some(image: Any) -> Any:
        trimap = torch.zeros(1, 3, 256)
        trimap[:, 0] = 0.5
        trimap[:, UNKNOWN, torch.randperm(256)[:count]] = 1
        return plain(image)._replace(cell_trimap=trimap.reshape(1, 3, 16, 16))

    monkeypatch.setattr(model, "coarse", some)
    with torch.no_grad():
        alpha = model(frames(1, 128, 128)).alpha
    assert torch.isfinite(alpha).all() and 0 <= alpha.min() and alpha.max() <= 1


def test_gradients_reach_every_parameter() -> None:
    model = tiny().train()
    levels = model.coarse_net(frames(2, 128, 128))
    found = model(frames(2, 128, 128))
    loss = found.alpha.mean() + sum(lv.alpha.mean() + lv.trimap.square().mean() for lv in levels)
    loss.backward()
    assert [n for n, p in model.named_parameters() if p.grad is None] == []


def test_context_comes_from_the_nearest_regions_only() -> None:
    """A region's alpha changes with a neighbour's pixels, and not with those of the tenth."""
    model = tiny()
    where = torch.tensor([[0, 0, 3 * i] for i in range(12)])
    regions = frames(12, 128, 128)[:, :1, :8, :8].expand(-1, 4, -1, -1)
    with torch.no_grad():
        before = model.refined(regions, where)[0]
        far, near = regions.clone(), regions.clone()
        far[9:] = 1 - far[9:]
        near[8] = 1 - near[8]
        torch.testing.assert_close(model.refined(far, where)[0], before, atol=1e-6, rtol=0)
        assert (model.refined(near, where)[0] - before).abs().max() > 1e-5


@pytest.mark.parametrize("central", [False, True])
def test_attention_is_equation_2_pair_by_pair(central: bool) -> None:
    torch.manual_seed(0)
    block = RegionAttention(8, 2, central=central).eval()
    tokens, bias = torch.randn(3, 5, 8), torch.randn(3, 2, 5, 5)
    with torch.no_grad():
        found = block(tokens, bias)
        normed = block.norm1(tokens)
        query = block.query(normed)
        key, value = block.key_value(normed).split(8, dim=-1)
        mixed = torch.zeros_like(tokens)
        for n in range(3):
            for i in range(5):
                for h, part in enumerate((slice(0, 4), slice(4, 8))):
                    logits = key[n, :, part] @ query[n, i, part] / 4**0.5 + bias[n, h, i]
                    mixed[n, i, part] = logits.softmax(dim=0) @ value[n, :, part]
        wanted = tokens + block.out(mixed)
        wanted = wanted + block.mlp(block.norm2(wanted))
    torch.testing.assert_close(found, wanted[:, :1] if central else wanted)


def entry(down: int, across: int, aliasing: bool, s: int = 4) -> int:
    """The table's entry from its definition; the last is for everything out of range."""
    flat = (down + s - 1) * (2 * s - 1) + across + s - 1
    inside = max(abs(down), abs(across)) < s
    if aliasing:
        inside = 0 <= flat < (2 * s - 1) ** 2
    return flat if inside else (2 * s - 1) ** 2


@pytest.mark.parametrize("aliasing", [False, True])
def test_relative_positions_by_either_rule(aliasing: bool) -> None:
    offsets = [(y, x) for y in range(-9, 10) for x in range(-9, 10)]
    cells = torch.tensor([[(20, 20), (20 + y, 20 + x)] for y, x in offsets])
    index = relative_positions(cells, 4, aliasing)
    assert index[:, 0, 1].tolist() == [entry(y, x, aliasing) for y, x in offsets]
    assert index[:, 1, 0].tolist() == [entry(-y, -x, aliasing) for y, x in offsets]
    assert set(index[:, 0, 0].tolist()) == {24}
    shared = sum(entry(y, x, True) < 49 and max(abs(y), abs(x)) >= 4 for y, x in offsets)
    assert shared > 20  # the two rules differ


def test_crop_and_paste_are_slices() -> None:
    planes = torch.rand(2, 3, 24, 32)
    where = torch.tensor([[0, 2, 1], [1, 0, 3]])
    regions = crop_cells(planes, where)
    assert torch.equal(regions[0], planes[0, :, 16:24, 8:16])
    assert torch.equal(regions[1], planes[1, :, 0:8, 24:32])
    pasted = paste_cells(planes, 1 - regions, where)
    wanted = planes.clone()
    wanted[0, :, 16:24, 8:16] = 1 - wanted[0, :, 16:24, 8:16]
    wanted[1, :, 0:8, 24:32] = 1 - wanted[1, :, 0:8, 24:32]
    assert torch.equal(pasted, wanted)


def official(model: Regional) -> dict[str, Any]:
    """A file of the authors' layout with a model's weights, written from that layout."""
    state = model.state_dict()
    mat: dict[str, Any] = {}

    def copy(theirs: str, ours: str) -> None:
        found = [k for k in state if k == ours or k.startswith(ours + ".")]
        assert found, ours
        for key in found:
            mat[theirs + key[len(ours) :]] = state[key]

    swin = "lowres_model.encoder.model.swin"
    copy(f"{swin}.patch_embed.proj", "coarse_net.encoder.embed")
    copy(f"{swin}.patch_embed.norm", "coarse_net.encoder.norm")
    for i, depth in enumerate((2, 2, model.config["depth3"], model.config["depth4"])):
        for j in range(depth):
            theirs = f"{swin}.layers.{i}.blocks.{j}"
            ours = f"coarse_net.encoder.stages.{i}.{j}"
            for name in ("norm1", "norm2"):
                copy(f"{theirs}.{name}", f"{ours}.{name}")
            copy(f"{theirs}.attn.proj", f"{ours}.attention.proj")
            copy(f"{theirs}.attn.relative_position_bias_table", f"{ours}.attention.bias_table")
            for kind in ("weight", "bias"):
                parts = state[f"{ours}.attention.qkv.{kind}"].chunk(3)
                for letter, part in zip("qkv", parts, strict=True):
                    mat[f"{theirs}.attn.qkv.{letter}_{kind}"] = part
            copy(f"{theirs}.mlp.fc1", f"{ours}.mlp.0")
            copy(f"{theirs}.mlp.fc2", f"{ours}.mlp.2")
            mat[f"{theirs}.attn.relative_position_index"] = torch.zeros(49, 49, dtype=torch.long)
            if j % 2:
                mat[f"{theirs}.attn_mask"] = torch.zeros(64, 49, 49)
        if i < 3:
            for kind, name in (("weight", "weights"), ("bias", "biases")):
                parts = state[f"coarse_net.encoder.merges.{i}.norm.{kind}"].chunk(4)
                for n, part in enumerate(parts):
                    mat[f"{swin}.layers.{i}.downsample.norm.{name}.{n}"] = part
            copy(
                f"{swin}.layers.{i}.downsample.reduction",
                f"coarse_net.encoder.merges.{i}.reduction",
            )
    mat["lowres_model.encoder.mean"] = mat["lowres_model.encoder.std"] = torch.ones(1, 3, 1, 1)
    for i in range(3):
        copy(f"lowres_model.decoder.up_blocks.{i + 1}.0.conv", f"coarse_net.ups.{i}")
        copy(f"trimap_heads.{i}", f"coarse_net.trimap_heads.{i}")
        copy(f"seg_heads.{i}", f"coarse_net.alpha_heads.{i}")
        for j in range(2):
            level = ("level8", "level4", "level2")[i]
            copy(f"roi_head.encoder.down_blocks.{i}.{j}", f"region_encoder.{level}.{j}")
            level = ("level4", "level8", "full")[i]
            theirs = f"roi_head.decoder.up_blocks.{i}.{j}"
            copy(f"{theirs}.deconv", f"region_decoder.{level}.{j}.conv")
            copy(f"{theirs}.norm", f"region_decoder.{level}.{j}.norm")
    copy("roi_matte_head", "region_decoder.head")
    copy("rel_pos_bias_table", "bias_table")
    copy("roi_head.enc_head", "cra.enter")
    copy("roi_head.dec_head", "cra.leave")
    for i, ours in enumerate(("cra.pairwise", "cra.central")):
        theirs = f"roi_head.transformer.layers.{i}"
        copy(f"{theirs}.0", f"{ours}.norm1")
        copy(f"{theirs}.2", f"{ours}.norm2")
        copy(f"{theirs}.3.net.0", f"{ours}.mlp.0")
        copy(f"{theirs}.3.net.3", f"{ours}.mlp.2")
        copy(f"{theirs}.1.to_out.0", f"{ours}.out")
    copy("roi_head.transformer.layers.1.1.to_q", "cra.central.query")
    copy("roi_head.transformer.layers.1.1.to_kv", "cra.central.key_value")
    mat["roi_head.transformer.layers.0.1.to_qkv.weight"] = torch.cat(
        [state["cra.pairwise.query.weight"], state["cra.pairwise.key_value.weight"]]
    )
    return {"mat_model": mat, "discriminator": {"conv.weight": torch.zeros(3)}, "step": 7}


@pytest.mark.parametrize("wrapped", [False, True])
def test_the_authors_checkpoints_load(wrapped: bool, tmp_path: Path) -> None:
    model = tiny()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.01)  # no two alike
    layout = official(model)
    if wrapped:  # as saved from several devices
        layout["mat_model"] = {f"module.{k}": v for k, v in layout["mat_model"].items()}
    torch.save(layout, tmp_path / "model.pth")
    loaded, _ = load_model(REGIONAL_TINY, tmp_path / "model.pth")
    for (name, a), (_, b) in zip(
        model.state_dict().items(), loaded.state_dict().items(), strict=True
    ):
        assert torch.equal(a, b), name


def test_keys_of_neither_layout_are_named(tmp_path: Path) -> None:
    layout = official(tiny())
    layout["mat_model"]["roi_head.surprise"] = torch.zeros(1)
    torch.save(layout, tmp_path / "model.pth")
    with pytest.raises(CheckpointError, match="roi_head.surprise"):
        load_model(REGIONAL_TINY, tmp_path / "model.pth")


def test_our_own_layout_passes_unchanged() -> None:
    state = tiny().state_dict()
    assert from_official(state) is state


def test_random_weights_answer_all_three_classes() -> None:
    """A tool chain tried with random weights has regions to refine, known cells, and a matte."""
    from edgematte.testcard import testcard

    for family, side in ((REGIONAL_TINY, 256), (REGIONAL, 256)):
        for seed in (0, 1):
            model, _ = random_model(family, {}, seed)
            picture = torch.from_numpy(testcard(side, side)).permute(2, 0, 1)[None] / 255
            with torch.no_grad():
                found = model(picture)
            won = found.cell_trimap.argmax(dim=1).flatten().bincount(minlength=3) / 32**2
            assert np.all(won.numpy() > 0.03), (family.name, seed, won)
            assert float(found.alpha.std()) > 0.1
