"""``POST /v1.0/removebg``: the fields, answers and errors that clients of remove.bg know.

Fields that would change the picture in a way that is not offered here are refused unless they have
the value that changes nothing. ``image_url`` is refused always: this server fetches nothing.
"""

import base64
import binascii
import json
import re
from typing import Any

from edgematte.errors import OptionError
from edgematte.pictures.cutouts import read_colour
from edgematte.serve.form import MULTIPART, URLENCODED, Form, form_of
from edgematte.serve.jobs import Answer, Job
from edgematte.serve.limits import Hold, Limits
from edgematte.serve.refused import Refused

PATH = "/v1.0/removebg"
JSON = "application/json"

SIZES: dict[str, int | None] = {
    **dict.fromkeys(("preview", "small", "regular"), 250_000),
    "medium": 1_500_000,
    "hd": 4_000_000,
    **dict.fromkeys(("auto", "full", "4k", "50MP"), None),
}
"""Pixels that a picture is reduced to."""
KINDS = {"auto": "", "png": "PNG", "jpg": "JPEG", "webp": "WEBP"}
SOURCES = ("image_file", "image_file_b64")
PLAIN = {
    "type": ("auto",),
    "type_level": ("none", "1", "2", "latest"),  # how finely X-Type tells what was seen
    "roi": ("0% 0% 100% 100%",),
    "crop": ("false",),
    "crop_margin": ("0", "0px", "0%"),
    "scale": ("original",),
    "position": ("original", "center"),
    "add_shadow": ("false",),
    "shadow_type": ("none", "auto"),
    "semitransparency": ("true",),
    "bg_image_url": (),
    "bg_image_file": (),
}
"""Fields of remove.bg, and the values that leave a picture as it is made here."""
STATUSES = {401: 403, 413: 400, 415: 400, 422: 400, 406: 400}
CODES = {
    400: "invalid_parameter",
    403: "auth_failed",
    408: "timeout",
    413: "file_size_too_large",
    415: "invalid_content_type",
    422: "invalid_file_type",
    429: "rate_limit_exceeded",
}
_HEX = re.compile(r"[0-9a-fA-F]{3,8}")


async def job_of(request: Any, limits: Limits, hold: Hold, bundle: str) -> tuple[Job, bool]:
    """The job that a request asks for, and whether its answer is JSON.

    Raises:
        Refused: a field is missing, unknown, or asks for what is not offered.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == JSON:
        form = await _json_form(request, limits, hold)
    else:
        form = await form_of(request, limits, hold, (MULTIPART, URLENCODED))
    texts = {name: text for name, text in form.texts.items() if text}
    if "image_url" in texts or "image_url" in form.files:
        raise Refused(
            400,
            "image_url is not followed: this server fetches nothing; send the picture itself as "
            "image_file",
            code="invalid_image_url",
        )
    unknown = {*texts, *form.files} - {*SOURCES, *PLAIN, "size", "format", "channels", "bg_color"}
    if unknown:
        raise Refused(400, f"there is no field {min(unknown)!r}", code="unknown_parameter")
    for name, harmless in PLAIN.items():
        if name in form.files or (name in texts and texts[name].lower() not in harmless):
            what = f"only {harmless[0]!r}" if harmless else "nothing"
            raise Refused(400, f"{name} is not offered here: it may be {what}; leave it out")
    alpha = _one_of("channels", texts, ("rgba", "alpha"), "rgba") == "alpha"
    colour = _colour(texts["bg_color"]) if "bg_color" in texts else None
    if alpha and colour is not None:
        raise Refused(400, "bg_color has no meaning for channels 'alpha': leave it out")
    written = KINDS[_one_of("format", texts, ("auto", "png", "jpg", "webp"), "auto")]
    job = Job(
        bundle,
        _picture(form, texts),
        write="alpha" if alpha else "cutout",
        background=colour,
        kind=written or ("PNG" if alpha else ""),
        max_pixels=limits.pixels,
        reduce_to=SIZES[_one_of("size", texts, tuple(SIZES), "preview")],
    )
    return job, JSON in request.headers.get("accept", "")


def headers_of(answer: Answer) -> dict[str, str]:
    """What remove.bg tells of a picture beside it."""
    left, top, width, height = answer.box or (0, 0, 0, 0)
    return {
        "X-Type": "other",
        "X-Width": str(answer.width),
        "X-Height": str(answer.height),
        "X-Credits-Charged": "0",
        "X-Foreground-Top": str(top),
        "X-Foreground-Left": str(left),
        "X-Foreground-Width": str(width),
        "X-Foreground-Height": str(height),
    }


def json_of(answer: Answer) -> dict[str, Any]:
    """The answer as JSON, for clients that accept nothing else."""
    left, top, width, height = answer.box or (0, 0, 0, 0)
    return {
        "data": {
            "result_b64": base64.b64encode(answer.content).decode("ascii"),
            "foreground_top": top,
            "foreground_left": left,
            "foreground_width": width,
            "foreground_height": height,
        }
    }


def error_of(status: int, sentence: str, code: str) -> tuple[int, dict[str, Any]]:
    """The status and the body of an error, as remove.bg gives them."""
    told = STATUSES.get(status, status)
    word = code or CODES.get(status, CODES.get(told, "unknown_error"))
    return told, {"errors": [{"title": sentence, "code": word}]}


async def _json_form(request: Any, limits: Limits, hold: Hold) -> Form:
    from edgematte.serve.limits import body_of

    whole = b"".join([chunk async for chunk in body_of(request, limits, hold)])
    try:
        fields = json.loads(whole)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise Refused(400, "the body should be a JSON object of fields")
    form = Form()
    for name, value in fields.items():
        if value is None:
            continue
        if not isinstance(value, str | bool | int):
            raise Refused(400, f"the field {name!r} should be a text")
        form.add(name, str(value).lower() if isinstance(value, bool) else str(value))
    return form


def _one_of(name: str, texts: dict[str, str], values: tuple[str, ...], default: str) -> str:
    value = texts.get(name, default)
    if value not in values:
        raise Refused(400, f"{name} {value!r}: there are {', '.join(values)}")
    return value


def _picture(form: Form, texts: dict[str, str]) -> bytes:
    if "image_file" in texts:
        raise Refused(400, "image_file should be a file's bytes, not a text", code="missing_source")
    given = [name for name in SOURCES if name in texts or name in form.files]
    if len(given) != 1:
        code = "multiple_sources" if given else "missing_source"
        raise Refused(400, "give one picture, as image_file or as image_file_b64", code=code)
    if given == ["image_file"]:
        return form.files["image_file"]
    text = texts.get("image_file_b64") or form.files["image_file_b64"].decode("ascii", "replace")
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise Refused(400, "image_file_b64 is no Base64", code="invalid_file_type") from None


def _colour(text: str) -> tuple[int, int, int]:
    """A colour's name, or hexadecimal digits with or without ``#``."""
    try:
        pixel = read_colour(f"#{text}" if _HEX.fullmatch(text) else text).pixels[0, 0]
    except OptionError as error:
        raise Refused(400, str(error).replace("background", "bg_color", 1)) from None
    red, green, blue = (int(channel) for channel in pixel)
    return red, green, blue
