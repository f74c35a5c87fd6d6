"""A real server of the protocol, MLServer, with the graphs that samples/mlserver lays out for it.

It brings a web stack that nothing else here needs, and runs in an interpreter of its own where
$EDGEMATTE_MLSERVER names one.
"""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgematte
from edgematte.cli import main
from edgematte.errors import EngineError
from edgematte.testcard import testcard as card

pytest.importorskip("tritonclient.grpc", reason='needs pip install "edgematte[remote]"')
pytest.importorskip("onnxruntime")

ROOT = Path(__file__).resolve().parent.parent
LAY_OUT = ROOT / "samples" / "mlserver" / "lay_out.py"
OWN = ROOT / ".venv-mlserver" / "bin" / "python"
START = "from mlserver.cli import main; main()"
START_S = 60.0


class Server:
    """MLServer on loopback, with the models of a folder."""

    def __init__(self, python: str, folder: Path, ports: tuple[int, int]) -> None:
        self.http, self.grpc = (
            f"{scheme}://127.0.0.1:{port}"
            for scheme, port in zip(("http", "grpc"), ports, strict=True)
        )
        self.said = folder.with_suffix(".log")
        with self.said.open("wb") as log:
            self.process = subprocess.Popen(
                [python, "-c", START, "start", str(folder)],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
            )
        until = time.monotonic() + START_S
        for port in ports:
            while not _answers(port):
                if self.process.poll() is not None or time.monotonic() > until:
                    self.stop()
                    pytest.fail(f"MLServer did not start:\n{self.said.read_text()[-2000:]}")
                time.sleep(0.2)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait(10)


def _answers(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _lay_out(bundle: Path, folder: Path, *more: str) -> None:
    command = [sys.executable, str(LAY_OUT), str(bundle), str(folder), *more]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def server(tiny_bundle: Path, tmp_path: Path) -> Iterator[Server]:
    """Serves the tiny bundle's graphs, and once more with inputs as bytes and outputs as halves."""
    python = os.environ.get("EDGEMATTE_MLSERVER") or str(OWN if OWN.is_file() else sys.executable)
    command = [python, "-c", "import mlserver, onnxruntime"]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip(
            "MLServer is not installed: `make server`, or name a Python that has mlserver and "
            "onnxruntime as EDGEMATTE_MLSERVER"
        )
    ports = _free_port(), _free_port()
    models = tmp_path / "models"
    _lay_out(tiny_bundle, models, "--http-port", str(ports[0]), "--grpc-port", str(ports[1]))
    small = tmp_path / "small"
    how = ("--names", "small-{graph}", "--inputs", "UINT8", "--outputs", "FP16")
    _lay_out(tiny_bundle, small, *how)
    for model in small.glob("small-*"):
        model.rename(models / model.name)
    one = Server(python, models, ports)
    yield one
    one.stop()


def test_a_real_server_is_proven_and_mattes_alike_until_it_dies(
    server: Server,
    tiny_bundle: Path,
    tmp_path: Path,
    png: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One test, because starting the server takes most of its time."""
    for device in (server.grpc, server.http):
        assert main(["check", str(tiny_bundle), "--engine", "kserve", "--device", device]) == 0
    here = edgematte.load(tiny_bundle, engine="onnxruntime")(card(60, 45)).alpha
    names = {"": 1e-5, "/small-{graph}": 0.0125}  # sums in another order; see test_kserve.py
    for name, apart in names.items():
        matter = edgematte.load(tiny_bundle, engine="kserve", device=server.grpc + name)
        assert np.abs(matter(card(60, 45)).alpha - here).max() < apart, name

    with pytest.raises(EngineError, match="has no model 'other-segment'"):
        edgematte.load(tiny_bundle, engine="kserve", device=server.grpc + "/other-{graph}")

    capsys.readouterr()
    cutout = tmp_path / "out" / "cutout.png"
    large = png("large.png", 900, 900)  # of over a thousand patches
    said: list[Any] = []
    command = ["matte", str(large), "-o", str(cutout), "--bundle", str(tiny_bundle)]
    command += ["--engine", "kserve", "--device", server.grpc]
    working = threading.Thread(target=lambda: said.append(main(command)))
    working.start()
    time.sleep(1)
    assert working.is_alive(), "the picture was done before the server could be killed"
    server.stop()
    working.join(30)
    assert said == [2]
    line = capsys.readouterr().err
    assert line.count("\n") == 1 and "cannot be reached, or has gone" in line
    assert not cutout.exists()
