"""Where Chromium is, and the npm package that a page needs."""

import os
import shutil
from pathlib import Path

from edgematte.errors import EngineError

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PACKAGE = "onnxruntime-web"
VERSION = "1.30.0"
"""The version that samples/web is built and tested with."""


def chromium() -> str:
    """The program: ``$EDGEMATTE_CHROMIUM``, or the first of its usual names on the path.

    Raises:
        EngineError: there is none.
    """
    asked = os.environ.get("EDGEMATTE_CHROMIUM")
    if asked:
        found = shutil.which(asked)
        if found is None:
            raise EngineError(f"EDGEMATTE_CHROMIUM is {asked}, which is no program: correct it")
        return found
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        raise EngineError(
            "engine browser needs Chromium or Chrome, which is not on the path: install it "
            "(apt-get install chromium), or set EDGEMATTE_CHROMIUM to the program"
        )
    return found


def runtime_files() -> Path:
    """The folder ``dist`` of onnxruntime-web.

    It is looked for in ``node_modules`` of the working directory and the folders above it, and in
    samples/web of a checkout.

    Raises:
        EngineError: it is not installed.
    """
    here = Path.cwd()
    checkout = Path(__file__).resolve().parents[3] / "samples" / "web"
    for folder in (here, *here.parents, checkout):
        dist = folder / "node_modules" / PACKAGE / "dist"
        if (dist / "ort.wasm.min.mjs").is_file():
            return dist
    raise EngineError(
        f"engine browser needs the npm package {PACKAGE}, which is in no node_modules from here "
        f"upwards: npm install {PACKAGE}@{VERSION}"
    )
