"""A headless Chromium that shows one page, as long as graphs of this process are open in it."""

import os
import subprocess
import tempfile
import threading
import time
import weakref
from typing import IO, Any

from edgematte.errors import EngineError
from edgematte.runtime.engines.browser.places import chromium, runtime_files
from edgematte.runtime.engines.browser.server import Jobs

DEVICES = {
    "wasm": (),
    "webgpu": ("--enable-unsafe-webgpu",),
    "webgpu:software": ("--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"),
}
"""What runs the graphs, and Chromium's flags for it."""
FLAGS = (
    "--headless=new",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-sync",
    "--mute-audio",
)
START_S = 60.0  # to show the page
THREADS = 8  # more do not help graphs of this size


class Browser:
    """One Chromium and its page."""

    def __init__(self, device: str) -> None:
        """``device`` is a key of ``DEVICES``.

        Raises:
            EngineError: Chromium or the npm package is missing, or Chromium does not start.
        """
        program, files = chromium(), runtime_files()
        threads = min(THREADS, os.cpu_count() or 1)
        self.jobs = Jobs(files, {"device": device, "threads": threads})
        self._profile = tempfile.TemporaryDirectory(
            prefix="edgematte-browser-", ignore_cleanup_errors=True
        )
        self._log = tempfile.TemporaryFile()
        root = hasattr(os, "geteuid") and os.geteuid() == 0
        sandbox = ("--no-sandbox",) if root else ()  # Chromium has none for root
        command = [program, *FLAGS, *sandbox, *DEVICES[device]]
        command += [f"--user-data-dir={self._profile.name}", self.jobs.url]
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self._log
            )
        except OSError as error:
            self.jobs.close()
            raise EngineError(f"{program} cannot be started: {error.strerror}") from None
        self._started = time.monotonic()
        weakref.finalize(
            self, _end, os.getpid(), self._process, self.jobs, self._log, self._profile
        )

    @property
    def ended(self) -> bool:
        """Whether Chromium is not there any more."""
        return self._process.poll() is not None

    def ask(self, head: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        """Give the page a job and wait for its answer.

        Raises:
            EngineError: Chromium ended or never asked for a job, or the page says what failed.
        """
        return self.jobs.ask(head, body, self._alive)

    def _alive(self) -> None:
        if self._process.poll() is not None:
            self._log.seek(0)
            lines = self._log.read().decode(errors="replace").strip().splitlines()
            lines = [line for line in lines if "crashpad" not in line]  # its crash reporter's own
            said = f": {lines[-1][-200:]}" if lines else ""
            raise EngineError(f"Chromium ended with {self._process.returncode}{said}")
        late = time.monotonic() - self._started > START_S
        if late and not self.jobs.seen:
            raise EngineError(
                f"Chromium showed no page within {START_S:.0f} s: start it by hand to see why"
            )


def _end(
    owner: int,
    process: subprocess.Popen[bytes],
    jobs: Jobs,
    log: IO[bytes],
    profile: tempfile.TemporaryDirectory[str],
) -> None:
    """End Chromium and remove its profile: when no graph is open in it, or the program ends."""
    if os.getpid() != owner:  # a forked child: the browser is its parent's
        return
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    jobs.close()
    log.close()
    profile.cleanup()


_BROWSERS: weakref.WeakValueDictionary[str, Browser] = weakref.WeakValueDictionary()
_LOCK = threading.Lock()


def browser_for(device: str) -> Browser:
    """The browser of this process for a device; one that ended is started again."""
    with _LOCK:
        browser = _BROWSERS.get(device)
        if browser is None or browser.ended:
            browser = _BROWSERS[device] = Browser(device)
        return browser
