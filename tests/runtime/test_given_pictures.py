"""A picture in every form that people have one in gives the matte of its array."""

import builtins
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import edgematte
from edgematte import testcard
from edgematte.arrays import Bytes
from edgematte.errors import OptionError, PictureError
from edgematte.pictures import open_picture

CARD = testcard.testcard(80, 60)


@pytest.fixture
def matter(tiny_bundle: Path) -> edgematte.Matter:
    return edgematte.load(tiny_bundle, threads=1)


class Interface:
    """An array of another library: NumPy sees it by ``__array_interface__`` alone."""

    def __init__(self, array: Bytes) -> None:
        self._array = array
        self.__array_interface__ = array.__array_interface__


class Capsule:
    """A tensor of another library: it gives its memory by DLPack alone."""

    def __init__(self, array: Bytes, device: str = "cpu") -> None:
        self._array, self.device = array, device

    def __dlpack__(self, **options: Any) -> Any:
        if self.device != "cpu":
            raise BufferError("the memory is on another device")
        return self._array.__dlpack__()

    def __dlpack_device__(self) -> tuple[Any, Any]:
        return self._array.__dlpack_device__()


def negative_strides(card: Bytes) -> Bytes:
    return np.ascontiguousarray(card[::-1, ::-1])[::-1, ::-1]


def read_only(card: Bytes) -> Bytes:
    copy = card.copy()
    copy.flags.writeable = False
    return copy


def planes(card: Bytes) -> Bytes:
    """Channels first in memory, last in its shape: what ``permute`` gives."""
    return np.ascontiguousarray(card.transpose(2, 0, 1)).transpose(1, 2, 0)


FORMS: dict[str, Callable[[Bytes], Any]] = {
    "negative strides": negative_strides,
    "read-only": read_only,
    "planes": planes,
    "every second column of a wider one": lambda card: np.repeat(card, 2, axis=1)[:, ::2],
    "__array_interface__": Interface,
    "DLPack": Capsule,
    "PIL": Image.fromarray,
    "PIL with alpha": lambda card: Image.fromarray(card).convert("RGBA"),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_form_of_a_picture_does_not_matter(form: str, matter: edgematte.Matter) -> None:
    given = FORMS[form](CARD)
    ways = [
        matter(given),
        matter.many([given])[0],
        list(matter.refine(given))[-1],
        list(matter.stream([given]))[0],
    ]
    for found in ways:
        np.testing.assert_array_equal(found.alpha, matter(CARD).alpha)
        np.testing.assert_array_equal(np.asarray(found.image())[..., 3], found_bytes(found))


def found_bytes(matte: edgematte.Matte) -> Bytes:
    return np.rint(matte.alpha * 255).astype(np.uint8)


def test_torch_tensors_of_any_layout(matter: edgematte.Matter) -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.from_numpy(CARD.transpose(2, 0, 1).copy())
    wanted = matter(CARD).alpha
    np.testing.assert_array_equal(matter(tensor.permute(1, 2, 0)).alpha, wanted)
    with pytest.raises(PictureError, match=r"channels come last: .* \.permute\(1, 2, 0\)"):
        matter(tensor)
    with pytest.raises(PictureError, match=r"is a Tensor on meta .*image\.detach\(\)\.cpu\(\)"):
        matter(tensor.to("meta"))
    with pytest.raises(PictureError, match="float32.*(image \\* 255)"):
        matter(tensor.permute(1, 2, 0) / 255)


def test_torch_is_not_imported_for_it(
    matter: edgematte.Matter, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without_torch(name: str, *rest: Any) -> Any:
        assert name.split(".")[0] != "torch"
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_torch)
    assert matter(Capsule(CARD)).alpha.shape == (60, 80)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.full((4, 5, 3), 0.5, np.float32), r"\(image \* 255\)\.round\(\)\.astype\('uint8'\)"),
        (np.full((4, 5, 3), 99.5), r"values from 0 to 255 become bytes by image\.round"),
        (np.zeros((4, 5, 3), np.uint16), r"\(image >> 8\)\.astype"),
        (np.zeros((3, 9, 9), np.uint8), r"channels come last: image\.transpose\(1, 2, 0\)"),
        (np.zeros((2, 4, 5, 3), np.uint8), r"one picture at a time, image\[0\]"),
        (np.zeros((4, 5), np.uint8), r"grey becomes three equal channels"),
    ],
)
def test_a_refusal_says_how_to_convert(array: Any, said: str, matter: edgematte.Matter) -> None:
    with pytest.raises(PictureError, match=said):
        matter(array)


