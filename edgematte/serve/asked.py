"""What a request to ``/matte`` asks for: its parameters, the format it accepts, its files."""

import contextlib
from collections.abc import Mapping
from typing import Any

from edgematte.errors import OptionError
from edgematte.pictures.cutouts import read_colour
from edgematte.ranges import KINDS
from edgematte.serve.jobs import MEDIA, Job
from edgematte.serve.limits import Limits
from edgematte.serve.refused import Refused

FILES = ("picture", "trimap", "mask")
WRITTEN = {"png": "PNG", "webp": "WEBP"}
QUERY = ("write", "background", "bundle", "format")


def query_of(request: Any, bundles: tuple[str, ...]) -> dict[str, Any]:
    """The checked parameters, as fields of a job.

    Raises:
        Refused: one is unknown, was given twice, or has no meaning.
    """
    given = request.query_params
    if unknown := set(given) - set(QUERY):
        raise Refused(400, f"there is no parameter {min(unknown)!r}: there are {', '.join(QUERY)}")
    if twice := [name for name in given if len(given.getlist(name)) > 1]:
        raise Refused(400, f"the parameter {twice[0]!r} was given twice: give it once")
    write, bundle = given.get("write", "cutout"), given.get("bundle", bundles[0])
    if write not in KINDS:
        raise Refused(400, f"write {write!r}: there are {', '.join(KINDS)}")
    if bundle not in bundles:
        raise Refused(400, f"bundle {bundle!r}: there are {', '.join(bundles)}")
    background = None
    if "background" in given:
        if write != "cutout":
            raise Refused(400, f"background has no meaning for write {write!r}: leave it out")
        try:
            red, green, blue = read_colour(given["background"]).pixels[0, 0]
        except OptionError as error:
            raise Refused(400, str(error)) from None
        background = (int(red), int(green), int(blue))
    kind = _kind(given.get("format"), request.headers.get("accept", "*/*"))
    return {"bundle": bundle, "write": write, "background": background, "kind": kind}


def _kind(asked: str | None, accept: str) -> str:
    """Pillow's name of the format: the one asked for, or the first that is accepted."""
    if asked is not None:
        if asked not in WRITTEN:
            raise Refused(400, f"format {asked!r}: there are {', '.join(WRITTEN)}")
        return WRITTEN[asked]
    wanted: list[tuple[float, str]] = []
    for part in accept.lower().split(","):
        media, *parameters = (piece.strip() for piece in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                with contextlib.suppress(ValueError):
                    quality = float(parameter[2:])
        kinds = [k for k in WRITTEN.values() if media in (MEDIA[k], "image/*", "*/*", "")]
        if kinds and quality > 0:
            wanted.append((-quality, kinds[0]))
    if not wanted:
        raise Refused(406, f"accept {accept[:80]!r}: there are image/png and image/webp")
    return min(wanted, key=lambda pair: pair[0])[1]


def job_of(
    asked: Mapping[str, Any],
    files: Mapping[str, bytes],
    texts: Mapping[str, str],
    limits: Limits,
) -> Job:
    """The job of checked parameters and the fields of a form.

    Raises:
        Refused: a file is missing, or a field is none of those that there are.
    """
    if wrong := [name for name in texts if name in FILES]:
        raise Refused(400, f"{wrong[0]} should be a file's bytes, not a text")
    if unknown := ({*files, *texts} - {*FILES}):
        raise Refused(400, f"there is no field {min(unknown)!r}: there are {', '.join(FILES)}")
    if "picture" not in files:
        raise Refused(400, "there is no picture: send one as the field 'picture'")
    if "trimap" in files and "mask" in files:
        raise Refused(400, "a trimap and a mask were sent: send one of them")
    given: dict[str, Any] = {**asked, **files}
    return Job(**given, max_pixels=limits.pixels)
