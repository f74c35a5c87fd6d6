"""Several pictures at once: what is shared, what is each one's own, and none at all."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgematte
from edgematte.arrays import Bytes, Floats
from edgematte.check.run import check_bundle
from edgematte.errors import OptionError, PictureError
from edgematte.nets import find
from edgematte.runtime.bundle import open_bundle
from edgematte.runtime.engines import EngineOptions
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.host.trimap_source import EstimatedTrimap, GivenTrimap, OwnTrimap
from edgematte.runtime.load import divided
from edgematte.runtime.matter import Matter
from edgematte.runtime.nets.vitmatte.host import TilesHost
from edgematte.runtime.nets.vitmatte.pipeline import Tiles
from edgematte.runtime.pipeline import Pipeline, Sourced

HOST = TilesHost(size=(32, 24), overlap=8, padding=(0.5, 0.5, 0.5))


class Graph:
    """Alpha is the red channel; keeps how many tiles each call took."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def __call__(self, **inputs: Floats) -> dict[str, Floats]:
        self.calls.append(len(inputs["image"]))
        return {"alpha": inputs["image"][:, :1]}


class Alone:
    """A pipeline for one picture at a time, which counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, picture: Bytes, trimap: Bytes | None, clock: Clock) -> tuple[Floats, Bytes]:
        self.calls += 1
        clock.counts["regions refined"] = clock.counts.get("regions refined", 0) + self.calls
        clock.seconds["graph.refine"] = float(self.calls)
        trimap = np.full(picture.shape[:2], 128, np.uint8)
        return np.asarray(picture[..., 0] / np.float32(255), np.float32), trimap


def sourced(pipeline: Pipeline, estimate: Any = None) -> Sourced:
    source = GivenTrimap("vitmatte-s") if estimate is None else EstimatedTrimap(estimate)
    return Sourced("vitmatte-s", pipeline, source)


def tiled(graph: Graph, batch: int, estimate: Any = None) -> Sourced:
    tiles = Tiles(HOST, graph)
    tiles.take(batch)
    return sourced(tiles, estimate)


def alone(pipeline: Alone) -> Sourced:
    return Sourced("lightweight", pipeline, OwnTrimap())


def matter(pipeline: Sourced) -> Matter:
    return Matter(open_bundle(), find(pipeline.model), pipeline, "numpy")


def scenes(*sizes: tuple[int, int]) -> tuple[list[Bytes], list[Bytes]]:
    """Noise, and trimaps of noise, of these sizes (width, height)."""
    random = np.random.default_rng(len(sizes))
    classes = np.array([0, 128, 255], np.uint8)
    pictures = [random.integers(0, 256, (h, w, 3), np.uint8) for w, h in sizes]
    return pictures, [random.choice(classes, (h, w)) for w, h in sizes]


@pytest.mark.parametrize("pipeline", [tiled(Graph(), 1), tiled(Graph(), 4), alone(Alone())])
@pytest.mark.parametrize("trimaps", [None, []])
def test_of_no_pictures_there_are_no_mattes(pipeline: Sourced, trimaps: Any) -> None:
    assert matter(pipeline).many([], trimaps) == []
    assert matter(pipeline).many((), trimaps) == []


def test_of_nothing_every_part_makes_nothing(tiny_bundle: Path) -> None:
    """The other doors: a clip without frames, tiles of no pictures, a check on no engine."""
    loaded = edgematte.load(tiny_bundle)
    assert list(loaded.stream([])) == list(loaded.stream(iter(()), reuse=False)) == []
    graph = Graph()
    assert Tiles(HOST, graph).many([], [], Clock()) == [] and not graph.calls
    found = check_bundle(open_bundle(tiny_bundle), [])
    assert {d.equality for d in found.differences} == {"host"} and not found.quality


def test_tiles_of_several_pictures_share_calls() -> None:
    pictures, trimaps = scenes((32, 24), (32, 24), (30, 20), (32, 24), (10, 8))
    trimaps[1][:] = 255  # nothing to run
    graph = Graph()
    found = matter(tiled(graph, 3)).many(pictures, trimaps)
    assert graph.calls == [3, 1]
    for matte, picture, trimap in zip(found, pictures, trimaps, strict=True):
        np.testing.assert_array_equal(matte.trimap, trimap)
        wanted = np.where(trimap == 128, picture[..., 0] / np.float32(255), trimap / 255)
        np.testing.assert_allclose(matte.alpha, wanted, atol=1e-6)  # float32 rounding


def test_time_is_shared_equally_and_adds_up_to_the_whole() -> None:
    class Timed(Tiles):
        def many(
            self, pictures: Sequence[Bytes], trimaps: Sequence[Bytes], clock: Clock
        ) -> list[Floats]:
            clock.seconds = {"host.crop": 1.5, "graph.matte": 6.0}
            return [np.zeros(t.shape, np.float32) for t in trimaps]

    pictures, trimaps = scenes((5, 4), (50, 40), (8, 8))
    found = matter(sourced(Timed(HOST, Graph()))).many(pictures, trimaps)
    assert [m.timings for m in found] == [{"host.crop": 0.5, "graph.matte": 2.0}] * 3
    found[0].timings.clear()
    assert found[1].timings  # one's own


def test_of_other_nets_every_picture_has_what_it_would_have_alone() -> None:
    pictures, _ = scenes((5, 4), (6, 7), (5, 4))
    found = matter(alone(Alone())).many(pictures)
    assert [m.alpha.shape for m in found] == [(4, 5), (7, 6), (4, 5)]
    assert [m.timings for m in found] == [{"graph.refine": s} for s in (1.0, 2.0, 3.0)]
    assert [m.counts for m in found] == [{"regions refined": n} for n in (1, 2, 3)]


def test_odd_pixels_are_counted_for_each_trimap() -> None:
    pictures, trimaps = scenes((9, 9), (9, 9), (9, 9))
    trimaps[0][0, :2], trimaps[2][3, :5] = 100, 20
    for pipeline in (tiled(Graph(), 2), alone(Alone())):
        found = matter(pipeline).many(pictures, trimaps)
        assert [m.odd_trimap_pixels for m in found] == [2, 0, 5]


def test_trimaps_that_are_missing_are_estimated_for_their_own_picture() -> None:
    def estimate(picture: Bytes, clock: Clock) -> Bytes:
        return np.full(picture.shape[:2], 0 if picture[0, 0, 0] < 128 else 255, np.uint8)

    pictures, trimaps = scenes((9, 9), (9, 9), (9, 9))
    pictures[0][0, 0, 0], pictures[2][0, 0, 0] = 0, 255
    found = matter(tiled(Graph(), 2, estimate)).many(pictures, [None, trimaps[1], None])
    np.testing.assert_array_equal(found[1].trimap, trimaps[1])
    assert not found[0].trimap.any() and (found[2].trimap == 255).all()
    assert not found[0].alpha.any() and (found[2].alpha == 1).all()


@pytest.mark.parametrize(("pictures", "trimaps"), [(2, 1), (1, 2), (0, 1), (1, 0)])
def test_another_number_of_trimaps_is_refused(pictures: int, trimaps: int) -> None:
    images, made = scenes(*[(9, 9)] * 2)
    for pipeline in (tiled(Graph(), 2), alone(Alone())):
        with pytest.raises(OptionError, match=f"{trimaps} trimaps for {pictures} pictures"):
            matter(pipeline).many(images[:pictures], made[:trimaps])


@pytest.mark.parametrize("place", [0, 2])
def test_a_bad_picture_or_trimap_is_found_before_any_work(place: int) -> None:
    images, trimaps = scenes(*[(9, 9)] * 3)
    for bad in ("picture", "trimap"):
        graph, counting = Graph(), Alone()
        given, known = list(images), list(trimaps)
        if bad == "picture":
            given[place] = given[place].astype(np.float32)
        else:
            known[place] = known[place][:5]
        for pipeline in (tiled(graph, 2), alone(counting)):
            with pytest.raises(PictureError):
                matter(pipeline).many(given, known)
        assert not graph.calls and not counting.calls


# Pictures in flight


class Meeting(Alone):
    """Each call waits until as many others are inside."""

    def __init__(self, together: int) -> None:
        super().__init__()
        self.barrier = threading.Barrier(together, timeout=10)

    def __call__(self, picture: Bytes, trimap: Bytes | None, clock: Clock) -> tuple[Floats, Bytes]:
        self.barrier.wait()
        with clock("graph.matte"):
            return np.asarray(picture[..., 0], np.float32), picture[..., 1]


@pytest.mark.parametrize("in_flight", [1, 2, 3])
def test_so_many_pictures_are_worked_on_at_a_time(in_flight: int) -> None:
    images, _ = scenes(*[(9, 9)] * 6)
    for of in ("many", "stream"):
        meeting = matter(alone(Meeting(in_flight)))
        meeting.in_flight = in_flight
        given = images if of == "many" else iter(images)
        found = list(getattr(meeting, of)(given))
        for matte, image in zip(found, images, strict=True):
            np.testing.assert_array_equal(matte.alpha, image[..., 0])
            assert list(matte.timings) == ["graph.matte"]


def test_pictures_in_flight_come_out_as_they_do_alone(tiny_bundle: Path) -> None:
    images, _ = scenes((60, 45), (100, 30), (64, 48), (33, 90), (60, 45))
    one, several = (edgematte.load(tiny_bundle, threads=2, in_flight=n) for n in (1, 2))
    for found in (several.many(images), list(several.stream(images))):
        for matte, image in zip(found, images, strict=True):
            alone = one(image)
            np.testing.assert_array_equal(matte.alpha, alone.alpha)
            np.testing.assert_array_equal(matte.trimap, alone.trimap)


def test_a_bad_frame_in_flight_is_named_after_the_mattes_before_it(tiny_bundle: Path) -> None:
    images, _ = scenes((60, 45), (60, 45), (60, 45), (60, 45))
    images[2] = images[2][..., 0]
    mattes = edgematte.load(tiny_bundle, threads=2, in_flight=2).stream(images)
    assert next(mattes).alpha.shape == next(mattes).alpha.shape == (45, 60)
    with pytest.raises(PictureError, match="frame 2"):
        next(mattes)


@pytest.mark.parametrize(
    ("engine", "device", "threads", "in_flight", "each"),
    [
        ("onnxruntime", None, 8, 1, (8, 1)),
        ("onnxruntime", None, 8, 3, (2, 1)),
        ("onnxruntime", "cpu", 4, 4, (1, 1)),
        ("onnxruntime", "cuda", None, 4, (None, 1)),
        ("openvino", "cpu", 8, 4, (8, 4)),  # one graph whose calls share its threads
        ("coreml", None, None, 2, (None, 1)),
    ],
)
def test_the_threads_are_divided_among_the_pictures_in_flight(
    engine: str, device: str | None, threads: int | None, in_flight: int, each: tuple[Any, int]
) -> None:
    found = divided(engine, EngineOptions(device, threads), in_flight)
    assert (found.threads, found.streams) == each


def test_more_pictures_in_flight_than_threads_are_refused(tiny_bundle: Path) -> None:
    with pytest.raises(OptionError, match="in_flight 3 with threads 2"):
        edgematte.load(tiny_bundle, threads=2, in_flight=3)
    with pytest.raises(OptionError, match="in_flight 0: "):
        edgematte.load(tiny_bundle, in_flight=0)
