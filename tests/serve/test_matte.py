"""``POST /matte`` with a replica in this process: the picture's matte, or one sentence."""

import asyncio
import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serving import REASON, Made, pixels_of, to_file

import edgematte
from edgematte.errors import BundleError, OptionError, ToleranceError
from edgematte.pictures import alpha_bytes, cutout
from edgematte.testcard import testcard as card
from edgematte.testcard import testcard_trimap as trimap_of_card

pytest.importorskip("fastapi", reason=REASON)
pytest.importorskip("httpx", reason=REASON)

CARD, TRIMAP = card(60, 45), trimap_of_card(60, 45)


def post(client: Any, query: str = "", headers: Any = None, **files: bytes) -> Any:
    """A response; the files' names and types are what no server should trust."""
    parts = {name: (f"../{name}", content, "text/html") for name, content in files.items()}
    return client.post(f"/matte{query}", files=parts, headers=headers)


def said(response: Any, status: int) -> str:
    """The one sentence of an error."""
    assert response.status_code == status, response.text
    assert list(response.json()) == ["error"]
    sentence: str = response.json()["error"]
    assert "\n" not in sentence and len(sentence) < 300
    return sentence


def test_the_answer_is_what_the_library_gives(client: Any, tiny_bundle: Path) -> None:
    matter = edgematte.load(tiny_bundle, threads=1)
    matte = matter(CARD)
    response = post(client, picture=to_file(CARD))
    assert response.status_code == 200 and response.headers["content-type"] == "image/png"
    assert np.array_equal(pixels_of(response.content), cutout(CARD, matte.alpha))
    assert re.search(r"graph\.segment;dur=\d", response.headers["server-timing"])
    alpha = post(client, "?write=alpha&bundle=tiny", picture=to_file(CARD))
    assert np.array_equal(pixels_of(alpha.content), alpha_bytes(matte.alpha))
    trimap = post(client, "?write=trimap", picture=to_file(CARD))
    assert np.array_equal(pixels_of(trimap.content), matte.trimap)
    given = post(client, "?write=alpha", picture=to_file(CARD), trimap=to_file(TRIMAP))
    assert np.array_equal(pixels_of(given.content), alpha_bytes(matter(CARD, TRIMAP).alpha))
    mask = np.where(TRIMAP > 200, 255, 0).astype(np.uint8)
    masked = post(client, "?write=alpha", picture=to_file(CARD), mask=to_file(mask))
    assert np.array_equal(pixels_of(masked.content), alpha_bytes(matter(CARD, mask=mask).alpha))
    green = pixels_of(post(client, "?background=%2300ff00", picture=to_file(CARD)).content)
    assert green.shape == (45, 60, 3)
    assert (green[matte.alpha == 0] == (0, 255, 0)).all()


@pytest.mark.parametrize(
    ("query", "accept", "expected"),
    [
        ("", "image/webp", "image/webp"),
        ("", "image/png;q=0.1, image/webp", "image/webp"),
        ("", "text/html, */*;q=0.1", "image/png"),
        ("?format=webp", "image/png", "image/webp"),
    ],
)
def test_the_format_is_the_accepted_one(
    client: Any, picture: bytes, query: str, accept: str, expected: str
) -> None:
    response = post(client, query, {"accept": accept}, picture=picture)
    assert response.headers["content-type"] == expected
    assert pixels_of(response.content).shape == (45, 60, 4)


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("?write=all", "write 'all': there are cutout, alpha, trimap"),
        ("?bundle=other", "bundle 'other': there are tiny"),
        ("?format=exe", "format 'exe': there are png, webp"),
        ("?write=alpha&background=red", "background has no meaning for write 'alpha'"),
        ("?background=/etc/passwd", "background '/etc/passwd' is no colour"),
        ("?write=alpha&write=trimap", "'write' was given twice"),
        ("?url=http://example.com/a.png", "there is no parameter 'url'"),
    ],
)
def test_wrong_parameters_are_one_sentence(
    client: Any, picture: bytes, query: str, sentence: str
) -> None:
    assert sentence in said(post(client, query, picture=picture), 400)


