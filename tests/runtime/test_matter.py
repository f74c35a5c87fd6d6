import asyncio
import copy
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import edgematte
from edgematte import errors, testcard
from edgematte.errors import BundleError, EdgematteError, EngineError, OptionError, PictureError
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.nets.lightweight.host import SplitHost
from edgematte.runtime.nets.lightweight.pipeline import pipeline

Call = Callable[..., dict[str, NDArray[np.float32]]]


@pytest.fixture
def matter(tiny_bundle: Path) -> edgematte.Matter:
    return edgematte.load(tiny_bundle)


def test_the_answer_is_the_closed_form(
    matter: edgematte.Matter, tiny_host: SplitHost, tiny_graphs: dict[str, Call]
) -> None:
    picture = testcard.testcard(150, 110)
    matte = matter(picture)
    alpha, trimap = pipeline(tiny_host, tiny_graphs)(picture, None, Clock())
    assert (trimap == 128).any() and (trimap == 255).any()
    # NumPy and onnxruntime round differently; a pixel within that of a threshold may change class.
    assert (matte.trimap == trimap).mean() > 0.999
    same = matte.trimap == trimap
    np.testing.assert_allclose(matte.alpha[same], alpha[same], atol=1e-5)


@pytest.mark.parametrize(
    "size", [(1, 1), (1, 300), (300, 1), (64, 48), (65, 49), (30, 5000), (30_000, 20)]
)
def test_any_size_gives_a_matte_of_that_size(
    size: tuple[int, int], matter: edgematte.Matter
) -> None:
    matte = matter(testcard.testcard(*size))
    assert matte.alpha.shape == matte.trimap.shape == (size[1], size[0])
    assert matte.alpha.dtype == np.float32 and matte.trimap.dtype == np.uint8
    assert 0 <= matte.alpha.min() and matte.alpha.max() <= 1
    assert set(np.unique(matte.trimap)) <= {0, 128, 255}
    assert matte.odd_trimap_pixels == 0


def test_the_default_loads_and_answers() -> None:
    matter = edgematte.load()
    picture = testcard.testcard(97, 61)
    matte = matter(picture)
    assert matte.alpha.shape == (61, 97) and np.isfinite(matte.alpha).all()
    assert set(matte.timings) >= {"host.reduce", "graph.segment", "host.trimap", "host.stitch"}
    np.testing.assert_array_equal(matter(picture).alpha, matte.alpha)


def test_the_default_leaves_known_pixels_of_a_given_trimap_as_they_are() -> None:
    """Eq. 5 of the paper, whatever the weights: alpha is learned where the trimap says unknown."""
    trimap = np.zeros((90, 120), np.uint8)
    trimap[25:70, 30:90] = 255
    trimap[20:30, 25:95] = trimap[65:75, 25:95] = 128
    alpha = edgematte.load()(testcard.testcard(120, 90), trimap).alpha
    np.testing.assert_allclose(alpha[trimap == 255], 1, atol=1e-6)
    np.testing.assert_allclose(alpha[trimap == 0], 0, atol=1e-6)


def test_the_picture_is_not_written_to(matter: edgematte.Matter) -> None:
    picture = testcard.testcard(64, 48)  # the size of the graph: nothing needs to be resized
    trimap = np.full((48, 64), 128, np.uint8)
    kept, kept_trimap = picture.copy(), trimap.copy()
    picture.flags.writeable = trimap.flags.writeable = False
    matte = matter(picture, trimap)
    np.testing.assert_array_equal(picture, kept)
    np.testing.assert_array_equal(trimap, kept_trimap)
    assert not np.shares_memory(matte.trimap, trimap)


def test_a_matte_stays_what_it_was_after_the_next_call(matter: edgematte.Matter) -> None:
    first = matter(testcard.testcard(80, 60))
    alpha, trimap = first.alpha.copy(), first.trimap.copy()
    matter(np.zeros((60, 80, 3), np.uint8))
    np.testing.assert_array_equal(first.alpha, alpha)
    np.testing.assert_array_equal(first.trimap, trimap)


def test_views_give_the_answer_of_their_copies(matter: edgematte.Matter) -> None:
    view = testcard.testcard(140, 100)[::2, ::-2]
    np.testing.assert_array_equal(matter(view).alpha, matter(view.copy()).alpha)


def test_a_given_trimap_decides(matter: edgematte.Matter) -> None:
    picture = testcard.testcard(80, 60)
    trimap = np.zeros((60, 80), np.uint8)
    trimap[:, 75:] = 255
    trimap[:5, :5] = 128
    matte = matter(picture, trimap)
    np.testing.assert_array_equal(matte.trimap, trimap)
    assert (matte.alpha[40:, :70] == 0).all() and (matte.alpha[40:, 75:] == 1).all()
    assert "graph.segment" not in matte.timings


def test_odd_bytes_of_a_given_trimap_are_read_and_counted(matter: edgematte.Matter) -> None:
    trimap = np.zeros((60, 80), np.uint8)
    trimap[0, :7] = (3, 84, 85, 169, 170, 252, 128)
    matte = matter(testcard.testcard(80, 60), trimap)
    assert matte.odd_trimap_pixels == 6
    np.testing.assert_array_equal(matte.trimap[0, :7], [0, 0, 128, 128, 255, 255, 128])


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 5), np.uint8),
        np.zeros((4, 5, 5), np.uint8),
        np.zeros((4, 5, 1), np.uint8),
        np.zeros((3, 4, 5), np.uint8),
        np.zeros((1, 4, 5, 3), np.uint8),
        np.zeros((4, 5, 3), np.float32),
        np.zeros((4, 5, 3), np.uint16),
        np.zeros((0, 5, 3), np.uint8),
        np.zeros((4, 0, 3), np.uint8),
        None,
    ],
)
def test_another_kind_of_image_is_refused_with_what_came(
    image: Any, matter: edgematte.Matter
) -> None:
    with pytest.raises(PictureError, match=r"uint8 \(H, W, 3\) RGB, not ") as caught:
        matter(image)
    came = np.asarray(image)
    assert f"{came.dtype} {list(came.shape)}" in str(caught.value)


