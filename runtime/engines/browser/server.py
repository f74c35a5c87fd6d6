"""A page on a loopback address that runs graphs, and the jobs it is given."""

import json
import queue
import secrets
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from edgematte.errors import EngineError, line_of

PAGE = Path(__file__).with_name("page.html")
POLL_S = 5.0  # how long the page's question for a job is held open
KINDS = {".html": "text/html", ".mjs": "text/javascript", ".wasm": "application/wasm"}
HEADERS = {  # so that WebAssembly has threads
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Job:
    """Something for the page to do, and in time its answer."""

    def __init__(self, number: int, head: dict[str, Any], body: bytes) -> None:
        """``head`` describes ``body``."""
        self.number, self.head, self.body = number, head, body
        self.done = threading.Event()
        self.answer: dict[str, Any] = {}
        self.result = b""


class Jobs:
    """Serves the page and hands it jobs, one at a time.

    Everything lies under a path that only the started browser is told, so that other programs of
    the machine can neither read models nor answer for the page.
    """

    def __init__(self, files: Path, settings: dict[str, Any]) -> None:
        """``files``: the folder of onnxruntime-web's files; ``settings``: what the page reads."""
        self.files, self.settings = files, settings
        self.seen = False  # whether the page has asked for a job
        self.weights: list[Path] = []  # external data of graphs, by number
        self.root = f"/{secrets.token_urlsafe(16)}/"
        self.waiting: queue.Queue[Job] = queue.Queue()
        self._open: dict[int, Job] = {}
        self._count = 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Of the page."""
        return f"http://127.0.0.1:{self._server.server_address[1]}{self.root}"

    def close(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()

    def ask(
        self, head: dict[str, Any], body: bytes, alive: Callable[[], None]
    ) -> tuple[dict[str, Any], bytes]:
        """Give the page a job and wait for its answer.

        Args:
            head: what to do; its ``kind`` is open or run.
            body: the bytes it is about.
            alive: called now and then; raises where the page will not answer any more.

        Raises:
            EngineError: the page says that the job failed.
        """
        with self._lock:
            self._count += 1
            job = self._open[self._count] = Job(self._count, head, body)
        self.waiting.put(job)
        try:
            while not job.done.wait(0.5):
                alive()
        finally:
            with self._lock:
                del self._open[job.number]
        if "error" in job.answer:
            raise EngineError(line_of(job.answer["error"]))
        return job.answer, job.result

    def answered(self, number: int, head: dict[str, Any], body: bytes) -> None:
        """The page's answer to a job; one that nobody waits for any more is dropped."""
        with self._lock:
            job = self._open.get(number)
        if job is not None:
            job.answer, job.result = head, body
            job.done.set()


def _handler(jobs: Jobs) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            """The page, its files, its settings, and the next job."""
            if not self.path.startswith(jobs.root):
                self._send(404, b"")
                return
            name = self.path.removeprefix(jobs.root)
            if name == "next":
                self._next()
            elif name == "settings":
                self._send(200, json.dumps(jobs.settings).encode())
            else:
                self._file(name)

        def do_POST(self) -> None:
            """An answer."""
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            number = self.path.removeprefix(f"{jobs.root}answer/")
            if not number.isdecimal():
                self._send(404, b"")
                return
            head = json.loads(unquote(self.headers.get("Edgematte-Answer", "{}")))
            jobs.answered(int(number), head, body)
            self._send(204, b"")

        def _next(self) -> None:
            jobs.seen = True
            try:
                job = jobs.waiting.get(timeout=POLL_S)
            except queue.Empty:
                self._send(204, b"")
                return
            head = json.dumps(job.head | {"id": job.number})
            self._send(200, job.body, {"Edgematte-Job": head})

        def _file(self, name: str) -> None:
            kind, _, rest = name.partition("/")
            file = PAGE if not name else None
            if kind == "ort" and "/" not in rest and rest in _names(jobs.files):
                file = jobs.files / rest
            elif kind == "weights" and rest.isdecimal() and int(rest) < len(jobs.weights):
                file = jobs.weights[int(rest)]
            if file is None:
                self._send(404, b"")
                return
            content = KINDS.get(file.suffix, "application/octet-stream")
            self._send(200, file.read_bytes(), {"Content-Type": content})

        def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in (HEADERS | (headers or {})).items():
                self.send_header(name, value)
            if status != 204:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if status != 204:
                self.wfile.write(body)

    return Handler


def _names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}
