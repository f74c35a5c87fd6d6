"""Which of a bundle's sizes a picture gets, and how large it is once padded."""

from dataclasses import replace
from typing import Any

import pytest

from edgematte.errors import BundleError
from edgematte.host import padded
from edgematte.runtime.nets.diffmatte.host import WholeHost
from edgematte.runtime.nets.vitmatte.host import TilesHost

SIZES = ((512, 512), (640, 480), (640, 512), (1024, 768))
HOST = TilesHost(size=(1024, 768), overlap=128, padding=(0.5, 0.5, 0.5), sizes=SIZES)


@pytest.mark.parametrize(
    ("picture", "minimal", "authors"),
    [
        ((640, 480), (640, 480), (640, 480)),  # multiples of 32 already
        ((640, 500), (640, 512), (672, 512)),  # the even side gains 32
        ((500, 640), (512, 640), (512, 672)),
        ((500, 333), (512, 352), (512, 352)),  # neither is a multiple: no difference
        ((1, 32), (32, 32), (32, 64)),
    ],
)
def test_padding_as_transformers_and_as_the_authors_have_it(
    picture: tuple[int, int], minimal: tuple[int, int], authors: tuple[int, int]
) -> None:
    """Right values by hand, from the published code: 32 - side % 32 more, for both sides."""
    assert padded(picture, 32) == minimal
    assert padded(picture, 32, authors=True) == authors


@pytest.mark.parametrize(
    ("picture", "minimal", "authors"),
    [
        ((300, 200), (512, 512), (512, 512)),
        ((640, 480), (640, 480), (640, 480)),
        ((640, 479), (640, 480), (1024, 768)),  # the authors' padding makes it 672x480
        ((600, 479), (640, 480), (640, 480)),
        ((600, 500), (640, 512), (640, 512)),
        ((900, 100), (1024, 768), (1024, 768)),
        ((4000, 10), (1024, 768), (1024, 768)),  # none holds it: tiles of the largest
    ],
)
def test_a_picture_gets_the_smallest_size_that_holds_it(
    picture: tuple[int, int], minimal: tuple[int, int], authors: tuple[int, int]
) -> None:
    assert HOST.size_for(picture) == minimal
    assert replace(HOST, pad_both=32).size_for(picture) == authors


def test_one_size_is_that_size() -> None:
    single = TilesHost(size=(96, 64), overlap=8, padding=(0.5, 0.5, 0.5))
    assert single.size_for((1, 1)) == single.size_for((1000, 1)) == (96, 64)
    assert single.at((96, 64)) == single


def test_the_host_of_a_small_size_shares_no_more_than_half_of_it() -> None:
    """Else tiles would have no stride; the whole picture fits, so that nothing is shared."""
    found = HOST.at((160, 96))
    assert (found.size, found.sizes, found.overlap) == ((160, 96), None, 48)
    frames = WholeHost(
        size=(1024, 768),
        sizes=SIZES[:1] + SIZES[-1:],
        context=100,
        steps=4,
        seed=5,
        clamp_foreground=False,
        feature_px=16,
    )
    small = frames.at((160, 96))
    assert (small.size, small.sizes, small.context) == ((160, 96), None, 48)
    assert frames.for_picture((500, 500)).size == (512, 512)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"sizes": ()}, "from the smallest to the largest"),
        ({"sizes": ((512, 512),)}, "from the smallest to the largest"),
        ({"sizes": ((2048, 2048), (1024, 768))}, "from the smallest to the largest"),
        ({"sizes": ((0, 512), (1024, 768))}, "from the smallest to the largest"),
        ({"pad_both": 0}, "pad_both 0: at least 1"),
    ],
)
def test_sizes_no_export_writes_are_refused(
    change: dict[str, Any], part: str, read_host: Any
) -> None:
    assert read_host("vitmatte-s", HOST, {}) == HOST
    with pytest.raises(BundleError, match=part):
        read_host("vitmatte-s", HOST, change)
