"""Tone curves of profiles, against LittleCMS and against curves written out."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from edgematte.arrays import Bytes
from edgematte.pictures import composite
from edgematte.pictures.light import Light, curves_of

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GREYS = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)


def with_curves(curve: bytes) -> bytes:
    """sRGB with other tone curves; its own three share their bytes or lie apart."""
    profile = bytearray(SRGB)
    (count,) = struct.unpack_from(">I", profile, 128)
    place = len(profile)
    profile += curve + b"\0" * (-len(curve) % 4)
    for i in range(count):
        at = 132 + 12 * i
        if bytes(profile[at : at + 4]) in (b"rTRC", b"gTRC", b"bTRC"):
            struct.pack_into(">II", profile, at + 4, place, len(curve))
    struct.pack_into(">I", profile, 0, len(profile))
    return bytes(profile)


def gamma(value: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(value * 256))


def para(function: int, *numbers: float) -> bytes:
    fixed = [round(number * 65536) for number in numbers]
    return b"para\0\0\0\0" + struct.pack(f">HH{len(fixed)}i", function, 0, *fixed)


TABLE = b"curv\0\0\0\0" + struct.pack(">I5H", 5, 0, 3000, 14000, 36000, 65535)
CURVES = {
    "a power": gamma(2.2),
    "a table": TABLE,
    "no curve": b"curv\0\0\0\0\0\0\0\0",
    "function 0": para(0, 1.8),
    "function 3": para(3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045),
    "function 4": para(4, 2.2, 0.95, 0.05, 0.1395, 0.02, 0.0, 0.0),
}


@pytest.mark.parametrize("name", CURVES)
def test_curves_are_those_of_littlecms(name: str) -> None:
    """Greys of a profile in sRGB: equal light. LittleCMS works on bytes: a level of rounding."""
    profile = with_curves(CURVES[name])
    first, second = (ImageCms.getOpenProfile(io.BytesIO(p)) for p in (profile, SRGB))
    image = Image.fromarray(GREYS[None])
    turned = ImageCms.profileToProfile(image, first, second, outputMode="RGB")
    assert turned is not None
    found = Light().stored(Light(profile).of(GREYS)) * 255
    assert np.abs(found - np.asarray(turned)[0]).max() <= 1.5


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_light_and_back_is_the_same_value(dtype: type[np.unsignedinteger]) -> None:
    top = np.iinfo(dtype).max
    values = np.repeat(np.arange(top + 1, dtype=dtype)[:, None], 3, axis=1)
    for profile in (None, with_curves(gamma(1.8))):
        light = Light(profile)
        # float32 keeps 24 bits of light: near white a step of 16 bits is 2**-15 of it
        back = np.rint(light.stored(light.of(values)).astype(np.float64) * top)
        assert np.abs(back - values).max() <= (0 if dtype == np.uint8 else 1)


@pytest.mark.parametrize(
    "profile", [b"", b"no profile", SRGB[:200], with_curves(b"mft2\0\0\0\0"), with_curves(gamma(0))]
)
def test_a_profile_without_curves_is_taken_as_srgb(profile: bytes) -> None:
    assert curves_of(profile) is not None
    np.testing.assert_array_equal(Light(profile).of(GREYS), Light().of(GREYS))


def test_half_red_before_green_has_the_light_of_both() -> None:
    """The dark rim of the old way: 128, 128, 0 is less than half as bright."""
    red: Bytes = np.array([[[255, 0, 0]]], np.uint8)
    half, green = np.full((1, 1), 0.5, np.float32), np.array([0, 255, 0], np.uint8)
    assert composite(red, half, green, linear=True).tolist() == [[[188, 188, 0]]]
    assert composite(red, half, green).tolist() == [[[128, 128, 0]]]
