"""The torch side: the network, and what it is trained on."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("portrait_unet", reason="pip install -e samples/sixth_net")

from portrait_unet.cut import CUT  # noqa: E402
from portrait_unet.host import FusedHost, Sizes  # noqa: E402
from portrait_unet.net import NET  # noqa: E402
from portrait_unet.network import PortraitUNet  # noqa: E402
from portrait_unet.pipeline import pipeline  # noqa: E402
from portrait_unet.training import RECIPES, losses, matting_losses, preview, semantic_loss  # noqa: E402

from edgematte.arrays import Floats  # noqa: E402
from edgematte.runtime.host.clock import Clock  # noqa: E402


def tiny() -> PortraitUNet:
    torch.manual_seed(0)
    return PortraitUNet(**NET.variants["portrait-unet-tiny"].config).eval()


@pytest.mark.parametrize("name", NET.variants)
def test_a_variant_is_small_and_gives_alpha_of_the_pictures_size(name: str) -> None:
    config = dict(NET.variants[name].config)
    model = PortraitUNet(**config).eval()
    assert model.config == config
    assert sum(p.numel() for p in model.parameters()) < 2_000_000
    with torch.no_grad():
        alpha, logits = model.answers(torch.rand(2, 3, 64, 96))
    assert alpha.shape == (2, 1, 64, 96) and logits.shape == (2, 1, 2, 3)
    assert 0 <= float(alpha.min()) and float(alpha.max()) <= 1 and float(alpha.std()) > 1e-3


def test_the_network_is_exported_as_it_is() -> None:
    model, image = tiny(), torch.rand(1, 3, 64, 64)
    program = torch.export.export(model, (image,)).module()
    with torch.no_grad():
        torch.testing.assert_close(program(image), model(image), atol=1e-6, rtol=0)


def test_the_host_side_and_pytorch_alone_agree() -> None:
    """To float32 rounding: torch and Pillow both enlarge by the triangle filter."""
    model = tiny()
    host = CUT.host("fused", (64, 64), Sizes(edge_px=8), model)
    assert host == FusedHost(size=(64, 64), edge_px=8)
    (graph,) = CUT.graphs(model, host)

    def run(**inputs: Floats) -> dict[str, Floats]:
        image = inputs["image"]
        assert image.shape == graph.graph.inputs[0].shape
        with torch.no_grad():
            return {"alpha": graph.module(torch.from_numpy(image)).numpy()}

    picture = np.random.default_rng(1).integers(0, 256, (90, 130, 3), np.uint8)
    alpha, trimap = pipeline(host, {"matte": run})(picture, None, Clock())
    expected = CUT.reference(model, host, picture, picture, trimap)
    np.testing.assert_allclose(alpha, expected, atol=1e-5)


def test_losses_are_nothing_for_the_truth_and_leave_out_what_is_not_known() -> None:
    true = torch.rand(2, 1, 32, 32)
    known = torch.ones_like(true)
    assert all(float(part) == 0 for part in matting_losses(true, true, known).values())
    wrong = true.clone()
    wrong[..., :16] = 1 - wrong[..., :16]
    known[..., :16] = 0
    assert all(float(part) == 0 for part in matting_losses(wrong, true, known).values())
    assert all(float(p) > 0 for p in matting_losses(wrong, true, torch.ones_like(true)).values())


def test_the_error_of_soft_pixels_weighs_more() -> None:
    """Three sure pixels of weight 1 and a soft one of 4, each off by 0.1; 0.4 of 7 on the soft."""
    true = torch.tensor([[[[0.0, 0.0, 1.0, 0.5]]]])
    known = torch.ones_like(true)
    one = matting_losses(true + torch.tensor([0, 0, 0, 0.1]), true, known)
    assert float(one["l1"]) == pytest.approx(0.4 / 7)
    assert float(one["edges"]) == pytest.approx(0.1 / 7)


def test_the_coarse_map_is_told_where_the_subject_is() -> None:
    true = torch.zeros(1, 1, 64, 64)
    true[..., 32:] = 1
    known = torch.ones_like(true)
    right = torch.tensor([[[[-9.0, 9.0], [-9.0, 9.0]]]])
    assert (
        float(semantic_loss(right, true, known))
        < 1e-3
        < 8
        < float(semantic_loss(-right, true, known))
    )
    known[..., :32] = 0  # half of it is not known: only the other half counts
    half = right * torch.tensor([-1.0, 1.0])
    assert float(semantic_loss(half, true, known)) < 1e-3


def test_a_few_steps_learn_a_batch() -> None:
    torch.manual_seed(0)
    model = tiny().train()
    image = torch.rand(2, 3, 64, 64) * 0.2
    alpha = torch.zeros(2, 1, 64, 64)
    alpha[..., 16:48, 16:48] = 1
    image = image + 0.8 * alpha
    batch: Any = SimpleNamespace(image=image, alpha=alpha, known=torch.ones_like(alpha))
    descent = torch.optim.Adam(model.parameters(), 1e-2)
    found = []
    for _ in range(30):
        descent.zero_grad()
        total = losses(model, batch, 0)["total"]
        torch.autograd.backward(total)
        descent.step()
        found.append(float(total.detach()))
    assert found[-1] < 0.5 * found[0]
    assert all(p.grad is not None for p in model.parameters()), "every weight learns"
    shown = preview(model, batch)
    assert {name: plane.shape[1] for name, plane in shown.items()} == {
        "image": 3,
        "true": 1,
        "alpha": 1,
    }
    assert RECIPES[""].losses is losses