def test_a_background_is_never_read_from_a_path(client: Any, picture: bytes, png: Any) -> None:
    file = png("behind.png")
    assert "is no colour" in said(post(client, f"?background={file}", picture=picture), 400)


def test_a_body_that_is_no_picture(client: Any, picture: bytes) -> None:
    assert said(post(client, picture=b"no picture"), 422) == (
        "the picture is not a picture that can be read"
    )
    assert "damaged or truncated" in said(post(client, picture=picture[:-40]), 422)
    assert "the picture is empty" in said(post(client, picture=b""), 422)
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"
    assert "not a picture that can be read" in said(post(client, picture=eps), 422)
    assert "there is no picture" in said(post(client, trimap=picture), 400)
    assert "there is no field 'file'" in said(post(client, file=picture), 400)
    small = to_file(TRIMAP[:20])
    assert "60x20" in said(post(client, picture=picture, trimap=small), 422)
    both = post(client, picture=picture, trimap=to_file(TRIMAP), mask=to_file(TRIMAP))
    assert "send one of them" in said(both, 400)
    text = client.post("/matte", data={"picture": "http://example.com/a.png"})
    assert "not application/x-www-form-urlencoded" in said(text, 415)
    parts = {"picture": (None, "http://example.com/a.png")}
    assert "a file's bytes, not a text" in said(client.post("/matte", files=parts), 400)
    headers = {"content-type": "multipart/form-data; boundary=x"}
    for body in (b"", b"--x\r\nno form", b"--x\r\n\r\n\r\n--x--"):
        assert said(client.post("/matte", content=body, headers=headers), 400)
    headers = {"content-type": "multipart/form-data"}
    assert said(client.post("/matte", content=b"--x--", headers=headers), 400)
    assert "image/png and image/webp" in said(
        post(client, headers={"accept": "text/html"}, picture=picture), 406
    )
    assert said(client.get("/matte"), 405) and said(client.get("/nowhere"), 404)


