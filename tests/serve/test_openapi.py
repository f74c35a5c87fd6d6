"""The server does what its OpenAPI document says, by schemathesis."""

from typing import Any

import numpy as np
import pytest
from serving import REASON, to_file

from edgematte.errors import EdgematteError
from edgematte.runtime.matte import Matte
from edgematte.serve.jobs import Answer, Job, Refusal
from edgematte.serve.work import give, refusal_of, take
from edgematte.testcard import testcard as card

pytest.importorskip("fastapi", reason=REASON)
schemathesis = pytest.importorskip("schemathesis", reason=REASON)

from hypothesis import HealthCheck, assume, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from edgematte.serve.app import make_app  # noqa: E402
from edgematte.serve.keys import Keys  # noqa: E402
from edgematte.serve.openapi import READ  # noqa: E402

KEY = "0123456789abcdef"
FEW = settings(
    max_examples=8, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
FILES = [to_file(card(8, 6), kind) for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")]
for media in (READ, *READ.split(", ")):
    schemathesis.openapi.media_type(media, st.sampled_from(FILES))


class Reading:
    """A backend that reads the files of a job, and finds that half of everything is subject."""

    async def matte(self, job: Job) -> Answer | Refusal:
        try:
            taken = take(job)
            alpha = np.full(taken.picture.pixels.shape[:2], 0.5, np.float32)
            return give(taken, Matte(alpha, (alpha * 255).astype(np.uint8), {}))
        except EdgematteError as error:
            refusal = refusal_of(error)
            assert refusal is not None
            return refusal


def schema_of(keys: Keys) -> Any:
    app = make_app(Reading(), ("made",), keys=keys)
    app.state.front.ready = True
    return schemathesis.openapi.from_asgi("/openapi.json", app)


OPEN, KEYED = schema_of(Keys()), schema_of(Keys([KEY]))


def test_it_has_every_path() -> None:
    paths = {"/matte", "/v1.0/removebg", "/health", "/ready", "/metrics"}
    assert set(OPEN.raw_schema["paths"]) == set(KEYED.raw_schema["paths"]) == paths


def assume_meaning(case: Any) -> None:
    """Leave out what schemas of single values cannot say, such as that colours are of cut-outs."""
    query = case.query or {}
    assume("background" not in query or query.get("write", "cutout") == "cutout")
    fields = case.body if isinstance(case.body, dict) else {}
    assume("trimap" not in fields or "mask" not in fields)  # it says so, and is not heard
    assume("bg_color" not in fields or fields.get("channels", "rgba") == "rgba")


@OPEN.parametrize()  # type: ignore[untyped-decorator]
@FEW
def test_open(case: Any) -> None:
    assume_meaning(case)
    case.call_and_validate()


@KEYED.parametrize()  # type: ignore[untyped-decorator]
@FEW
def test_with_a_key(case: Any) -> None:
    assume_meaning(case)
    case.call_and_validate(headers={"X-Api-Key": KEY})
