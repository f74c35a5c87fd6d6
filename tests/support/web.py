"""samples/web in tests: where Node is, and running commands there."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

WEB = Path(__file__).parents[2] / "samples" / "web"


def node_with(package: str, what: str) -> str:
    """Where Node is; skips the test of ``what`` where it or an npm package is missing."""
    found = shutil.which("node")
    if found is None:
        pytest.skip(f"node is not installed: no test of {what}")
    if not (WEB / "node_modules" / package).is_dir():
        pytest.skip(f"npm ci was not run in samples/web: no test of {what}")
    return found


def run(*command: str, **environment: str) -> str:
    """What a command printed in samples/web; fails with it where the command does."""
    done = subprocess.run(
        command,
        cwd=WEB,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
