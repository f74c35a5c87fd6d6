"""The front: FastAPI's routes, which hand jobs to a backend; docs/serve.md."""

import logging

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

import edgematte
from edgematte.serve import openapi, removebg
from edgematte.serve.asked import job_of, query_of
from edgematte.serve.form import form_of
from edgematte.serve.front import Backend, Front
from edgematte.serve.jobs import Answer
from edgematte.serve.keys import Keys
from edgematte.serve.limits import RETRY_S, Gone, Hold, Limits
from edgematte.serve.metrics import MEDIA_TYPE
from edgematte.serve.refused import Refused
from edgematte.serve.traffic import Traffic

log = logging.getLogger(__name__)


def make_app(
    backend: Backend,
    bundles: tuple[str, ...],
    limits: Limits | None = None,
    keys: Keys | None = None,
) -> FastAPI:
    """The application; its ``state.front`` is its :class:`Front`.

    Args:
        backend: answers jobs.
        bundles: the names of what it has; the first is taken where none is named.
        limits: by default :class:`Limits`' own.
        keys: those that may ask; by default everybody.
    """
    app = FastAPI(
        title="edgematte",
        version=edgematte.__version__,
        description="Mattes of pictures.",
        docs_url=None,  # pages that load their scripts from elsewhere
        redoc_url=None,
    )
    front = app.state.front = Front(backend, bundles, limits or Limits(), keys or Keys())
    app.add_middleware(Traffic, gate=front.gate, metrics=front.metrics)
    for kind in (Refused, HTTPException, Gone, Exception):
        app.add_exception_handler(kind, _refuse)

    async def matte(request: Request) -> Response:
        front.allow(request)
        front.gate.look()
        hold: Hold = request.scope["hold"]
        asked = query_of(request, bundles)
        form = await form_of(request, front.limits, hold)
        job = job_of(asked, form.files, form.texts, front.limits)
        answer = await front.answered(request, job, hold)
        headers = {"Server-Timing": _timing(answer)}
        if answer.notes:
            headers["X-Notes"] = _header(" | ".join(answer.notes))
        return Response(answer.content, media_type=answer.media_type, headers=headers)

    async def remove_background(request: Request) -> Response:
        front.allow(request)
        front.gate.look()
        if unknown := set(request.query_params):
            raise Refused(400, f"there is no parameter {min(unknown)!r}: give fields of the form")
        hold: Hold = request.scope["hold"]
        job, as_json = await removebg.job_of(request, front.limits, hold, bundles[0])
        answer = await front.answered(request, job, hold)
        headers = removebg.headers_of(answer)
        if as_json:
            return JSONResponse(removebg.json_of(answer), headers=headers)
        return Response(answer.content, media_type=answer.media_type, headers=headers)

    async def health() -> Response:
        return JSONResponse({"status": "alive"})

    async def ready() -> Response:
        if not front.ready or front.gate.closing:
            raise Refused(503, "the server is not ready: ask again", RETRY_S)
        return JSONResponse({"status": "ready", "bundles": list(bundles)})

    async def metrics(request: Request) -> Response:
        front.allow(request)
        return Response(front.metrics.text(), media_type=MEDIA_TYPE)

    keyed = bool(front.keys)
    for path, route, method, about in (
        ("/matte", matte, "POST", openapi.matte(bundles, keyed)),
        (removebg.PATH, remove_background, "POST", openapi.removebg(keyed)),
        ("/health", health, "GET", openapi.told("The process is alive.", "status")),
        ("/ready", ready, "GET", openapi.ready()),
        ("/metrics", metrics, "GET", openapi.metrics(keyed)),
    ):
        app.add_api_route(
            path, route, methods=[method], openapi_extra=about, response_model=None, responses={}
        )
    openapi.finish(app, keyed)
    return app


async def _refuse(request: Request, error: Exception) -> Response:
    """An error as JSON of one sentence."""
    front: Front = request.app.state.front
    headers, code = {}, ""
    if isinstance(error, Refused):
        status, sentence, code = error.status, str(error), error.code
        if error.retry_s is not None:
            headers["Retry-After"] = str(error.retry_s)
        if status == 401:
            headers["WWW-Authenticate"] = "Bearer"
    elif isinstance(error, Gone):
        front.metrics.gone()
        status, sentence = 499, "the client hung up"  # nobody reads it
    elif isinstance(error, HTTPException):
        status, headers = error.status_code, dict(error.headers or {})
        sentence = f"{request.method} {request.url.path[:80]}: {str(error.detail).lower()}"
    else:
        log.error("a request failed", exc_info=error)
        status, sentence = 500, "the server failed on this request; its log says why"
    if request.url.path == removebg.PATH:
        status, body = removebg.error_of(status, sentence, code)
    else:
        body = {"error": " ".join(sentence.split())}
    return JSONResponse(body, status, headers)


def _timing(answer: Answer) -> str:
    """Milliseconds by stage, as browsers and proxies show them."""
    stages = answer.seconds.items()
    return ", ".join(f"{name};dur={1000 * seconds:.1f}" for name, seconds in stages)


def _header(text: str) -> str:
    return text.encode("ascii", "replace").decode("ascii").replace("\n", " ")[:1000]
