"""A hub on loopback: what huggingface-hub asks of one to write a repository and to read it."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlparse

TOKEN = "hf_of_a_test"


class Hub:
    """The repositories of a stub: files by repository and path, and their newest commit."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, bytes]] = {}
        self.private: dict[str, bool] = {}
        self.address = ""

    def commit(self, repository: str) -> str:
        text = b"".join(n.encode() + b for n, b in sorted(self.files[repository].items()))
        return hashlib.sha1(text).hexdigest()


@contextmanager
def running() -> Iterator[Hub]:
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *arguments: Any) -> None:
            """Says nothing."""

        def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def tell(self, value: Any) -> None:
            self.answer(200, json.dumps(value).encode(), Content_Type="application/json")

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            parts = unquote(urlparse(self.path).path).strip("/").split("/")
            if parts[:2] == ["api", "models"]:
                name = "/".join(parts[2:4])
                if name not in hub.files:
                    self.answer(404, X_Error_Code="RepoNotFound")
                    return
                if parts[4:5] == ["tree"]:
                    rows = hub.files[name].items()
                    sums = ((f, b, hashlib.sha1(b).hexdigest()) for f, b in rows)
                    self.tell(
                        [{"type": "file", "path": f, "size": len(b), "oid": o} for f, b, o in sums]
                    )
                    return
                listed = [{"rfilename": f} for f in hub.files[name]]
                self.tell({"id": name, "sha": hub.commit(name), "siblings": listed})
            elif parts[2:3] == ["resolve"]:
                name, file = "/".join(parts[:2]), "/".join(parts[4:])
                if file not in hub.files.get(name, {}):
                    self.answer(404, X_Error_Code="EntryNotFound")
                    return
                body = hub.files[name][file]
                self.answer(
                    200,
                    body,
                    ETag=f'"{hashlib.sha1(body).hexdigest()}"',
                    X_Repo_Commit=hub.commit(name),
                )
            else:
                self.answer(404)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            parts = unquote(urlparse(self.path).path).strip("/").split("/")
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                self.answer(401)
            elif parts == ["api", "repos", "create"]:
                asked = json.loads(body)
                name = f"{asked['organization']}/{asked['name']}"
                hub.files.setdefault(name, {})
                hub.private[name] = (
                    bool(asked.get("private")) or asked.get("visibility") == "private"
                )
                self.tell({"url": f"{hub.address}/{name}"})
            elif parts == ["api", "validate-yaml"]:
                self.tell({"errors": [], "warnings": []})
            elif parts[4:5] == ["preupload"]:
                paths = [f["path"] for f in json.loads(body)["files"]]
                modes = [{"path": p, "uploadMode": "regular", "shouldIgnore": False} for p in paths]
                self.tell({"files": modes})
            elif parts[4:5] == ["commit"]:
                name = "/".join(parts[2:4])
                for line in map(json.loads, body.decode().splitlines()):
                    if line["key"] == "file":
                        value = line["value"]
                        hub.files[name][value["path"]] = base64.b64decode(value["content"])
                oid = hub.commit(name)
                url = f"{hub.address}/{name}/commit/{oid}"
                self.tell({"commitUrl": url, "commitOid": oid})
            else:
                self.answer(404)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
