"""Which of a bundle's sizes a picture gets, and how large it is once padded."""

from dataclasses import replace

import pytest

from edgematte.errors import BundleError
from edgematte.manifest import Host
from edgematte.runtime.host.sizes import check_sizes, host_at, padded, size_for

HOST = Host(
    "tiles", (1024, 768), overlap=128, sizes=((512, 512), (640, 480), (640, 512), (1024, 768))
)


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
    assert size_for(HOST, picture) == minimal
    assert size_for(replace(HOST, pad_both=32), picture) == authors


def test_one_size_is_that_size() -> None:
    single = Host("tiles", (96, 64), overlap=8)
    assert size_for(single, (1, 1)) == size_for(single, (1000, 1)) == (96, 64)
    assert host_at(single, (96, 64)) == single


def test_the_host_of_a_small_size_shares_no_more_than_half_of_it() -> None:
    """Else tiles would have no stride; the whole picture fits, so that nothing is shared."""
    found = host_at(replace(HOST, context=100), (160, 96))
    assert (found.size, found.sizes, found.overlap, found.context) == ((160, 96), None, 48, 48)


@pytest.mark.parametrize(
    ("host", "part"),
    [
        (replace(HOST, sizes=()), "from the smallest to the largest"),
        (replace(HOST, sizes=((512, 512),)), "from the smallest to the largest"),
        (replace(HOST, sizes=((2048, 2048), (1024, 768))), "from the smallest to the largest"),
        (replace(HOST, pad_both=0), "pad_both 0: at least 1"),
    ],
)
def test_sizes_no_export_writes_are_refused(host: Host, part: str) -> None:
    check_sizes(HOST)
    with pytest.raises(BundleError, match=part):
        check_sizes(host)
