"""HDMatt's modules by their definitions: sizes, unpooling, contexts and TGNL (eq. 1-3)."""

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional as F  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from edgematte.checkpoint import build, random_model  # noqa: E402
from edgematte.export.cuts.hdmatt import graphs, host  # noqa: E402
from edgematte.models.hdmatt.context import (  # noqa: E402
    CrossPatchContext,
    best_contexts,
    padding,
    reduced_trimap,
)
from edgematte.models.hdmatt.network import HDMatt  # noqa: E402
from edgematte.models.hdmatt.pretrained import from_resnet34  # noqa: E402
from edgematte.models.hdmatt.resnet import (  # noqa: E402
    BLOCKS,
    Encoder,
    pool,
    unpool,
)
from edgematte.registry import HDMATT, HDMATT_TINY  # noqa: E402

pytestmark = pytest.mark.export


def one_hot(classes: Any) -> Any:
    """(..., H, W) of 0, 1, 2 -> (..., 3, H, W)."""
    return F.one_hot(torch.as_tensor(classes), 3).movedim(-1, -3).float()


def blocks(seed: int, *lead: int, side: int = 64) -> Any:
    """Trimaps of blocks of 8 pixels, some of 4: one-hot (*lead, 3, side, side)."""
    rng = np.random.default_rng(seed)
    fine = rng.integers(0, 3, (*lead, side // 4, side // 4))
    coarse = rng.integers(0, 3, (*lead, side // 8, side // 8)).repeat(2, -1).repeat(2, -2)
    mixed = np.where(rng.random(fine.shape) < 0.2, fine, coarse)
    return one_hot(mixed.repeat(4, -1).repeat(4, -2))


def tiny(**options: int) -> HDMatt:
    model, _ = random_model(HDMATT_TINY, options, 3)
    assert isinstance(model, HDMatt)
    return model


@pytest.mark.parametrize(("cpc", "parameters"), [(2, 27_362_849), (1, 26_773_025), (0, 26_330_337)])
def test_parameters(cpc: int, parameters: int) -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in HDMatt(cpc=cpc).parameters()) == parameters


def test_the_tiny_variant_is_one() -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in build(HDMATT_TINY).parameters()) < 1_000_000


def test_multiply_adds_of_both_graphs_at_320() -> None:
    model = HDMatt().to("meta").eval()
    found = []
    for source in graphs(model, replaced_host(320)):
        given = [torch.zeros(t.shape, device="meta") for t in source.graph.inputs]
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            source.module.to("meta")(*given)
        found.append(round(counter.get_total_flops() / 2e9, 1))
    assert found == [c.macs_g for c in HDMATT.counts] == [44.6, 12.7]


def replaced_host(side: int) -> Any:
    return host("patches", (side, side), side)


@pytest.mark.parametrize("seed", range(4))
def test_unpooling_is_torchs_ties_included(seed: int) -> None:
    random = torch.manual_seed(seed)
    x = torch.randn(2, 5, 8, 12, generator=random)
    if seed:  # a few different values only: most windows hold equal ones
        x = torch.randint(-seed, seed, x.shape, generator=random).float()
    found, mask = pool(x)
    expected, indices = F.max_pool2d(x, 2, return_indices=True)
    assert torch.equal(found, expected)
    values = torch.randn(expected.shape, generator=random)
    assert torch.equal(unpool(values, mask), F.max_unpool2d(values, indices, (2, 2)))
    assert torch.equal(F.avg_pool2d(mask, 2) * 4, torch.ones_like(expected))


def test_unpooling_passes_gradients_as_torchs() -> None:
    random = torch.manual_seed(0)
    x = torch.randint(-2, 2, (1, 3, 8, 8), generator=random).float()
    value, weight = torch.randn(1, 3, 4, 4), torch.randn(1, 3, 8, 8)
    gradients = []
    for ours in (True, False):
        given, low = x.clone().requires_grad_(), value.clone().requires_grad_()
        if ours:
            largest, mask = pool(given + 1e-3 * weight)  # no ties: their gradients are a choice
            out = unpool(low * largest, mask)
        else:
            largest, indices = F.max_pool2d(given + 1e-3 * weight, 2, return_indices=True)
            out = F.max_unpool2d(low * largest, indices, (2, 2))
        (out * weight).sum().backward()
        gradients.append((given.grad, low.grad))
    torch.testing.assert_close(gradients[0], gradients[1])


def test_the_reduced_trimap_loses_no_unknown_pixel() -> None:
    classes = np.zeros((1, 32, 32), np.int64)
    classes[:, :, 16:] = 1
    classes[:, 5, 3] = classes[:, 20:24, 16:32] = 2
    found = reduced_trimap(one_hot(classes), 8)
    expected = np.array([[2, 0, 1, 1], [0, 0, 1, 1], [0, 0, 2, 2], [0, 0, 1, 1]])
    assert np.array_equal(found[0].argmax(dim=0), expected)
    assert torch.equal(found.sum(dim=1), torch.ones(1, 4, 4))


def context_inputs(seed: int, count: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    shape = (3, 2)
    masks = one_hot(rng.integers(0, 3, (1, count, *shape)))
    masks[:, 0] = one_hot(np.ones(shape, np.int64))  # foreground only: two regions are empty
    return {
        "key": torch.from_numpy(rng.normal(size=(1, 4, *shape))),
        "own": torch.from_numpy(rng.normal(size=(1, 5, *shape))),
        "mask": one_hot(rng.integers(0, 3, (1, *shape))).double(),
        "keys": torch.from_numpy(rng.normal(size=(1, count, 4, *shape))),
        "values": torch.from_numpy(rng.normal(size=(1, count, 5, *shape))),
        "masks": masks.double(),
        "pad": torch.zeros(1, count).double(),
    }


def by_equation_3(given: dict[str, Any]) -> Any:
    """f_U, f_F, f_B, one pixel after the other, with contexts whose pad is 0."""
    key, own, mask, keys, values, masks, pad = (x[0].numpy() for x in given.values())
    _, rows, columns = key.shape
    parts = []
    for region in (2, 1, 0):
        f = np.zeros((own.shape[0], rows, columns))
        for y, x in np.ndindex(rows, columns):
            unknown = mask[2, y, x]
            q, total, weighed = key[:, y, x] * unknown, 0.0, np.zeros(own.shape[0])
            for i in range(len(keys)):
                if pad[i]:
                    continue
                for v, u in np.ndindex(rows, columns):
                    inside = masks[i, region, v, u]
                    power = np.exp(q @ (keys[i, :, v, u] * inside))
                    total += power
                    weighed += power * values[i, :, v, u] * inside
            f[:, y, x] = own[:, y, x] * unknown + (weighed / total if total else 0)
        parts.append(f)
    return np.concatenate(parts)


@pytest.mark.parametrize("seed", range(3))
def test_tgnl_is_equation_3(seed: int) -> None:
    given = context_inputs(seed, 3)
    found = CrossPatchContext(1, 4, 5)(*given.values())
    np.testing.assert_allclose(found[0], by_equation_3(given), atol=1e-12)  # float64


def test_missing_contexts_count_for_nothing() -> None:
    given = context_inputs(5, 3)
    given["pad"][0, 1] = -1e4
    given["keys"][0, 1], given["values"][0, 1], given["masks"][0, 1] = 0, 0, 0  # as the host does
    found = CrossPatchContext(1, 4, 5)(*given.values())
    np.testing.assert_allclose(found[0], by_equation_3(given), atol=1e-12)
    for name in ("keys", "values", "masks"):
        given[name].zero_()
    given["pad"][:] = -1e4
    alone = CrossPatchContext(1, 4, 5)(*given.values())
    mine = given["own"] * given["mask"][:, 2:]
    assert torch.equal(alone, torch.cat([mine] * 3, dim=1))


def test_plain_attention_sees_no_trimap() -> None:
    given = context_inputs(6, 2)
    module = CrossPatchContext(1, 4, 5, kind=1)
    found = module(*given.values())
    key = given["key"].flatten(2)[0]
    keys = given["keys"].flatten(3)[0].permute(1, 0, 2).reshape(4, -1)
    values = given["values"].flatten(3)[0].permute(1, 0, 2).reshape(5, -1)
    weights = torch.softmax(key.T @ keys, dim=1)
    expected = given["own"][0] + (values @ weights.T).reshape(5, 3, 2)
    torch.testing.assert_close(found[0], expected)


def test_contexts_are_ranked_by_equations_1_and_2() -> None:
    rng = np.random.default_rng(1)
    query, mask = rng.normal(size=(4, 3, 3)), rng.random((3, 3)) < 0.5
    contexts = rng.normal(size=(6, 4, 3, 3))
    contexts[4] = contexts[1]  # a tie: the earlier one first
    scores = np.zeros(6)
    for i in range(6):
        for s in np.ndindex(3, 3):
            for t in np.ndindex(3, 3):
                scores[i] += (query[:, s[0], s[1]] * mask[s]) @ contexts[i, :, t[0], t[1]]
    similarity = np.exp(scores) / np.exp(scores).sum()
    expected = sorted(range(6), key=lambda i: (-round(similarity[i], 12), i))
    pooled = torch.from_numpy((query * mask).mean(axis=(1, 2)))[None]
    others = torch.from_numpy(contexts.mean(axis=(2, 3)))[None]
    for k in (1, 3, 9):
        assert best_contexts(pooled, others, k)[0].tolist() == expected[:k]


def test_padding_names_the_missing_ones() -> None:
    assert padding(2, 3, torch.zeros(2, 7)).tolist() == [[0, 0, -1e4]] * 2


def test_known_pixels_are_exact_and_unknown_ones_use_the_range() -> None:
    model = tiny()
    image, trimap = torch.rand(2, 3, 64, 64), blocks(0, 2)
    with torch.no_grad():
        alpha = model(image, trimap, torch.rand(2, 4, 3, 64, 64), blocks(1, 2, 4))
    assert alpha.shape == (2, 1, 64, 64)
    assert torch.equal(alpha[trimap[:, 1:2] == 1], torch.ones(int(trimap[:, 1].sum())))
    assert not alpha[trimap[:, :1] == 1].any()
    unknown = alpha[trimap[:, 2:] == 1]
    assert 0 <= float(unknown.min()) and float(unknown.max()) <= 1
    assert float(unknown.std()) > 0.05


@pytest.mark.parametrize("cpc", [0, 1, 2])
def test_only_the_best_contexts_count(cpc: int) -> None:
    model = tiny(cpc=cpc, k=2)
    image, trimap = torch.rand(1, 3, 64, 64), blocks(2, 1)
    images, trimaps = torch.rand(1, 5, 3, 64, 64), blocks(3, 1, 5)
    with torch.no_grad():
        alpha = model(image, trimap, images, trimaps)
        alone = model(image, trimap)
        if model.context is None:
            assert torch.equal(alpha, alone)
            return
        assert float((alpha - alone).abs().max()) > 1e-3
        mine, others = model.bank(image, trimap), model.bank(images[0], trimaps[0])
        best = best_contexts(mine.query, others.context[None], 2)[0]
        chosen = model(image, trimap, images[:, best], trimaps[:, best])
        rest = [i for i in range(5) if i not in best.tolist()]
        other = model(image, trimap, images[:, rest], trimaps[:, rest])
    torch.testing.assert_close(chosen, alpha, atol=1e-5, rtol=0)  # sums in another order
    assert float((other - alpha).abs().max()) > 1e-4


def test_queries_of_a_batch_have_their_own_contexts() -> None:
    model = tiny()
    given = torch.rand(3, 3, 64, 64), blocks(4, 3), torch.rand(3, 4, 3, 64, 64), blocks(5, 3, 4)
    with torch.no_grad():
        together = model(*given)
        alone = torch.cat([model(*(x[i : i + 1] for x in given)) for i in range(3)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


def test_training_does_not_clamp() -> None:
    model = tiny().train()
    with torch.no_grad():
        assert model.decoder.head.bias is not None
        model.decoder.head.bias.add_(3)
        assert float(model(torch.rand(2, 3, 64, 64), blocks(6, 2)).max()) > 1.5


def test_a_classifiers_weights_start_the_encoder() -> None:
    """Every key of torchvision's resnet34 but the last layer's; the trimap has no say at first."""
    encoder = Encoder().eval()
    own = encoder.state_dict()
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    names = ["conv1.weight", *(f"bn1.{n}" for n in norm)]
    for layer, count in enumerate(BLOCKS, 1):
        for block in range(count):
            at = f"layer{layer}.{block}"
            names += [f"{at}.conv{i}.weight" for i in (1, 2)]
            names += [f"{at}.bn{i}.{n}" for i in (1, 2) for n in norm]
            if layer > 1 and not block:
                names += [f"{at}.downsample.0.weight"]
                names += [f"{at}.downsample.1.{n}" for n in norm]
    random = torch.manual_seed(1)
    state = {n: torch.rand(own[n].shape, generator=random).to(own[n].dtype) for n in names}
    state["conv1.weight"] = torch.rand(64, 3, 7, 7, generator=random)
    state |= {"fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    from_resnet34(encoder, state, "r34.pth")
    for name, value in encoder.state_dict().items():
        if not name.endswith("num_batches_tracked"):  # training counts from 0
            assert torch.equal(value, before[name]) == name.startswith("aspp."), name
    name = "layer3.0.downsample.0.weight"
    assert torch.equal(encoder.state_dict()[name], state[name])
    with torch.no_grad():
        image = torch.rand(1, 3, 16, 16)
        found = [encoder.shallow(image, blocks(seed, 1, side=16))[0] for seed in (1, 2)]
    assert torch.equal(*found)
