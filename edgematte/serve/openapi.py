"""What ``/openapi.json`` says beside what FastAPI finds out by itself."""

from typing import Any

from PIL import ImageColor

from edgematte.ranges import KINDS
from edgematte.serve.jobs import FORMATS, MEDIA
from edgematte.serve.removebg import KINDS as REMOVEBG_KINDS
from edgematte.serve.removebg import SIZES

Spec = dict[str, Any]

FILE = {"type": "string", "format": "binary"}
READ = ", ".join(sorted(f"image/{name.lower()}" for name in FORMATS))
RETRY = {
    "Retry-After": {
        "description": "Seconds until the same request may be answered",
        "schema": {"type": "integer"},
    }
}
REASONS = {
    400: "A parameter or a field is missing, unknown, or has no meaning here",
    401: "No API key that is known here",
    403: "No API key that is known here",
    406: "No format that is accepted can be written",
    408: "The body came too slowly",
    413: "Too many bytes or pixels",
    415: "The body is of another media type",
    422: "A file is no picture, or does not fit the others",
    429: "Too many pictures are waiting",
    500: "The server failed",
    503: "The server is full or stopping",
    504: "No answer in time",
}


def matte(bundles: tuple[str, ...], keyed: bool) -> Spec:
    """``POST /matte``."""
    parameters = [
        _query("write", "What is answered", {"enum": list(KINDS), "default": "cutout"}),
        _query("background", "A colour behind a cut-out: white, #00ff00", _colour("#")),
        _query("bundle", "Which bundle mattes", {"enum": list(bundles), "default": bundles[0]}),
        _query("format", "In place of the header Accept", {"enum": ["png", "webp"]}),
    ]
    fields = {
        "picture": {**FILE, "description": "The picture"},
        "trimap": {**FILE, "description": "0 background, 128 unknown, 255 foreground"},
        "mask": {**FILE, "description": "Bright on the subject, of any size, in place of a trimap"},
    }
    return {
        "summary": "Matte a picture",
        "parameters": parameters,
        "requestBody": _body(
            fields, ["picture"], dict.fromkeys(fields, READ), {"required": ["trimap", "mask"]}
        ),
        "responses": {
            "200": _pictures("PNG", "WEBP"),
            **_errors((400, 406, 408, 413, 415, 422, 429, 500, 503, 504), "Error"),
            **(_errors((401,), "Error") if keyed else {}),
        },
        **_secured(keyed),
    }


def removebg(keyed: bool) -> Spec:
    """``POST /v1.0/removebg``."""
    fields = {  # empty texts, which some clients send, are as if they were not there
        "image_file": FILE,
        "size": {"type": "string", "enum": [*SIZES, ""], "default": "preview"},
        "format": {"type": "string", "enum": [*REMOVEBG_KINDS, ""], "default": "auto"},
        "channels": {"type": "string", "enum": ["rgba", "alpha", ""], "default": "rgba"},
        "bg_color": {"type": "string", **_colour("#?", "")},
    }
    pictures = _pictures(*MEDIA)
    pictures["content"]["application/json"] = {"schema": {"type": "object", "required": ["data"]}}
    return {
        "summary": "Matte a picture, for clients of remove.bg",
        "requestBody": _body(fields, ["image_file"], {"image_file": READ}),
        "responses": {
            "200": pictures,
            **_errors((400, 408, 429, 500, 503, 504), "RemoveBgErrors"),
            **(_errors((403,), "RemoveBgErrors") if keyed else {}),
        },
        **_secured(keyed),
    }


def told(about: str, *fields: str) -> Spec:
    """An answer of JSON with these fields."""
    schema = {"type": "object", "required": list(fields)}
    content = {"application/json": {"schema": schema}}
    return {"responses": {"200": {"description": about, "content": content}}}


def ready() -> Spec:
    """``GET /ready``."""
    spec = told("Every bundle is loaded and proven.", "status", "bundles")
    spec["responses"] |= _errors((503,), "Error")
    return spec


def metrics(keyed: bool) -> Spec:
    """``GET /metrics``."""
    content = {"text/plain": {"schema": {"type": "string"}}}
    return {
        "responses": {
            "200": {"description": "Prometheus' text format.", "content": content},
            **(_errors((401,), "Error") if keyed else {}),
        },
        **_secured(keyed),
    }


def finish(app: Any, keyed: bool) -> None:
    """Add the parts that all paths share to what the application says of itself."""
    whole = app.openapi()
    sentence = {"type": "string", "minLength": 1}
    error = {"type": "object", "properties": {"error": sentence}, "required": ["error"]}
    entry = {
        "type": "object",
        "properties": {"title": sentence, "code": sentence},
        "required": ["title", "code"],
    }
    entries = {"type": "array", "minItems": 1, "items": entry}
    components = whole.setdefault("components", {})
    components["schemas"] = {
        "Error": error,
        "RemoveBgErrors": {
            "type": "object",
            "properties": {"errors": entries},
            "required": ["errors"],
        },
    }
    if keyed:
        components["securitySchemes"] = {
            "key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
            "bearer": {"type": "http", "scheme": "bearer"},
        }
    app.openapi_schema = whole


def _query(name: str, about: str, schema: Spec) -> Spec:
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": about,
        "schema": {"type": "string", **schema},
    }


def _colour(mark: str, *others: str) -> Spec:
    """A colour's name, or hexadecimal digits after a mark."""
    digits = f"^{mark}([0-9a-fA-F]{{3}}|[0-9a-fA-F]{{6}})$"
    return {"anyOf": [{"pattern": digits}, {"enum": [*sorted(ImageColor.colormap), *others]}]}


def _body(
    fields: Spec, required: list[str], kinds: dict[str, str], never: Spec | None = None
) -> Spec:
    schema = {
        **({"not": never} if never else {}),
        "type": "object",
        "properties": fields,
        "required": required,
        "additionalProperties": False,
    }
    encoding = {name: {"contentType": kind} for name, kind in kinds.items()}
    content = {"multipart/form-data": {"schema": schema, "encoding": encoding}}
    return {"required": True, "content": content}


def _pictures(*kinds: str) -> Spec:
    content = {MEDIA[kind]: {"schema": FILE} for kind in kinds}
    return {"description": "The result's file", "content": content}


def _errors(statuses: tuple[int, ...], schema: str) -> Spec:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {
        str(status): {
            "description": REASONS[status],
            "content": content,
            **({"headers": RETRY} if status in (429, 503, 504) else {}),
        }
        for status in statuses
    }


def _secured(keyed: bool) -> Spec:
    return {"security": [{"key": []}, {"bearer": []}]} if keyed else {}