def test_a_pictures_own_alpha_multiplies_its_matte(matter: edgematte.Matter) -> None:
    picture = testcard.testcard(80, 60)
    own = np.full((60, 80), 255, np.uint8)
    own[:20], own[20:40, :40] = 0, 51  # cleared; a fifth
    plain = matter(picture)
    rgba = np.dstack([picture, own])
    ways = {
        "call": matter(rgba),
        "many": matter.many([picture, rgba])[1],
        "refine": list(matter.refine(rgba))[-1],
        "stream": list(matter.stream([picture, rgba, picture]))[1],
    }
    for way, found in ways.items():
        # float32: a last bit of the product
        np.testing.assert_allclose(found.alpha, plain.alpha * (own / 255), atol=1e-7, err_msg=way)
        assert (found.trimap[:20] == 0).all(), way
        faint = found.trimap[20:40, :40]
        assert (
            not (faint == 255).any() and (faint != 0).sum() == (plain.trimap[20:40, :40] != 0).sum()
        )
        np.testing.assert_array_equal(found.trimap[40:], plain.trimap[40:])
    np.testing.assert_array_equal(matter(rgba[..., :3]).alpha, plain.alpha)
    after = list(matter.stream([rgba, picture]))[1]  # an alpha is its own frame's alone
    np.testing.assert_array_equal(after.alpha, plain.alpha)


def test_trimaps_that_do_not_fit_are_refused(matter: edgematte.Matter) -> None:
    picture = testcard.testcard(80, 60)
    with pytest.raises(PictureError, match="60x80.*80x60"):
        matter(picture, np.zeros((80, 60), np.uint8))
    with pytest.raises(PictureError, match="uint8.*not float32"):
        matter(picture, np.zeros((60, 80), np.float32))
    with pytest.raises(PictureError, match=r"one channel, not \[60, 80, 3\]"):
        matter(picture, np.zeros((60, 80, 3), np.uint8))
    with pytest.raises(PictureError, match="values of 0 to 2 alone.*128 for unknown"):
        matter(picture, np.arange(4800, dtype=np.uint8).reshape(60, 80) % 3)


@pytest.mark.parametrize("threads", [0, -1])
def test_a_number_of_threads_below_1_is_refused(threads: int, tiny_bundle: Path) -> None:
    with pytest.raises(OptionError, match=f"threads {threads}: a whole number from 1 to 256"):
        edgematte.load(tiny_bundle, threads=threads)


def test_paths_may_be_text_and_options_by_name(tiny_bundle: Path) -> None:
    matter = edgematte.load(str(tiny_bundle), engine="onnxruntime", device="cpu", threads=1)
    assert matter.engine == "onnxruntime" and matter.bundle.path == tiny_bundle
    assert matter.host.size == (64, 48)


def test_nothing_falls_back_silently(tiny_bundle: Path) -> None:
    with pytest.raises(EngineError):
        edgematte.load(tiny_bundle, engine="coreml")
    with pytest.raises(BundleError):
        edgematte.load(tiny_bundle.parent / "none")  # not the default instead


def test_every_error_is_of_one_family() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    kinds = [kind for kind in kinds if not issubclass(kind, Warning)]  # these are no errors
    assert len(kinds) > 8 and all(issubclass(kind, EdgematteError) for kind in kinds)
    for kind in set(kinds) - {EdgematteError}:  # each is also the builtin that it stands for
        assert any(base.__module__ == "builtins" for base in kind.__mro__[2:-3]), kind
    assert edgematte.EdgematteError is EdgematteError
    assert issubclass(PictureError, ValueError) and issubclass(EngineError, RuntimeError)


def test_a_matter_outlives_its_folder(tiny_bundle: Path) -> None:
    """Everything is read at load: a phone's or server's bundle may be replaced while it runs."""
    matter, picture = edgematte.load(tiny_bundle), testcard.testcard(70, 50)
    before = matter(picture).alpha
    shutil.rmtree(tiny_bundle)
    np.testing.assert_array_equal(matter(picture).alpha, before)


def test_a_matter_is_neither_pickled_nor_copied_and_says_what_to_do(
    matter: edgematte.Matter,
) -> None:
    """Workers that are spawned get what they are called with as a pickle."""
    for way in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(OptionError, match="give other processes the path of the bundle, and"):
            way(matter)
    matte = matter(testcard.testcard(40, 30))
    back = pickle.loads(pickle.dumps(matte))  # what they send back
    np.testing.assert_array_equal(back.alpha, matte.alpha)
    assert back.timings == matte.timings


def test_calls_that_are_awaited_together(matter: edgematte.Matter) -> None:
    pictures = [testcard.testcard(60 + n, 50) for n in range(6)]

    async def awaited() -> list[edgematte.Matte]:
        return list(await asyncio.gather(*(asyncio.to_thread(matter, p) for p in pictures)))

    for picture, matte in zip(pictures, asyncio.run(awaited()), strict=True):
        np.testing.assert_array_equal(matte.alpha, matter(picture).alpha)
