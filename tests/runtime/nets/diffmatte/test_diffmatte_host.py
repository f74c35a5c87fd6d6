"""DiffMatte's pipeline on graphs of plain NumPy, against the sampler written as a loop."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgematte import testcard
from edgematte.arrays import Bytes, Floats
from edgematte.errors import BundleError, OptionError
from edgematte.nets import find
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.net_options import read_load_options
from edgematte.runtime.nets.diffmatte.host import DiffusionHost, Options, TilesHost, WholeHost
from edgematte.runtime.nets.diffmatte.noise import noise
from edgematte.runtime.nets.diffmatte.pipeline import pipeline
from edgematte.runtime.nets.diffmatte.planes import reduced_trimap
from edgematte.runtime.nets.diffmatte.steps import STEPS

HOST = WholeHost(size=(96, 64), steps=4, seed=5, clamp_foreground=False, feature_px=16)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Graphs:
    """Features are means of 16x16 pixels; the answer mixes everything there is, pixel by pixel."""

    def __init__(self) -> None:
        self.encoded: list[dict[str, Floats]] = []
        self.denoised: list[dict[str, Floats]] = []

    def encode(self, image: Floats, trimap: Floats) -> dict[str, Floats]:
        self.encoded.append({"image": image, "trimap": trimap})
        both = np.concatenate([image, trimap], axis=1)
        height, width = (n // 16 for n in both.shape[2:])
        means = both.reshape(1, 6, height, 16, width, 16).mean(axis=(3, 5))
        return {"feature": np.asarray(means, np.float32)}

    def denoise(self, feature: Floats, condition: Floats, time: Floats) -> dict[str, Floats]:
        assert condition.dtype == feature.dtype == time.dtype == np.float32
        self.denoised.append({"feature": feature, "condition": condition, "time": time})
        raised = feature[:, :3].mean(axis=1, keepdims=True)
        raised = raised.repeat(16, axis=2).repeat(16, axis=3)
        return {"matte": answer(raised, condition, float(time[0]))}

    def table(self) -> dict[str, Any]:
        return {"encode": self.encode, "denoise": self.denoise}


def answer(raised: Floats, condition: Floats, time: float) -> Floats:
    """More than [-1, 1] in places, so that clamping shows."""
    mixed = 0.2 * condition[:, :3].mean(axis=1, keepdims=True) + 0.8 * condition[:, 5:6]
    mixed = mixed + 0.3 * (1 - time) * condition[:, 6:] + raised
    return np.asarray(mixed, np.float32)


def by_definition(
    host: DiffusionHost, picture: Bytes, trimap: Bytes, graphs: Graphs
) -> list[Floats]:
    """Alpha after each step, for a picture that needs no reduction; all in float64."""
    height, width = trimap.shape
    image = np.zeros((3, host.size[1], host.size[0]))
    planes = np.zeros_like(image)
    condition = np.zeros((1, 7, *image.shape[1:]))
    for i in range(3):
        image[i] = MEAN[i]
        image[i, :height, :width] = picture[..., i] / 255
        planes[i, :height, :width] = trimap == (0, 128, 255)[i]
        condition[0, i, :height, :width] = 2 * (picture[..., i] / 255 - MEAN[i]) / STD[i] - 1
        condition[0, 3 + i, :height, :width] = 2 * (trimap == (0, 128, 255)[i]) - 1
    feature = graphs.encode(*(x[None].astype(np.float32) for x in (image, planes)))["feature"]
    raised = feature[:, :3].mean(axis=1, keepdims=True).repeat(16, axis=2).repeat(16, axis=3)
    x = noise(host.seed, height, width).astype(np.float64)
    found = []
    for i in range(host.steps):
        time, following = 1 - i / host.steps, 1 - (i + 1) / host.steps
        condition[0, 6, :height, :width] = x / max(float(x.std()), 1e-5)
        out = answer(raised, condition.astype(np.float32), time)[0, 0, :height, :width]
        matte = np.clip(out.astype(np.float64), -1, 1)
        gamma, after = max(1 - time, 1e-9), max(1 - following, 1e-9)
        eps = (x - 0.2 * math.sqrt(gamma) * matte) / max(math.sqrt(1 - gamma), 1e-10)
        x = 0.2 * math.sqrt(after) * matte + math.sqrt(1 - after) * eps
        alpha = (matte + 1) / 2
        alpha[trimap == 0] = 0
        if host.clamp_foreground:
            alpha[trimap == 255] = 1
        found.append(alpha.astype(np.float32))
    assert np.allclose((x / 0.2 + 1) / 2, (matte + 1) / 2)  # what the authors' code returns
    return found


def scene(width: int, height: int) -> tuple[Bytes, Bytes]:
    return testcard.testcard(width, height), testcard.testcard_trimap(width, height)


@pytest.mark.parametrize("size", [(96, 64), (70, 50), (33, 64)])
@pytest.mark.parametrize("clamp", [False, True])
def test_every_step_is_the_sampler_s(size: tuple[int, int], clamp: bool) -> None:
    picture, trimap = scene(*size)
    host = replace(HOST, clamp_foreground=clamp)
    expected = by_definition(host, picture, trimap, Graphs())
    graphs = Graphs()
    found = list(pipeline(host, graphs.table()).steps(picture, trimap, Clock()))
    assert len(found) == 4 and len(graphs.encoded) == 1  # encoded once
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == np.float32 and ours.shape == trimap.shape
        assert np.allclose(ours, theirs, atol=5e-6)
    outside = (found[-1] == 1).mean() + (found[-1] == 0).mean()
    assert 0.1 < outside < 0.99


def test_the_call_gives_the_last_step() -> None:
    picture, trimap = scene(96, 64)
    clock = Clock()
    made = pipeline(HOST, Graphs().table())
    alpha, given = made(picture, trimap, clock)
    assert given is trimap
    assert np.array_equal(alpha, list(made.steps(picture, trimap, Clock()))[-1])
    assert {"graph.encode", "graph.denoise", "host.noise", "host.advance"} <= set(clock.seconds)


def test_padding_is_zero_after_normalisation_and_counts_for_nothing() -> None:
    picture, trimap = scene(70, 50)
    graphs = Graphs()
    list(pipeline(HOST, graphs.table()).steps(picture, trimap, Clock()))
    image, planes = graphs.encoded[0]["image"], graphs.encoded[0]["trimap"]
    assert image.shape == planes.shape == (1, 3, 64, 96)
    for part in (np.s_[..., 50:, :], np.s_[..., :, 70:]):
        normal = (image[0] - np.array(MEAN)[:, None, None]) / np.array(STD)[:, None, None]
        assert np.abs(normal[part]).max() < 1e-6
        assert not planes[0][part].any()
        assert len(graphs.denoised) == HOST.steps
        assert all(not call["condition"][0][part].any() for call in graphs.denoised)
    for call in graphs.denoised:  # the deviation is that of the picture alone
        assert call["condition"][0, 6, :50, :70].std() == pytest.approx(1, rel=1e-5)
    assert [float(c["time"][0]) for c in graphs.denoised] == [1, 0.75, 0.5, 0.25]


def test_larger_pictures_are_reduced_and_alpha_enlarged() -> None:
    picture, trimap = scene(300, 150)
    graphs = Graphs()
    alpha, _ = pipeline(HOST, graphs.table())(picture, trimap, Clock())
    assert alpha.shape == (150, 300)
    assert (alpha[trimap == 0] == 0).all()
    assert graphs.denoised[0]["condition"][0, 3:6, :48].sum() != 0
    assert not graphs.denoised[0]["condition"][0, :, 48:].any()  # 96x48


def test_a_reduced_trimap_is_unknown_where_anything_is() -> None:
    rng = np.random.default_rng(0)
    trimap = rng.choice(np.array([0, 255], np.uint8), (12, 16)).repeat(8, 0).repeat(8, 1)
    trimap[3, 5] = 128
    found = reduced_trimap(trimap, (64, 48))
    for row, column in np.ndindex(found.shape):
        whole = trimap[2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
        wide = trimap[max(0, 2 * row - 1) : 2 * row + 3, max(0, 2 * column - 1) : 2 * column + 3]
        if found[row, column] != 128:
            assert (whole == found[row, column]).all()
        else:
            assert len(np.unique(wide)) > 1 or (wide == 128).all()
    assert found[1, 2] == 128
    assert reduced_trimap(trimap, (128, 96)) is trimap


@pytest.mark.parametrize("value", [0, 255])
def test_without_unknown_pixels_no_graph_runs(value: int) -> None:
    picture, trimap = scene(60, 40)
    trimap[:] = value
    graphs = Graphs()
    found = list(pipeline(HOST, graphs.table()).steps(picture, trimap, Clock()))
    assert len(found) == 1 and (found[0] == value / 255).all() and not graphs.encoded
    alpha, _ = pipeline(HOST, graphs.table())(picture, trimap, Clock())
    assert (alpha == value / 255).all()


@pytest.mark.parametrize("clamp", [False, True])
def test_known_pixels_are_the_trimap_s_or_the_net_s_as_asked(clamp: bool) -> None:
    """The authors put zeros into the background; keep_known adds ones, or takes the zeros away."""
    picture, trimap = scene(96, 64)
    hosts = {k: replace(HOST, keep_known=k, clamp_foreground=clamp) for k in (None, True, False)}
    found = {}
    for keep, host in hosts.items():
        found[keep], _ = pipeline(host, Graphs().table())(picture, trimap, Clock())
    own = found[False]
    assert (own[trimap == 0] > 0).any() and (own[trimap == 255] < 1).any()
    assert np.array_equal(found[True], np.where(trimap == 128, own, trimap / np.float32(255)))
    kept = (trimap == 0) | ((trimap == 255) & clamp)
    assert np.array_equal(found[None], np.where(kept, trimap / np.float32(255), own))


def test_the_net_answers_where_all_is_known_and_its_answer_is_asked_for() -> None:
    picture, trimap = scene(60, 40)
    trimap[:] = 255
    host = replace(HOST, keep_known=False)
    graphs = Graphs()
    steps = list(pipeline(host, graphs.table()).steps(picture, trimap, Clock()))
    assert len(steps) == 4 and len(graphs.denoised) == 4
    expected = by_definition(replace(host, clamp_foreground=False), picture, trimap, Graphs())
    assert np.allclose(steps[-1], expected[-1], atol=5e-6)  # all is foreground: nothing is clamped


def test_it_stops_early_when_alpha_no_longer_changes() -> None:
    picture, trimap = scene(96, 64)
    whole = list(pipeline(replace(HOST, steps=8), Graphs().table()).steps(picture, trimap, Clock()))
    unknown = trimap == 128
    changes = [float(np.abs(b - a)[unknown].mean()) for a, b in zip(whole, whole[1:], strict=False)]
    limit = sorted(changes)[2]
    host = replace(HOST, steps=8, stop_below=limit * 1.0001)
    found = list(pipeline(host, Graphs().table()).steps(picture, trimap, Clock()))
    first = next(i for i, change in enumerate(changes) if change <= limit * 1.0001)
    assert len(found) == first + 2 < 8
    assert np.array_equal(found[-1], whole[first + 1])


# tiles


def test_tiles_of_a_local_answer_stitch_to_the_whole() -> None:
    """The answer here sees one pixel only, so that tiles know all it needs."""
    picture, trimap = scene(190, 120)
    whole = replace(HOST, size=(192, 128), steps=3, clamp_foreground=True)
    tiles = TilesHost(**vars(whole), patch=64, overlap=16)
    first, second = Graphs(), Graphs()
    expected = list(pipeline(whole, first.table()).steps(picture, trimap, Clock()))
    found = list(pipeline(tiles, second.table()).steps(picture, trimap, Clock()))
    assert len(second.encoded) == 1 and len(second.denoised) % 3 == 0
    assert all(c["condition"].shape == (1, 7, 64, 64) for c in second.denoised)
    assert all(c["feature"].shape == (1, 6, 4, 4) for c in second.denoised)
    # The first step is exact. Later ones see a deviation of all pixels, and the known ones that no
    # tile holds are those of the trimap in place of the answer's.
    assert np.allclose(found[0][trimap == 128], expected[0][trimap == 128], atol=1e-5)
    assert np.abs(found[-1] - expected[-1]).max() < 0.02


def test_only_tiles_with_unknown_pixels_are_run() -> None:
    picture, _ = scene(190, 120)
    trimap = np.zeros((120, 190), np.uint8)
    trimap[:60] = 255
    trimap[70:80, 100:110] = 128
    one = replace(HOST, size=(192, 128), steps=1)
    host = TilesHost(**vars(one), patch=64, overlap=16)
    graphs = Graphs()
    found = next(pipeline(host, graphs.table()).steps(picture, trimap, Clock()))
    assert len(graphs.denoised) == 1
    assert (found[:20] == 1).all() and (found[100:] == 0).all()


# frames of larger pictures


@pytest.mark.parametrize("cut", ["whole", "tiles"])
def test_frames_of_a_local_answer_join_to_the_whole_picture(cut: str) -> None:
    """Nothing is reduced: noise, deviation and every step are those of the whole picture."""
    picture = testcard.testcard(224, 160)
    trimap = np.full((160, 224), 128, np.uint8)
    trimap[:, :40] = 255
    host: DiffusionHost = replace(HOST, context=32)  # frames of 96x64 at multiples of 64 and 32
    if cut == "tiles":
        host = TilesHost(**vars(host), patch=48, overlap=16)
    graphs = Graphs()
    found = list(pipeline(host, graphs.table()).steps(picture, trimap, Clock()))
    whole = replace(HOST, size=(224, 160))
    expected = by_definition(whole, picture, trimap, Graphs())
    assert len(found) == 4 and len(graphs.encoded) == 3 * 4
    unknown = trimap == 128
    if cut == "whole":  # known pixels too are what the graphs say
        assert all(np.allclose(a, b, atol=5e-6) for a, b in zip(found, expected, strict=True))
    assert np.allclose(found[0][unknown], expected[0][unknown], atol=5e-6)


def test_frames_without_unknown_pixels_are_never_run() -> None:
    picture = testcard.testcard(224, 160)
    trimap = np.zeros((160, 224), np.uint8)
    trimap[:, 100:] = 255
    trimap[10:20, 10:20] = 128
    graphs = Graphs()
    alpha, _ = pipeline(replace(HOST, context=32), graphs.table())(picture, trimap, Clock())
    assert len(graphs.encoded) == 1 and len(graphs.denoised) == 4
    assert (alpha[:, 100:] == 1).all() and (alpha[100:, :100] == 0).all()


@pytest.mark.parametrize("sizes", [None, ((64, 64), (96, 64))])
def test_all_frames_are_run_where_the_net_s_own_values_are_asked_for(
    sizes: tuple[tuple[int, int], ...] | None, steps_by_name: Any
) -> None:
    picture = testcard.testcard(224, 160)
    trimap = np.full((160, 224), 255, np.uint8)  # no background: the sampler leaves its zeros out
    trimap[10:20, 10:20] = 128
    host = replace(HOST, context=32, keep_known=False, sizes=sizes)
    graphs = Graphs()
    names = {f"{n}_96x64" if sizes else n: call for n, call in graphs.table().items()}
    unused = {f"{n}_64x64": call for n, call in Graphs().table().items()} if sizes else {}
    alpha, _ = pipeline(host, {**names, **unused})(picture, trimap, Clock())
    assert len(graphs.encoded) == 3 * 4
    whole = replace(HOST, size=(224, 160))
    expected = by_definition(whole, picture, trimap, Graphs())[-1]
    assert np.allclose(alpha, expected, atol=5e-6)
    assert steps_by_name(STEPS, host)["frames"](framed_trimap=trimap)["run"].all()
    known = steps_by_name(STEPS, replace(host, keep_known=None))
    assert known["frames"](framed_trimap=trimap)["run"].sum() == 1


def test_a_picture_gets_the_smallest_graphs_that_hold_it() -> None:
    made = {(64, 64): Graphs(), (96, 64): Graphs()}
    host = replace(HOST, sizes=tuple(made), context=32)
    table = {
        f"{name}_{w}x{h}": call
        for (w, h), graphs in made.items()
        for name, call in graphs.table().items()
    }
    for size, chosen in (((60, 50), (64, 64)), ((65, 50), (96, 64)), ((128, 64), (96, 64))):
        for graphs in made.values():
            graphs.encoded.clear()
        picture, trimap = scene(*size)
        assert len(list(pipeline(host, table).steps(picture, trimap, Clock()))) == 4
        assert {s for s, graphs in made.items() if graphs.encoded} == {chosen}


@pytest.mark.parametrize("size", [(70, 50), (150, 90)])
def test_host_steps_of_frames_are_what_the_pipeline_does(
    size: tuple[int, int], steps_by_name: Any
) -> None:
    """Chained by hand for the first step: a port of the host can follow them."""
    picture, trimap = scene(*size)
    host = replace(HOST, steps=1, context=32)
    steps: dict[str, Any] = steps_by_name(STEPS, host)
    framed = steps["frame"](picture=picture, trimap=trimap)
    found = steps["frames"](framed_trimap=framed["framed_trimap"])
    mattes = []
    for box in found["frames"]:
        noisy = np.rint(noise(5, *trimap.shape) * 16 + 128).astype(np.uint8)
        planes = steps["condition"](**framed, noisy=noisy, frame_box=box)["condition"]
        part = np.s_[box[1] : box[1] + box[3], box[0] : box[0] + box[2]]
        height, width = trimap[part].shape
        assert np.array_equal(planes[5, :height, :width] == 1, trimap[part] == 255)
        assert not planes[:, height:].any() and not planes[:, :, width:].any()
        mattes.append(np.full((64, 96), 192, np.uint8))  # x_0 = 1
    joined = steps["join"](
        frames=found["frames"],
        run=np.ones(len(mattes), np.bool_),
        frame_mattes=np.stack(mattes),
        framed_trimap=framed["framed_trimap"],
    )
    np.testing.assert_allclose(joined["joined"], 1, atol=1e-6)


# parameters


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"kind": "split"}, "unknown cut 'split'; diffmatte has whole, tiles"),
        ({"size": (90, 64)}, "multiples of 16"),
        ({"feature_px": None}, "lacks the field 'feature_px'"),
        ({"feature_px": 8}, "feature_px 8: 16 or 32"),
        ({"steps": None}, "lacks the field 'steps'"),
        ({"seed": None}, "lacks the field 'seed'"),
        ({"steps": 0}, "steps 0"),
        ({"steps": 51}, "steps 51"),
        ({"seed": 2**32}, "seed 4294967296"),
        ({"stop_below": -0.1}, "between 0 and 1"),
        ({"kind": "tiles", "patch": 40, "overlap": 8}, "patch 40"),
        ({"kind": "tiles", "patch": 128, "overlap": 8}, "patch 128"),
        ({"kind": "tiles", "patch": 48, "overlap": 20}, "overlap 20"),
        ({"kind": "tiles", "patch": 48, "overlap": -1}, "overlap -1"),
        ({"kind": "tiles", "patch": 48}, "lacks the field 'overlap'"),
        ({"context": 64}, "context 64: less than the frame"),
        ({"sizes": ((64, 64), (90, 64), (96, 64))}, "multiples of 16"),
        ({"sizes": ((64, 64),)}, "from the smallest to the largest"),
    ],
)
def test_parameters_no_export_writes_are_refused(
    change: dict[str, Any], part: str, read_host: Any
) -> None:
    assert read_host("diffmatte-vits", HOST, {}) == HOST
    with pytest.raises(BundleError, match=part):
        read_host("diffmatte-vits", HOST, change)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"steps": 0}, "steps 0"),
        ({"steps": 51}, "steps 51"),
        ({"seed": 2**32}, "seed"),
        ({"stop_below": -0.1}, "stop_below -0.1"),
    ],
)
def test_options_out_of_range_are_refused(change: dict[str, Any], part: str) -> None:
    with pytest.raises(OptionError, match=part):
        read_load_options(find("diffmatte-vits"), change)


def test_options_replace_what_the_bundle_says() -> None:
    picture, trimap = scene(96, 64)
    for given in (
        {"steps": 3},
        {"seed": 0},  # which is a seed, and no absence of one
        {"steps": 2, "seed": 7, "keep_known": False},
    ):
        changed = replace(HOST, **given)  # type: ignore[arg-type]
        wanted, _ = pipeline(changed, Graphs().table())(picture, trimap, Clock())
        options = Options(**given)  # type: ignore[arg-type]
        found, _ = pipeline(HOST, Graphs().table(), options)(picture, trimap, Clock())
        np.testing.assert_array_equal(found, wanted)
    stopping = replace(HOST, stop_below=1.0)
    assert len(list(pipeline(stopping, Graphs().table()).steps(picture, trimap, Clock()))) == 2
    never = pipeline(stopping, Graphs().table(), Options(stop_below=0.0))
    assert len(list(never.steps(picture, trimap, Clock()))) == 4


def test_a_bundle_without_a_graph_is_refused() -> None:
    with pytest.raises(BundleError, match="needs a graph 'denoise'"):
        pipeline(HOST, {"encode": Graphs().table()["encode"]})


def test_host_steps_are_what_the_pipeline_does(steps_by_name: Any) -> None:
    picture, trimap = scene(70, 50)
    steps = steps_by_name(STEPS, HOST)
    framed = steps["frame"](picture=picture, trimap=trimap)
    drawn = steps["noise"](framed_trimap=framed["framed_trimap"])["noise"]
    assert np.array_equal(drawn, noise(5, 50, 70))
    noisy = (np.arange(50 * 70) % 256).astype(np.uint8).reshape(50, 70)
    planes = steps["condition"](**framed, noisy=noisy)["condition"]
    graphs = Graphs()
    list(pipeline(HOST, graphs.table()).steps(picture, trimap, Clock()))
    assert np.array_equal(planes[:6], graphs.denoised[0]["condition"][0, :6])
    assert planes[6, :50, :70].std() == pytest.approx(1, rel=1e-5)
