"""The one place that imports coremltools, without its warnings about macOS and versions."""

import contextlib
import io
import logging

logging.getLogger("coremltools").setLevel(logging.ERROR)
with contextlib.redirect_stderr(io.StringIO()):
    import coremltools as ct
    from coremltools.converters.mil.frontend.milproto.load import load as load_milproto
    from coremltools.models import MLModel

__all__ = ["MLModel", "ct", "load_milproto"]