def test_what_cannot_be_seen_from_here_says_where_it_is(matter: edgematte.Matter) -> None:
    with pytest.raises(PictureError, match=r"is a Capsule on cuda:0 whose values.*another device"):
        matter(Capsule(CARD, "cuda:0"))


def test_channels_as_opencv_has_them(matter: edgematte.Matter) -> None:
    wanted = matter(CARD)
    turned = np.ascontiguousarray(CARD[..., ::-1])
    assert (matter(turned).alpha != wanted.alpha).any()  # the premise
    found = matter(turned, channel_order="BGR")
    np.testing.assert_array_equal(found.alpha, wanted.alpha)
    np.testing.assert_array_equal(np.asarray(found.image()), np.asarray(wanted.image()))
    own = np.full((60, 80, 1), 51, np.uint8)
    clear = matter(np.concatenate([turned, own], axis=2), channel_order="BGR")
    # float32: a last bit of the product
    np.testing.assert_allclose(clear.alpha, wanted.alpha * 0.2, atol=1e-7)
    for way in (
        matter.many([turned], channel_order="BGR")[0],
        list(matter.stream([turned], channel_order="BGR"))[0],
        list(matter.refine(turned, channel_order="BGR"))[-1],
    ):
        np.testing.assert_array_equal(way.alpha, wanted.alpha)
    with pytest.raises(OptionError, match="channel_order GBR: there are RGB, BGR"):
        matter(CARD, channel_order="GBR")
    with pytest.raises(OptionError, match="channel_order BGR is of arrays"):
        matter(Image.fromarray(CARD), channel_order="BGR")


def test_files_by_path_by_name_and_open(matter: edgematte.Matter, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(CARD).save(path)
    wanted = matter(CARD).alpha
    with path.open("rb") as opened:
        for given in (path, str(path), opened, io.BytesIO(path.read_bytes())):
            np.testing.assert_array_equal(matter(given).alpha, wanted)
    with pytest.raises(PictureError, match=r"no picture at none\.png"):
        matter("none.png")
    with path.open() as text, pytest.raises(PictureError, match="opened as text.*mode 'rb'"):
        matter(text)  # type: ignore[arg-type]  # what the test is about
    with pytest.raises(PictureError, match="the picture in the open file is not a picture"):
        matter(io.BytesIO(b"text"))


def test_a_turned_photo_is_upright_as_a_file_and_in_pil(
    matter: edgematte.Matter, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "a.png"
    Image.fromarray(CARD).save(path, exif=exif)
    wanted = matter(np.rot90(CARD, -1)).alpha
    np.testing.assert_array_equal(matter(path).alpha, wanted)
    with Image.open(path) as opened:
        np.testing.assert_array_equal(matter(opened).alpha, wanted)
    np.testing.assert_array_equal(matter(open_picture(path)).alpha, wanted)


def test_a_closed_image_is_one_sentence(matter: edgematte.Matter, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(CARD).save(path)
    image = Image.open(path)
    image.close()
    with pytest.raises(PictureError, match=r"a\.png is damaged, truncated or closed"):
        matter(image)


def test_trimaps_and_masks_as_files_and_in_pil(matter: edgematte.Matter, tmp_path: Path) -> None:
    trimap = np.zeros((60, 80), np.uint8)
    trimap[20:40, 20:60], trimap[25:35, 30:50] = 128, 255
    path = tmp_path / "t.png"
    Image.fromarray(trimap).save(path)
    wanted = matter(CARD, trimap)
    for given in (path, str(path), Image.fromarray(trimap), Capsule(trimap)):
        np.testing.assert_array_equal(matter(CARD, given).alpha, wanted.alpha)
    np.testing.assert_array_equal(matter.many([CARD], [path])[0].alpha, wanted.alpha)
    mask = np.where(trimap > 0, 255, 0).astype(np.uint8)
    wanted = matter(CARD, mask=mask)
    for masked in (Image.fromarray(mask), Capsule(mask)):
        np.testing.assert_array_equal(matter(CARD, mask=masked).trimap, wanted.trimap)


def test_a_frame_that_cannot_be_read_is_numbered(matter: edgematte.Matter) -> None:
    with pytest.raises(PictureError, match=r"frame 1: no picture at none\.png"):
        list(matter.stream([CARD, "none.png"]))