def bomb(width: int, height: int) -> bytes:
    """A PNG that says it has so many pixels, and has none."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checked = kind + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"x") + chunk(b"IEND", b"")


def test_pixels_are_refused_before_they_are_decoded(client: Any, picture: bytes) -> None:
    """Decoding these would fail: their pixels are not there."""
    for size in ((1000, 101), (60_000, 60_000), (2**31 - 1, 2**31 - 1)):
        response = post(client, picture=bomb(*size))
        assert "pixels; at most 100,000 are read" in said(response, 413)
    response = post(client, picture=picture, trimap=bomb(1000, 1000))
    assert said(response, 413).startswith("the trimap has")


def test_bytes_are_refused_before_they_are_read(client: Any) -> None:
    assert "at most 200,000 bytes" in said(post(client, picture=bytes(200_001)), 413)
    read = []

    def endless() -> Any:
        for _ in range(1000):
            read.append(1)
            yield bytes(10_000)

    headers = {"content-type": "multipart/form-data; boundary=x"}
    assert said(client.post("/matte", content=endless(), headers=headers), 413)
    assert "at most" in said(
        client.post("/matte", content=b"x", headers={**headers, "content-length": "999999"}), 413
    )


def test_an_api_key(made: Made, picture: bytes, tmp_path: Path, monkeypatch: Any) -> None:
    from fastapi.testclient import TestClient

    from edgematte.serve.app import make_app
    from edgematte.serve.keys import Keys, read_keys

    file = tmp_path / "keys"
    file.write_text("0123456789abcdef\nfedcba9876543210\n")
    client = TestClient(make_app(made, ("made",), keys=read_keys(file)))
    assert "X-Api-Key" in said(post(client, picture=picture), 401)
    assert said(post(client, headers={"x-api-key": "0123456789abcdeX"}, picture=picture), 401)
    assert said(client.get("/metrics"), 401) and client.get("/health").status_code == 200
    assert not made.jobs
    good = {"x-api-key": "fedcba9876543210"}, {"authorization": "Bearer 0123456789abcdef"}
    assert [post(client, headers=h, picture=picture).status_code for h in good] == [200, 200]

    monkeypatch.setenv("EDGEMATTE_API_KEY", "a key of the environment")
    keys = read_keys(None)
    assert keys.allow({"x-api-key": "a key of the environment"}) and not keys.allow({})
    assert "EDGEMATTE_API_KEY" not in __import__("os").environ  # replicas do not get it
    assert not read_keys(None) and Keys().allow({})
    for text, sentence in (("\n", "holds no API key"), ("short\n", "16 ASCII characters")):
        file.write_text(text)
        with pytest.raises(OptionError, match=sentence):
            read_keys(file)
    with pytest.raises(OptionError, match="No such file"):
        read_keys(tmp_path / "missing")


def test_health_readiness_and_figures(client: Any, picture: bytes) -> None:
    assert client.get("/health").json() == {"status": "alive"}
    assert client.get("/ready").json() == {"status": "ready", "bundles": ["tiny"]}
    client.app.state.front.ready = False
    response = client.get("/ready")
    assert said(response, 503) and response.headers["retry-after"] == "1"
    post(client, picture=picture)
    post(client, picture=b"none")
    figures = client.get("/metrics")
    assert figures.headers["content-type"].startswith("text/plain; version=0.0.4")
    for line in (
        'edgematte_requests_total{path="/matte",status="200"} 1.0',
        'edgematte_requests_total{path="/matte",status="422"} 1.0',
        'edgematte_stage_seconds_count{bundle="tiny",stage="graph.segment"} 1.0',
        'edgematte_stage_seconds_count{bundle="tiny",stage="decode"} 1.0',
        "edgematte_waiting 0.0",
    ):
        assert line in figures.text


def test_a_bundle_that_is_outside_of_its_tolerance_is_not_served(
    make_tiny: Callable[..., Path],
) -> None:
    from edgematte.serve.replica import Loading, Offer, Replica

    bundle = str(make_tiny("one weight by 10 %"))
    with pytest.raises(ToleranceError):
        Replica({"wrong": Offer.of(bundle)}, Loading())
    with pytest.raises(BundleError, match="another one here than where the server was started"):
        Replica({"other": Offer(bundle, "0" * 64)}, Loading())


def test_several_bundles_in_one_process(tiny_bundle: Path, picture: bytes) -> None:
    from fastapi.testclient import TestClient

    from edgematte.serve.app import make_app
    from edgematte.serve.replica import Loading, Offer, Replica

    offers = {"tiny": Offer.of(str(tiny_bundle)), "shipped": Offer.of(None)}
    replica = Replica(offers, Loading())
    client = TestClient(make_app(replica, tuple(offers)))
    first = post(client, "?write=alpha", picture=picture)
    second = post(client, "?write=alpha&bundle=shipped", picture=picture)
    expected = [alpha_bytes(edgematte.load(b, threads=1)(CARD).alpha) for b in (tiny_bundle, None)]
    assert np.array_equal(pixels_of(first.content), expected[0])
    assert np.array_equal(pixels_of(second.content), expected[1])
    assert not np.array_equal(expected[0], expected[1])
    replica.close()


def test_an_unforeseen_error_is_one_sentence_and_logged(
    picture: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    from fastapi.testclient import TestClient

    from edgematte.serve.app import make_app

    class Broken:
        async def matte(self, job: Any) -> Any:
            await asyncio.sleep(0)
            raise ZeroDivisionError("secret")

    client = TestClient(make_app(Broken(), ("made",)), raise_server_exceptions=False)
    assert "secret" not in said(post(client, picture=picture), 500)
    assert "a request failed" in caplog.text
