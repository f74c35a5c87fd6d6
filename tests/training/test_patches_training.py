"""HDMatt's training samples: a query and contexts of one scene; and that they train."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from edgematte.checkpoint import load_model
from edgematte.cli import main
from edgematte.errors import CheckpointError
from edgematte.models.hdmatt.network import HDMatt
from edgematte.registry import HDMATT_TINY
from edgematte.training.hdmatt import backbone, losses
from edgematte.training.pictures.patches import PatchSamples, collate_patches, make_patches
from edgematte.training.pictures.sources import Library


def test_a_query_has_unknown_pixels_and_its_contexts_agree_with_it(library: Library) -> None:
    overlapping = 0
    for seed in range(12):
        found = make_patches(np.random.default_rng(seed), library, 32, contexts=6)
        assert found.image.shape == (7, 32, 32, 3) and found.trimap.shape == (7, 32, 32)
        assert (found.trimap[0] == 128).any()
        assert (found.alpha[found.trimap[0] == 255] > 252).all()  # nearly opaque counts as opaque
        assert (found.alpha[found.trimap[0] == 0] < 3).all()
        for image, trimap in zip(found.image[1:], found.trimap[1:], strict=True):
            for dy, dx in np.ndindex(9, 9):  # a context shifted by so much shows the same there
                one, other = (np.s_[dy:, dx:], np.s_[: 32 - dy, : 32 - dx])
                if np.array_equal(found.image[0][one], image[other]) and image.std() > 5:
                    assert np.array_equal(found.trimap[0][one], trimap[other])
                    overlapping += 1
                    break
    assert overlapping > 3


def test_samples_are_those_of_their_index(library: Library) -> None:
    samples = PatchSamples(library, 32, seed=1, contexts=2)
    again, other = samples[3], samples[4]
    assert np.array_equal(samples[3].image, again.image)
    assert not np.array_equal(again.image, other.image)
    batch = collate_patches([again, other])
    assert batch.image.shape == (2, 3, 32, 32) and batch.alpha.shape == (2, 1, 32, 32)
    assert batch.context_images.shape == batch.context_trimaps.shape == (2, 2, 3, 32, 32)
    assert torch.equal(batch.trimap.sum(dim=1), torch.ones(2, 32, 32))
    unknown = torch.from_numpy(np.stack([again.trimap[0], other.trimap[0]]) == 128)
    assert torch.equal(batch.trimap[:, 2] == 1, unknown)
    np.testing.assert_allclose(batch.context_images[1, 0, 2] * 255, other.image[1, :, :, 2])


def test_a_few_steps_bring_the_loss_down() -> None:
    torch.manual_seed(0)
    model = HDMatt(width=8).train()
    batch = collate_patches([PatchSamples(Library(), 64, 0, contexts=4)[i] for i in range(4)])
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    seen = []
    for _ in range(20):
        total = losses(model, batch)["total"]
        optimiser.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        seen.append(float(total.detach()))
    assert np.mean(seen[-3:]) < 0.6 * seen[0]
    for name in ("theta", "delta", "phi"):  # attention has its part in it
        gradient = getattr(model.context, name).weight.grad
        assert float(gradient.abs().max()) > 0


def test_the_train_command_trains_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["train", "--model", "hdmatt-tiny", "--procedural", "--output", str(tmp_path)]
    small = ["--size", "64", "--batch", "2", "--workers", "0", "--device", "cpu", "--steps", "2"]
    assert main([*command, *small, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["steps"] == 2 and set(report["losses"]) == {"alpha", "composition", "total"}
    model, _ = load_model(HDMATT_TINY, tmp_path)
    assert model.config == {"cpc": 2, "k": 3, "width": 8}


def test_the_encoder_starts_from_a_resnet_34_and_from_nothing_else() -> None:
    with torch.device("meta"):
        names = {k: v for k, v in HDMatt().encoder.state_dict().items() if "aspp" not in k}
    state = {k: torch.full(v.shape, 0.5).to(v.dtype) for k, v in names.items()}
    state["conv1.weight"] = state["conv1.weight"][:, :3]
    model = HDMatt()
    backbone(model, state, "r.pth")
    assert float(model.encoder.layer4.state_dict()["2.conv2.weight"].mean()) == 0.5
    assert model.encoder.conv1.weight[0, :, 0, 0].tolist() == [0.5] * 3 + [0] * 3
    with pytest.raises(CheckpointError, match="r.pth is no ResNet-34.*bn1.bias"):
        backbone(model, {"conv1.weight": state["conv1.weight"]}, "r.pth")
    with pytest.raises(CheckpointError, match="r.pth"):
        backbone(HDMatt(width=8), state, "r.pth")
