"""ViTMatte: published sizes, attention by its definition, transformers' numbers, checkpoints."""

import json
import shutil
import sys
import types
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import save_file  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from edgematte.checkpoint import build, load_model, random_model  # noqa: E402
from edgematte.errors import CheckpointError  # noqa: E402
from edgematte.models.vit.attention import Attention  # noqa: E402
from edgematte.models.vit.network import Neck, ViT  # noqa: E402
from edgematte.models.vitmatte.keys import AUTHORS, TRANSFORMERS, from_official, to_official  # noqa: E402
from edgematte.models.vitmatte.network import ViTMatte  # noqa: E402
from edgematte.nets import find  # noqa: E402
from edgematte.published import COUNTS  # noqa: E402

pytestmark = pytest.mark.export


def tiny(**options: int) -> ViTMatte:
    model, _ = random_model(find("vitmatte-tiny"), options, 3)
    assert isinstance(model, ViTMatte)
    return model


def pictures(count: int, height: int, width: int) -> tuple[Any, Any]:
    generator = torch.manual_seed(2)
    small = torch.rand(count, 3, height // 16, width // 16, generator=generator)
    image = torch.nn.functional.interpolate(small, (height, width), mode="bicubic").clamp(0, 1)
    trimap = torch.randint(0, 3, (count, 1, height // 16, width // 16), generator=generator) / 2
    return image, trimap.repeat_interleave(16, 2).repeat_interleave(16, 3)


def test_parameters_are_those_of_the_authors_code() -> None:
    for name, count in (("vitmatte-s", 25_814_753), ("vitmatte-b", 96_686_561)):
        with torch.device("meta"):
            assert sum(p.numel() for p in build(find(name)).parameters()) == count
    assert sum(p.numel() for p in build(find("vitmatte-tiny")).parameters()) <= 1_000_000


@pytest.mark.parametrize(
    ("name", "ours", "published"), [("vitmatte-s", 58.3, 59.740), ("vitmatte-b", 141.1, 150.958)]
)
def test_multiply_adds_at_512(name: str, ours: float, published: float) -> None:
    """The published code projects padded tokens too; here relative positions are in q . k."""
    with torch.device("meta"):
        model = build(find(name))
        inputs = torch.zeros(1, 3, 512, 512), torch.zeros(1, 1, 512, 512)
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            model(*inputs)
    found = counter.get_total_flops() / 2e9
    config: Any = model.config
    dim, heads = config["dim"], config["heads"]
    padding = 8 * (42 * 42 - 32 * 32) * 4 * dim**2
    relative = heads * (4 * 1024**2 * (32 + 32) + 8 * 9 * 196**2 * (14 + 14))
    assert round(found, 1) == ours == COUNTS[name][0].macs_g
    assert COUNTS[name][0].published_macs_g == f"{published:.1f}"
    assert found + (padding - relative) / 1e9 == pytest.approx(published, abs=1e-3)


@pytest.mark.parametrize(
    ("height", "width", "window"), [(4, 6, 0), (5, 7, 3), (2, 3, 4), (3, 3, 3)]
)
def test_attention_is_its_definition(height: int, width: int, window: int) -> None:
    """Token by token, after zero padding to whole windows; grids the tables were not made for."""
    torch.manual_seed(0)
    heads, depth, grid = 2, 4, window or 5
    module = Attention(heads * depth, heads, grid, window)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(1, height, width, heads * depth)
    rows, columns = window or height, window or width
    tall, wide = -(-height // rows) * rows, -(-width // columns) * columns
    padded = torch.zeros(tall, wide, heads * depth)
    padded[:height, :width] = x[0]
    tables = [
        torch.nn.functional.interpolate(t.T[None], 2 * n - 1, mode="linear")[0].T
        for t, n in ((module.relative_rows, rows), (module.relative_columns, columns))
    ]
    wanted = torch.zeros(height, width, heads * depth)
    with torch.no_grad():
        q, k, v = module.qkv(padded).reshape(tall, wide, 3, heads, depth).unbind(2)
        for h in range(heads):
            for y in range(height):
                for i in range(width):
                    top, left = y // rows * rows, i // columns * columns
                    keys = [(r, c) for r in range(rows) for c in range(columns)]
                    logits = torch.stack(
                        [
                            q[y, i, h] @ k[top + r, left + c, h] / depth**0.5
                            + q[y, i, h] @ tables[0][y - top - r + rows - 1]
                            + q[y, i, h] @ tables[1][i - left - c + columns - 1]
                            for r, c in keys
                        ]
                    )
                    values = torch.stack([v[top + r, left + c, h] for r, c in keys])
                    part = slice(h * depth, (h + 1) * depth)
                    wanted[y, i, part] = logits.softmax(0) @ values
        found = module(x, module.constants(height, width))[0]
        torch.testing.assert_close(found, module.proj(wanted), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["tiny", "vitmatte-s"])
def test_equal_to_transformers(name: str) -> None:
    transformers = pytest.importorskip("transformers")
    model, _ = random_model(find("vitmatte-tiny") if name == "tiny" else find("vitmatte-s"), {}, 0)
    assert isinstance(model, ViTMatte)
    c = model.config
    blocks = range(c["depth"])
    backbone = transformers.VitDetConfig(
        hidden_size=c["dim"],
        num_hidden_layers=c["depth"],
        num_attention_heads=c["heads"],
        image_size=16 * c["grid"],
        pretrain_image_size=16 * c["pretrained"],
        num_channels=4,
        window_size=c["window"],
        window_block_indices=[i for i in blocks if i % c["group"] < c["local"]],
        residual_block_indices=[i for i in blocks if (i + 1) % c["group"] == 0],
        use_relative_position_embeddings=True,
        out_features=[f"stage{c['depth']}"],
    )
    config = transformers.VitMatteConfig(
        backbone_config=backbone,
        hidden_size=c["dim"],
        convstream_hidden_sizes=[c["detail"] << i for i in range(3)],
        fusion_hidden_sizes=[c["fusion"] >> i for i in range(4)],
    )
    oracle = transformers.VitMatteForImageMatting(config).eval()
    oracle.load_state_dict(to_official(model.state_dict()))
    for height, width in [(64, 96), (480, 608)] if name == "tiny" else [(64, 96), (256, 224)]:
        image, trimap = pictures(1, height, width)
        with torch.no_grad():
            wanted = oracle(pixel_values=model.normalise(image, trimap)).alphas
            found = model(image, trimap)
        assert float(wanted.std()) > 0.05
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)


def windows_of(model: ViTMatte) -> list[int]:
    return [m.window for m in model.modules() if isinstance(m, Attention)]


def test_options_of_the_ablations() -> None:
    plain = tiny()
    assert windows_of(plain) == [5, 0, 5, 0]
    for local, windows in ((0, [0, 0, 0, 0]), (2, [5, 5, 5, 5])):
        model = tiny(local=local)
        assert windows_of(model) == windows
    without = tiny(conv_neck=0)
    assert sum(isinstance(m, Neck) for m in plain.modules()) == 2
    assert not any(isinstance(m, Neck) for m in without.modules())


def reach(local: int) -> Any:
    """Whether each patch's features change with the picture's first patch: (h, w)."""
    torch.manual_seed(0)
    sizes = {"dim": 12, "depth": 2, "heads": 2, "window": 3, "group": 2, "pretrained": 4}
    net = ViT(**sizes, grid=4, local=local, conv_neck=False).eval()
    x = torch.rand(1, 4, 128, 128)
    other = x.clone()
    other[:, :, :16, :16] = 1 - other[:, :, :16, :16]
    with torch.no_grad():
        return (net(x) - net(other)).abs().amax(dim=(0, 1)) > 1e-7


def test_windows_keep_apart_what_global_attention_and_necks_join() -> None:
    alone = reach(2)
    assert alone[:3, :3].all() and alone.sum() == 9
    assert reach(1).all()
    assert reach(0).all()


def test_grid_sampling_keeps_to_patches_a_step_apart_and_their_distances() -> None:
    """A lattice attends as a map of its own would whose tables hold every third offset."""
    torch.manual_seed(0)
    whole = Attention(8, 2, 6)
    for parameter in whole.parameters():
        torch.nn.init.normal_(parameter)
    part = Attention(8, 2, 2)
    state = whole.state_dict()
    for name in ("relative_rows", "relative_columns"):
        state[name] = state[name][2:-2:3]  # offsets -3, 0, 3 of -5 .. 5
    part.load_state_dict(state)
    x = torch.randn(2, 6, 6, 8)
    with torch.no_grad():
        found = whole(x, whole.constants(6, 6, lattice=3))
        for y in range(3):
            for i in range(3):
                lattice = x[:, y::3, i::3]
                wanted = part(lattice, part.constants(2, 2))
                torch.testing.assert_close(found[:, y::3, i::3], wanted, atol=1e-5, rtol=1e-5)


def test_gradients_reach_every_parameter() -> None:
    model = tiny().train()
    model(*pictures(2, 96, 64)).square().mean().backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


def official_names(state: dict[str, Any], layout: str) -> dict[str, Any]:
    """Our state under published names, written from what is known of those files."""
    found = {}
    for name, value in state.items():
        if name in ("mean", "std"):
            continue
        if ".neck.conv1." in name or ".neck.conv3." in name:
            value = value[:, :, None, None]
        name = name.replace("backbone.position", "backbone.pos_embed")
        name = name.replace("backbone.embed.", "backbone.patch_embed.proj.")
        name = name.replace(".attention.", ".attn.").replace(".neck.", ".residual.")
        name = name.replace("relative_rows", "rel_pos_h").replace("relative_columns", "rel_pos_w")
        name = name.replace(".mlp.0.", ".mlp.fc1.").replace(".mlp.2.", ".mlp.fc2.")
        name = name.replace("decoder.head.", "decoder.matting_head.matting_convs.")
        for i in range(4):
            theirs = f"decoder.fusion_blks.{i}.conv"
            name = name.replace(f"decoder.fusion.{i}.0.", f"{theirs}.conv.")
            name = name.replace(f"decoder.fusion.{i}.1.", f"{theirs}.bn.")
            theirs = f"decoder.convstream.convs.{i}"
            name = name.replace(f"decoder.stream.{i}.0.", f"{theirs}.conv.")
            name = name.replace(f"decoder.stream.{i}.1.", f"{theirs}.bn.")
        if layout == "transformers":
            name = name.replace("backbone.pos_embed", "backbone.embeddings.position_embeddings")
            name = name.replace("backbone.patch_embed.proj", "backbone.embeddings.projection")
            name = name.replace("backbone.blocks", "backbone.encoder.layer")
            name = name.replace(".attn.", ".attention.").replace("fusion_blks", "fusion_blocks")
            name = name.replace(".bn.", ".batch_norm.")
        found[name] = value
    return found


@pytest.mark.parametrize("layout", ["authors", "transformers"])
def test_both_published_layouts_load(layout: str, tmp_path: Path) -> None:
    model = tiny()
    published = official_names(model.state_dict(), layout)
    if layout == "authors":
        file = tmp_path / "ViTMatte.pth"
        torch.save(published, file)
    else:
        file = tmp_path
        save_file({k: v.contiguous() for k, v in published.items()}, file / "model.safetensors")
        (file / "config.json").write_text('{"model_type": "vitmatte", "hidden_size": 96}')
    loaded, weights = load_model(find("vitmatte-tiny"), file)
    assert weights.source == (
        f"{file.name} (normalisation: the official one, none is stored, mean 0.485 0.456 0.406, "
        "std 0.229 0.224 0.225)"
    )
    for name, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name


@pytest.mark.parametrize("layout", ["authors", "transformers"])
def test_a_state_goes_back_to_the_layout_it_came_from(layout: str) -> None:
    published = official_names(tiny().state_dict(), layout)
    back = to_official(from_official(published), AUTHORS if layout == "authors" else TRANSFORMERS)
    assert back.keys() == published.keys()
    assert all(torch.equal(back[name], value) for name, value in published.items())


def test_the_layout_of_s_has_258_entries() -> None:
    with torch.device("meta"):
        state = build(find("vitmatte-s")).state_dict()
    assert len(to_official(state)) == 258
    assert from_official(state) is state


def folder(path: Path, model: ViTMatte, preprocessor: Any = None) -> Path:
    path.mkdir(exist_ok=True)
    state = {k: v.contiguous() for k, v in to_official(model.state_dict()).items()}
    save_file(state, path / "model.safetensors")
    (path / "config.json").write_text(json.dumps({"model_type": "vitmatte"}))
    if preprocessor is not None:
        (path / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    return path


def test_normalisation_is_the_preprocessors(tmp_path: Path) -> None:
    model = tiny()
    half = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.25, 0.5, 0.5], "do_normalize": True}
    loaded, weights = load_model(find("vitmatte-tiny"), folder(tmp_path / "net", model, half))
    assert isinstance(loaded, ViTMatte)
    assert "net (normalisation: preprocessor_config.json, mean 0.5 0.5 0.5, std 0.25" in (
        weights.source
    )
    image, trimap = pictures(1, 64, 64)
    normalised = loaded.normalise(image, trimap)
    torch.testing.assert_close(normalised[:, 0], (image[:, 0] - 0.5) / 0.25)
    assert torch.equal(normalised[:, 3:], trimap)
    with torch.no_grad():
        assert (loaded(image, trimap) - model(image, trimap)).abs().max() > 1e-3
    loaded, _ = load_model(
        find("vitmatte-tiny"), folder(tmp_path / "net", model, {"do_normalize": False})
    )
    assert isinstance(loaded, ViTMatte)
    assert torch.equal(loaded.normalise(image, trimap)[:, :3], image)


@pytest.mark.parametrize("mean", [[0.5], "bright", [0.5, 0.5, float("nan")], None])
def test_a_preprocessor_that_makes_no_sense_is_named(mean: Any, tmp_path: Path) -> None:
    folder(tmp_path, tiny(), {"image_mean": mean, "image_std": [0.5, 0.5, 0.5]})
    with pytest.raises(CheckpointError, match="preprocessor_config.json"):
        load_model(find("vitmatte-tiny"), tmp_path)


def test_a_checkpoint_of_another_size_says_which(tmp_path: Path) -> None:
    save_file(to_official(tiny().state_dict()), tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match="holds vitmatte-tiny, not vitmatte-s: give model"):
        load_model(find("vitmatte-s"), tmp_path)


def test_missing_and_extra_keys_are_named(tmp_path: Path) -> None:
    state = official_names(tiny().state_dict(), "authors")
    state["backbone.blocks.9.surprise"] = state.pop("backbone.pos_embed")
    state["backbone.pos_embed"] = state.pop("decoder.convstream.convs.0.bn.weight")
    torch.save(state, tmp_path / "model.pth")
    with pytest.raises(CheckpointError, match=r"decoder.stream.0.1.weight.*blocks.9.surprise"):
        load_model(find("vitmatte-tiny"), tmp_path / "model.pth")


def stand_in(monkeypatch: pytest.MonkeyPatch, snapshot_download: Any) -> None:
    """A huggingface_hub that knows the commit of every revision, and downloads by a function."""

    class HfApi:
        def repo_info(self, repository: str, revision: str | None) -> types.SimpleNamespace:
            return types.SimpleNamespace(sha=f"commit of {revision}")

    hub = types.ModuleType("huggingface_hub")
    monkeypatch.setattr(hub, "snapshot_download", snapshot_download, raising=False)
    monkeypatch.setattr(hub, "HfApi", HfApi, raising=False)
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)


def test_a_name_on_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, asked = tiny(), []

    def snapshot_download(repository: str, **options: Any) -> str:
        asked.append((repository, options["revision"]))
        return str(folder(tmp_path, model))

    stand_in(monkeypatch, snapshot_download)
    loaded, weights = load_model(find("vitmatte-tiny"), Path("hf:someone/vitmatte-tiny@main"))
    assert asked == [("someone/vitmatte-tiny", "commit of main")]
    assert weights.source.startswith("hf:someone/vitmatte-tiny@main (normalisation")
    assert torch.equal(loaded.state_dict()["backbone.position"], model.backbone.position)


@pytest.mark.parametrize(
    ("held", "fetched"),
    [
        (["model.safetensors", "pytorch_model.bin"], ["model.safetensors"]),
        (["model.safetensors"], ["model.safetensors"]),
        (["pytorch_model.bin"], ["pytorch_model.bin"]),
    ],
)
def test_of_the_same_weights_in_two_files_one_is_fetched(
    held: list[str], fetched: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repository of both is fetched as if it had no second one."""
    repository, cache = tmp_path / "repository", tmp_path / "cache"
    for place in (repository, cache):
        place.mkdir()
    model = tiny()
    save_file(to_official(model.state_dict()), repository / "model.safetensors")
    torch.save(to_official(model.state_dict()), repository / "pytorch_model.bin")
    (repository / "config.json").write_text("{}")
    (repository / "README.md").write_text("not asked for")
    for name in {"model.safetensors", "pytorch_model.bin"} - set(held):
        (repository / name).unlink()

    def snapshot_download(name: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        for file in repository.iterdir():
            if any(fnmatch(file.name, pattern) for pattern in allow_patterns):
                shutil.copy(file, cache)
        return str(cache)

    stand_in(monkeypatch, snapshot_download)
    loaded, _ = load_model(find("vitmatte-tiny"), Path("hf:someone/net"))
    assert torch.equal(loaded.state_dict()["backbone.position"], model.backbone.position)
    assert sorted(f.name for f in cache.iterdir()) == ["config.json", *fetched]


def test_a_hub_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(CheckpointError, match=r"pip install \"edgematte\[hub\]\""):
        load_model(find("vitmatte-tiny"), Path("hf:someone/net"))

    def snapshot_download(repository: str, **options: Any) -> str:
        raise OSError("no route to host\nand more")

    stand_in(monkeypatch, snapshot_download)
    with pytest.raises(CheckpointError, match=r"hf:someone/net could not be .*no route to host\)"):
        load_model(find("vitmatte-tiny"), Path("hf:someone/net"))
