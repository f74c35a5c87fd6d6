"""Multipart bodies, kept in memory: nothing that a client sends is written to a disk."""

from collections.abc import AsyncIterator
from typing import Any

from starlette.formparsers import FormParser, MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from edgematte.serve.limits import Gone, Hold, Limits, body_of
from edgematte.serve.refused import Refused

MAX_FILES, MAX_FIELDS = 4, 32
MULTIPART, URLENCODED = "multipart/form-data", "application/x-www-form-urlencoded"


class Form:
    """The fields of a form: files' bytes and texts, by name; no name twice."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.texts: dict[str, str] = {}

    def add(self, name: str, value: str | bytes) -> None:
        """One more field.

        Raises:
            Refused: there is one of this name.
        """
        if name in self.files or name in self.texts:
            raise Refused(400, f"the field {name!r} was given twice: give it once")
        if isinstance(value, bytes):
            self.files[name] = value
        else:
            self.texts[name] = value


async def form_of(
    request: Any, limits: Limits, hold: Hold, kinds: tuple[str, ...] = (MULTIPART,)
) -> Form:
    """The form in a request's body.

    Args:
        request: Starlette's.
        limits: how large it may be, and how slow.
        hold: accounts for its bytes.
        kinds: media types that are read.

    Raises:
        Refused: another media type, a broken body, or one outside of the limits.
        Gone: the client hung up.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in kinds:
        expected = " or ".join(kinds)
        raise Refused(415, f"the body should be {expected}, not {kind or 'of no stated type'}")
    chunks = body_of(request, limits, hold)
    form = Form()
    try:
        for name, value in await _parsed(kind, request.headers, chunks, limits):
            if isinstance(value, str):
                form.add(name, value)
                continue
            value.file.seek(0)
            form.add(name, value.file.read())
            value.file.close()
    except MultiPartException as error:
        raise Refused(400, f"the body is no multipart form ({error.message})") from None
    except (ValueError, KeyError, UnicodeError) as error:
        if isinstance(error, Refused):
            raise
        raise Refused(400, f"the body is no form that can be read ({error})") from None
    except ClientDisconnect:
        raise Gone from None
    return form


async def _parsed(
    kind: str, headers: Any, chunks: AsyncIterator[bytes], limits: Limits
) -> list[tuple[str, Any]]:
    if kind == URLENCODED:
        found: list[tuple[str, Any]] = (await FormParser(headers, chunks).parse()).multi_items()
        return found
    parser = MultiPartParser(
        headers,
        chunks,
        max_files=MAX_FILES,
        max_fields=MAX_FIELDS,
        max_part_size=limits.body_bytes,
    )
    parser.spool_max_size = limits.body_bytes + 1  # larger files would go to a disk
    parsed: list[tuple[str, Any]] = (await parser.parse()).multi_items()
    return parsed
