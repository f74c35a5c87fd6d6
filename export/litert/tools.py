"""The one place that imports litert-torch, without its warnings about other packages."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator

from edgematte.standard_error import muted


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Run LiteRT's tools without their progress, advice and warnings."""
    level = logging.getLogger().level
    with (
        muted(),
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        logging.getLogger().setLevel(logging.ERROR)
        try:
            yield
        finally:
            logging.getLogger().setLevel(level)


with quiet():
    import litert_torch

__all__ = ["litert_torch", "quiet"]
