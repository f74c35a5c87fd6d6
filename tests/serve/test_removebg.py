"""``POST /v1.0/removebg`` as clients of remove.bg ask it."""

import base64
import socket
from typing import Any

import numpy as np
import pytest
from serving import REASON, pixels_of, to_file

from edgematte.testcard import testcard as card

pytest.importorskip("fastapi", reason=REASON)
pytest.importorskip("httpx", reason=REASON)

PATH = "/v1.0/removebg"


def post(client: Any, picture: bytes | None, **texts: str) -> Any:
    """As the client packages send it."""
    files = {} if picture is None else {"image_file": ("photo.jpg", picture)}
    return client.post(PATH, files=files, data=texts, headers={"X-Api-Key": "any"})


def test_the_call_that_its_documentation_shows(client: Any, picture: bytes) -> None:
    response = post(client, picture, size="auto")
    assert response.status_code == 200 and response.headers["content-type"] == "image/png"
    cutout = pixels_of(response.content)
    assert cutout.shape == (45, 60, 4)
    rows, columns = np.nonzero(cutout[..., 3])
    told = {name: int(response.headers[f"x-foreground-{name}"]) for name in ("top", "left")}
    assert told == {"top": rows.min(), "left": columns.min()}
    assert int(response.headers["x-foreground-width"]) == np.ptp(columns) + 1
    assert (response.headers["x-width"], response.headers["x-height"]) == ("60", "45")
    assert response.headers["x-credits-charged"] == "0"


def test_sizes_formats_and_colours(client: Any) -> None:
    large = to_file(card(330, 300), "JPEG")  # 99,000 pixels
    from edgematte.serve import removebg

    before = removebg.SIZES["preview"]
    removebg.SIZES["preview"] = 10_000
    try:
        preview = pixels_of(post(client, large).content)  # the size where none is given
    finally:
        removebg.SIZES["preview"] = before
    assert preview.shape[0] * preview.shape[1] <= 10_000
    assert preview.shape[1] / preview.shape[0] == pytest.approx(1.1, abs=0.02)
    assert pixels_of(post(client, large, size="full").content).shape == (300, 330, 4)
    jpg = post(client, large, format="jpg", bg_color="00ff00")
    assert jpg.headers["content-type"] == "image/jpeg"
    assert pixels_of(jpg.content).shape == (300, 330, 3)
    alpha = post(client, large, channels="alpha")
    assert pixels_of(alpha.content).shape == (300, 330)
    red = pixels_of(post(client, large, bg_color="red", format="png").content)
    clear = pixels_of(alpha.content) == 0
    assert clear.any() and (red[clear] == (255, 0, 0)).all()


def test_json_and_base64(client: Any, picture: bytes) -> None:
    text = base64.b64encode(picture).decode()
    whole = {"image_file_b64": text, "size": "auto", "crop": False}
    response = client.post(PATH, json=whole, headers={"Accept": "application/json"})
    data = response.json()["data"]
    assert base64.b64decode(data["result_b64"]) == post(client, picture).content
    assert data["foreground_width"] > 0
    encoded = client.post(PATH, data={"image_file_b64": text})
    assert encoded.status_code == 200


@pytest.mark.parametrize(
    ("texts", "code", "sentence"),
    [
        ({"image_url": "http://127.0.0.1/a.png"}, "invalid_image_url", "fetches nothing"),
        ({"bg_image_url": "http://127.0.0.1/a.png"}, "invalid_parameter", "may be nothing"),
        ({"size": "huge"}, "invalid_parameter", "size 'huge': there are preview"),
        ({"format": "zip"}, "invalid_parameter", "format 'zip'"),
        ({"crop": "true"}, "invalid_parameter", "it may be only 'false'"),
        ({"bg_color": "81d4fa77"}, "invalid_parameter", "bg_color '#81d4fa77' is transparent"),
        ({"bg_color": "no colour"}, "invalid_parameter", "bg_color 'no colour' is no colour"),
        ({"colour": "red"}, "unknown_parameter", "no field 'colour'"),
        ({"image_file_b64": "x"}, "multiple_sources", "give one picture"),
    ],
)
def test_errors_have_its_form(
    client: Any,
    picture: bytes,
    texts: dict[str, str],
    code: str,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("something was looked up")

    monkeypatch.setattr(socket, "getaddrinfo", never)
    response = post(client, picture, **texts)
    assert response.status_code == 400
    (error,) = response.json()["errors"]
    assert error["code"] == code and sentence in error["title"]


def test_what_is_no_picture_and_where_is_none(client: Any) -> None:
    (error,) = post(client, b"text").json()["errors"]
    assert error["code"] == "invalid_file_type" and "not a picture" in error["title"]
    response = client.post(PATH, files={"size": (None, "auto")})
    assert response.json()["errors"][0]["code"] == "missing_source"
    big = post(client, to_file(card(400, 300)))
    assert big.status_code == 400
    assert big.json()["errors"][0]["code"] == "file_size_too_large"
