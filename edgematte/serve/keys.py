"""API keys: read from a file or the environment, compared in constant time."""

import hashlib
import hmac
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from edgematte.errors import OptionError

VARIABLE = "EDGEMATTE_API_KEY"
SHORTEST = 16  # characters: shorter ones can be guessed


class Keys:
    """The keys that clients may show; without any, everybody may ask."""

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self._digests = [_digest(key) for key in keys]

    def __bool__(self) -> bool:
        """Whether a key is asked for."""
        return bool(self._digests)

    def allow(self, headers: Mapping[str, str]) -> bool:
        """Whether a request with these headers may be answered.

        Every key is compared, whole, so that the time says nothing about them.
        """
        if not self._digests:
            return True
        shown = headers.get("x-api-key", "")
        kind, _, token = headers.get("authorization", "").partition(" ")
        if not shown and kind.lower() == "bearer":
            shown = token.strip()
        given = _digest(shown)
        return any([hmac.compare_digest(given, digest) for digest in self._digests])


def read_keys(file: Path | None) -> Keys:
    """The keys of a file, one a line, or of the variable :data:`VARIABLE`, which is then unset.

    Other processes that this one starts shall not have them.

    Raises:
        OptionError: the file cannot be read or has no key, or a key is short.
    """
    given = os.environ.pop(VARIABLE, None)
    where, text = VARIABLE, given or ""
    if file is not None:
        where = str(file)
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is no text"
            raise OptionError(f"the API keys in {file} cannot be read ({why})") from None
    elif given is None:
        return Keys()
    keys = [line.strip() for line in text.splitlines() if line.strip()]
    if not keys:
        raise OptionError(f"{where} holds no API key: write one a line, or leave it out")
    if any(len(key) < SHORTEST or not key.isascii() for key in keys):
        raise OptionError(
            f"{where} holds an API key that is not {SHORTEST} ASCII characters or longer: make one "
            "with `openssl rand -hex 32`"
        )
    return Keys(keys)


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
