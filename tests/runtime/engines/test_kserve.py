"""Graphs on a server: what travels, and what is said where the server is not what it should be."""

import json
import os
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgematte
from edgematte.cli import main
from edgematte.errors import EngineError, OptionError, ToleranceError
from edgematte.manifest import Graph, Tensor
from edgematte.runtime.bundle import open_bundle
from edgematte.runtime.engines import EngineOptions, open_engine
from edgematte.runtime.engines.kserve.address import Address
from edgematte.runtime.engines.workers import REMOTE
from edgematte.testcard import testcard as card

pytest.importorskip("tritonclient.grpc", reason='needs pip install "edgematte[remote]"')

import grpc
from kserve_stub import Model, Stub, served

Compute = Callable[..., dict[str, Any]]


def models_of(
    bundle: Path, graphs: dict[str, Compute], inputs: str = "FP32", outputs: str = "FP32"
) -> dict[str, Model]:
    """The tiny bundle's graphs as models, whose tensors travel as given."""
    return {
        g.name: Model(
            graphs[g.name],
            {t.name: (inputs, list(t.shape)) for t in g.inputs},
            {t.name: (outputs, list(t.shape)) for t in g.outputs},
        )
        for g in open_bundle(bundle).manifest.graphs
    }


@pytest.fixture
def stub(tiny_bundle: Path, tiny_graphs: dict[str, Compute]) -> Iterator[Stub]:
    with served(Stub(models_of(tiny_bundle, tiny_graphs))) as one:
        yield one


def test_a_matte_by_a_server_is_that_of_this_machine(tiny_bundle: Path, stub: Stub) -> None:
    pytest.importorskip("onnxruntime")
    here = edgematte.load(tiny_bundle, engine="onnxruntime")(card(90, 70))
    there = edgematte.load(tiny_bundle, engine="kserve", device=stub.device)(card(90, 70))
    # Sums of seven products in another order: a few units in the last place.
    assert np.abs(here.alpha - there.alpha).max() < 1e-5
    assert np.array_equal(here.trimap, there.trimap)


def test_a_check_proves_the_server_and_finds_a_wrong_one(
    tiny_bundle: Path, stub: Stub, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["check", str(tiny_bundle), "--engine", "kserve", "--device", stub.device]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "refine.alpha" in said and "kserve on grpc://" in said

    right = stub.models["refine"].compute
    stub.models["refine"].compute = lambda image, trimap: right(image[:, ::-1], trimap)
    assert main(command) == 1, "red and blue are swapped on the server"
    command[0] = "doctor"
    assert main(command) == 1
    assert "first that departs: graph refine" in capsys.readouterr().out


def test_a_server_is_proven_at_every_load_that_asks_for_it(tiny_bundle: Path, stub: Stub) -> None:
    options = {"engine": "kserve", "device": stub.device, "verify": True}
    edgematte.load(tiny_bundle, **options)  # type: ignore[arg-type]
    right = stub.models["refine"].compute
    stub.models["refine"].compute = lambda image, trimap: right(image[:, ::-1], trimap)
    with pytest.raises(ToleranceError, match="refine"):
        edgematte.load(tiny_bundle, **options)  # type: ignore[arg-type]


def test_a_picture_and_a_bench_by_the_command_line(
    tiny_bundle: Path, stub: Stub, png: Callable[..., Path], tmp_path: Path
) -> None:
    where = ["--engine", "kserve", "--device", stub.device]
    cutout = tmp_path / "cutout.png"
    assert main(["matte", str(png()), "-o", str(cutout), "--bundle", str(tiny_bundle), *where]) == 0
    assert cutout.is_file()
    assert main(["bench", str(tiny_bundle), "--size", "64x48", "--runs", "1", *where]) == 0


@pytest.mark.parametrize(
    ("datatype", "each", "apart"),
    # Halves keep 11 bits and bytes 8; the logits' slopes are at most 3 (REFINE), a sigmoid's 1/4,
    # and seven values go in: 7 * 3/4 * 2**-12, and alike with 1/510, both with room for outputs.
    [("FP32", 4, 1e-5), ("FP16", 2, 2e-3), ("UINT8", 1, 0.0125)],
)
def test_tensors_travel_as_the_served_model_takes_them(
    datatype: str,
    each: int,
    apart: float,
    tiny_bundle: Path,
    tiny_graphs: dict[str, Compute],
) -> None:
    random = np.random.default_rng(0)
    refine = open_bundle(tiny_bundle).manifest.graph("refine")
    given = {t.name: random.random(t.shape, np.float32) for t in refine.inputs}
    with served(Stub(models_of(tiny_bundle, tiny_graphs, datatype, datatype))) as stub:
        engine = open_engine("kserve", Path("-"), refine, EngineOptions(stub.device))
        alpha = engine.run(given)["alpha"]
    assert alpha.dtype == np.float32
    assert np.abs(alpha - tiny_graphs["refine"](**given)["alpha"]).max() < apart
    bytes_sent = sum(v.size for v in given.values()) * each
    assert bytes_sent <= stub.sizes[0] < bytes_sent + 1000


def test_bytes_of_a_picture_lose_nothing_as_bytes(
    tiny_bundle: Path, tiny_graphs: dict[str, Compute]
) -> None:
    models = models_of(tiny_bundle, tiny_graphs, "UINT8")
    segment = open_bundle(tiny_bundle).manifest.graph("segment")
    height, width = segment.inputs[0].shape[2:]
    image = (card(width, height).transpose(2, 0, 1)[None] / np.float32(255)).astype(np.float32)
    with served(Stub(models)) as stub:
        engine = open_engine("kserve", Path("-"), segment, EngineOptions(stub.device))
        found = engine.run({"image": image})["trimap"]
    assert np.array_equal(found, tiny_graphs["segment"](image)["trimap"])


def batched(side: int, names: tuple[str, str] = ("image", "alpha")) -> Graph:
    """A graph of any batch, one plane a tensor."""
    given, made = (
        Tensor(name, (1, 1, side, side), "float32", "NCHW", (0.0, 1.0), "") for name in names
    )
    return Graph("tiles", (given,), (made,), dynamic_batch=True)


@pytest.mark.parametrize(
    ("first", "most", "extensions", "calls"),
    [
        # 1 MiB an entry, and three of them fit in 4 MiB with the names.
        (-1, 0, (), [3, 3, 1]),
        (1, 0, (), [1] * 7),
        (-1, 2, ("model_configuration",), [2, 2, 2, 1]),
        (-1, 2, (), [3, 3, 1]),
    ],
)
def test_a_batch_goes_in_messages_that_every_server_takes(
    first: int, most: int, extensions: tuple[str, ...], calls: list[int]
) -> None:
    graph = batched(512)
    shape = [first, 1, 512, 512]
    counts: list[int] = []

    def half(image: Any) -> dict[str, Any]:
        counts.append(len(image))
        return {"alpha": image / 2}

    model = Model(half, {"image": ("FP32", shape)}, {"alpha": ("FP32", shape)}, most)
    image = np.random.default_rng(0).random((7, 1, 512, 512), np.float32)
    with served(Stub({"tiles": model}, extensions=extensions)) as stub:
        engine = open_engine("kserve", Path("-"), graph, EngineOptions(stub.device))
        assert np.array_equal(engine.run({"image": image})["alpha"], image / 2)
    assert counts == calls


def test_a_message_that_cannot_be_split_is_refused_in_a_sentence() -> None:
    graph = replace(batched(1100), dynamic_batch=None)  # 4.8 MB
    shape = [1, 1, 1100, 1100]
    model = Model(
        lambda image: {"alpha": image}, {"image": ("FP32", shape)}, {"alpha": ("FP32", shape)}
    )
    with served(Stub({"tiles": model})) as stub:
        engine = open_engine("kserve", Path("-"), graph, EngineOptions(stub.device))
        with pytest.raises(EngineError, match=r"refuses a message of 4\.8 MB .*UINT8 or FP16") as e:
            engine.run({"image": np.zeros(shape, np.float32)})
        assert "\n" not in str(e.value)


def test_patches_are_under_way_together_and_stay_in_order(tiny_bundle: Path, stub: Stub) -> None:
    pytest.importorskip("onnxruntime")
    running, peak, lock = [0], [0], threading.Lock()

    def wait(context: Any) -> None:
        with lock:
            running[0] += 1
            peak[0] = max(peak[0], running[0])
        time.sleep(0.02)
        with lock:
            running[0] -= 1

    stub.before = wait
    picture = card(150, 120)
    far = edgematte.load(tiny_bundle, engine="kserve", device=stub.device)(picture)
    near = edgematte.load(tiny_bundle, engine="onnxruntime")(picture)
    assert 1 < peak[0] <= REMOTE
    assert np.abs(far.alpha - near.alpha).max() < 1e-5  # as above


def test_a_server_that_dies_in_a_picture_leaves_no_half_matte(
    tiny_bundle: Path,
    stub: Stub,
    png: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def die(context: Any) -> None:
        if len(stub.sizes) == 2:  # after the segmentation, at the first patch
            stub.kill()
            time.sleep(0.5)

    stub.before = die
    cutout = tmp_path / "out" / "cutout.png"
    where = ["--engine", "kserve", "--device", stub.device]
    started = time.monotonic()
    assert main(["matte", str(png()), "-o", str(cutout), "--bundle", str(tiny_bundle), *where]) == 2
    assert time.monotonic() - started < 20
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "cannot be reached, or has gone" in said
    assert not list(tmp_path.glob("out/**/*"))


def test_a_server_that_hangs_is_given_up(tiny_bundle: Path, stub: Stub) -> None:
    wait = threading.Event()
    stub.before = lambda context: bool(wait.wait(20))
    matter = edgematte.load(tiny_bundle, engine="kserve", device=f"{stub.device}?timeout_s=0.5")
    try:
        with pytest.raises(EngineError, match=r"did not answer within 0\.5 s: .*timeout_s"):
            matter(card(60, 45))
    finally:
        wait.set()


def reshaped(answer: Any) -> None:
    answer.outputs[0].shape[:] = [1, 1, *answer.outputs[0].shape[1:]]


def shortened(answer: Any) -> None:
    answer.raw_output_contents[0] = answer.raw_output_contents[0][:-4]


def doubled(answer: Any) -> None:
    value = np.frombuffer(answer.raw_output_contents[0], "<f4").astype("<f8")
    answer.outputs[0].datatype, answer.raw_output_contents[0] = "FP64", value.tobytes()


def renamed(answer: Any) -> None:
    answer.outputs[0].name = "other"


def not_finite(answer: Any) -> None:
    count = len(answer.raw_output_contents[0]) // 4
    answer.raw_output_contents[0] = np.full(count, np.nan, "<f4").tobytes()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (reshaped, "gave trimap of model segment in shape"),
        (shortened, "failed on model segment: trimap cannot be read"),
        (doubled, "gave trimap as float64; it should be FP32"),
        (renamed, "its answer has no trimap"),
        (not_finite, "values of trimap not finite"),
    ],
)
def test_a_wrong_answer_is_told(
    spoil: Callable[[Any], None], said: str, tiny_bundle: Path, stub: Stub
) -> None:
    matter = edgematte.load(tiny_bundle, engine="kserve", device=stub.device)
    stub.after = spoil
    with pytest.raises(EngineError, match=said):
        matter(card(60, 45))


@pytest.mark.parametrize(
    ("tensor", "there", "said"),
    [
        ("image", None, "has trimap where this bundle's graph has image, trimap"),
        ("image", ("FP32", [1, 3, 64, 64]), r"image of shape \[1, 3, 64, 64\]; .*\[1, 3, 32, 32\]"),
        ("image", ("FP32", [3, 32, 32]), r"image of shape \[3, 32, 32\]"),
        ("image", ("BYTES", [1, 3, 32, 32]), "image as BYTES; .*FP32 or FP16 or UINT8"),
    ],
)
def test_another_model_than_the_bundles_is_refused_at_load(
    tensor: str, there: Any, said: str, tiny_bundle: Path, stub: Stub
) -> None:
    if there is None:
        del stub.models["refine"].inputs[tensor]
    else:
        stub.models["refine"].inputs[tensor] = there
    with pytest.raises(EngineError, match=said):
        edgematte.load(tiny_bundle, engine="kserve", device=stub.device)


def test_bytes_are_for_values_from_0_to_1(tiny_bundle: Path, stub: Stub) -> None:
    graph = open_bundle(tiny_bundle).manifest.graph("refine")
    wide = replace(graph, inputs=(replace(graph.inputs[0], range=(-4.0, 4.0)), graph.inputs[1]))
    stub.models["refine"].inputs["image"] = ("UINT8", [1, 3, 32, 32])
    with pytest.raises(EngineError, match="only values from 0 to 1 can be, .* from -4 to 4"):
        open_engine("kserve", Path("-"), wide, EngineOptions(stub.device))


def test_a_server_that_says_nothing_of_tensors_is_given_the_graphs_own(
    tiny_bundle: Path, stub: Stub, tiny_graphs: dict[str, Compute]
) -> None:
    refine = open_bundle(tiny_bundle).manifest.graph("refine")
    stub.models["refine"].inputs.clear()
    engine = open_engine("kserve", Path("-"), refine, EngineOptions(stub.device))
    given = {t.name: np.full(t.shape, 0.25, np.float32) for t in refine.inputs}
    assert np.allclose(engine.run(given)["alpha"], tiny_graphs["refine"](**given)["alpha"])


def test_models_by_other_names(tiny_bundle: Path, stub: Stub) -> None:
    stub.models = {f"portrait-{name}.v2": model for name, model in stub.models.items()}
    with pytest.raises(EngineError, match="has no model 'segment' .*unknown model") as error:
        edgematte.load(tiny_bundle, engine="kserve", device=stub.device)
    assert f"{stub.device}/portrait-{{graph}}" in str(error.value)
    there = f"{stub.device}/portrait-{{graph}}.v2"
    edgematte.load(tiny_bundle, engine="kserve", device=there)(card(60, 45))


@pytest.mark.parametrize(
    ("device", "said"),
    [
        (None, "needs the address of a server as device: grpc://HOST:PORT"),
        ("cuda", "is no address of a server"),
        ("127.0.0.1:8001", "is no address of a server"),
        ("grpc://127.0.0.1", "should be grpc://HOST:PORT"),
        ("grpc://:8001", "should be grpc://HOST:PORT"),
        ("grpc://a:port", "is no address"),
        ("grpc://me:secret@a:8001", "^device should be grpc://HOST:PORT.* without a user's name"),
        ("grpc://a:8001/portrait", "letters and digits with {graph}"),
        ("grpc://a:8001/a/{graph}", "letters and digits with {graph}"),
        ("grpc://a:8001?timeout=4", "only timeout_s has a meaning"),
        ("grpc://a:8001?timeout_s=nan", "a number of seconds above 0"),
        ("grpc://a:8001?timeout_s=0", "a number of seconds above 0"),
    ],
)
def test_what_is_no_address_is_refused(device: str | None, said: str) -> None:
    with pytest.raises(EngineError, match=said):
        Address.of(device)


def test_what_has_no_meaning_is_refused(tiny_bundle: Path, stub: Stub) -> None:
    for options in ({"threads": 2}, {"engine_cache": "here"}, {"batch": 2}):
        with pytest.raises(OptionError):
            edgematte.load(tiny_bundle, engine="kserve", device=stub.device, **options)
    with pytest.raises(EngineError, match="unknown device|there are"):
        edgematte.load(tiny_bundle, engine="onnxruntime", device=stub.device)


def test_no_server_is_told_in_one_sentence(
    tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for scheme in ("grpc", "http"):
        where = ["--engine", "kserve", "--device", f"{scheme}://127.0.0.1:9"]
        assert main(["check", str(tiny_bundle), *where]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1 and f"{scheme}://127.0.0.1:9 cannot be reached" in said


class ByHttp(BaseHTTPRequestHandler):
    """The protocol by HTTP, with tensors as bytes after the JSON."""

    protocol_version = "HTTP/1.1"
    models: dict[str, Model]
    hang: threading.Event | None = None

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        parts = self.path.strip("/").split("/")
        if len(parts) < 3:
            return self._answer({"name": "stub", "extensions": ["binary_tensor_data"]})
        if parts[2] not in self.models:
            return self._answer({"error": f"unknown model {parts[2]}"}, code=404)
        model = self.models[parts[2]]
        said = {
            which: [{"name": n, "datatype": d, "shape": s} for n, (d, s) in tensors.items()]
            for which, tensors in (("inputs", model.inputs), ("outputs", model.outputs))
        }
        return self._answer({"name": parts[2], **said})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.hang is not None:
            self.hang.wait(20)
            self.close_connection = True
            return
        length = int(self.headers["Inference-Header-Content-Length"])
        head, at, given = json.loads(body[:length]), length, {}
        model = self.models[self.path.split("/")[3]]
        for tensor in head["inputs"]:
            size = tensor["parameters"]["binary_data_size"]
            kind = "<f2" if tensor["datatype"] == "FP16" else "<f4"
            value = np.frombuffer(body[at : at + size], kind).reshape(tensor["shape"])
            given[tensor["name"]], at = value.astype(np.float32), at + size
        outputs, after = [], b""
        for name, value in model.compute(**given).items():
            kind = "<f2" if model.outputs[name][0] == "FP16" else "<f4"
            raw = value.astype(kind).tobytes()
            outputs.append(
                {
                    "name": name,
                    "datatype": model.outputs[name][0],
                    "shape": list(value.shape),
                    "parameters": {"binary_data_size": len(raw)},
                }
            )
            after += raw
        self._answer({"outputs": outputs}, after)

    def _answer(self, head: dict[str, Any], after: bytes = b"", code: int = 200) -> None:
        text = json.dumps(head).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(text + after)))
        if after:
            self.send_header("Inference-Header-Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text + after)


@pytest.fixture
def by_http(tiny_bundle: Path, tiny_graphs: dict[str, Compute]) -> Iterator[tuple[type, str]]:
    models = models_of(tiny_bundle, tiny_graphs, "FP16", "FP16")
    kind = type("Handler", (ByHttp,), {"models": models})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield kind, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_halves_by_http_from_two_threads(
    tiny_bundle: Path, tiny_graphs: dict[str, Compute], by_http: tuple[Any, str]
) -> None:
    refine = open_bundle(tiny_bundle).manifest.graph("refine")
    engine = open_engine("kserve", Path("-"), refine, EngineOptions(by_http[1]))
    worst: list[float] = []

    def one(seed: int) -> None:
        random = np.random.default_rng(seed)
        given = {t.name: random.random(t.shape, np.float32) for t in refine.inputs}
        apart = engine.run(given)["alpha"] - tiny_graphs["refine"](**given)["alpha"]
        worst.append(float(np.abs(apart).max()))

    threads = [threading.Thread(target=one, args=(seed,)) for seed in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(worst) == 2 and max(worst) < 2e-3  # as above


def test_faults_by_http_are_told_in_one_sentence(
    tiny_bundle: Path, by_http: tuple[Any, str]
) -> None:
    handler, device = by_http
    refine = open_bundle(tiny_bundle).manifest.graph("refine")
    given = {t.name: np.zeros(t.shape, np.float32) for t in refine.inputs}
    engine = open_engine("kserve", Path("-"), refine, EngineOptions(f"{device}?timeout_s=1"))
    handler.hang = threading.Event()
    with pytest.raises(EngineError, match="did not answer within 1 s"):
        engine.run(given)
    handler.hang.set()  # now it hangs up without an answer
    with pytest.raises(EngineError, match="cannot be reached, or has gone"):
        engine.run(given)
    handler.hang = None
    assert engine.run(given)["alpha"].shape == (1, 1, 32, 32)
    with pytest.raises(EngineError, match="has no model 'other-refine'"):
        open_engine("kserve", Path("-"), refine, EngineOptions(device + "/other-{graph}"))


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 that it signed itself, and its key."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(True, None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=True
        )
        .sign(key, hashes.SHA256())
    )
    files = tmp_path / "server.pem", tmp_path / "server.key"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    files[1].write_bytes(key.private_bytes(pem, pkcs8, plain))
    return files


def test_with_tls_only_a_certificate_that_is_trusted_will_do(
    tiny_bundle: Path, tiny_graphs: dict[str, Compute], certificate: tuple[Path, Path]
) -> None:
    cert, key = certificate
    models = models_of(tiny_bundle, tiny_graphs)
    handler = type("Handler", (ByHttp,), {"models": models})
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    http.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    http.socket = context.wrap_socket(http.socket, server_side=True)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    pair = [(key.read_bytes(), cert.read_bytes())]
    script = """
import sys, edgematte
from edgematte.testcard import testcard
for device in sys.argv[2:]:
    edgematte.load(sys.argv[1], engine="kserve", device=device)(testcard(20, 20))
"""
    trusting = {"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(cert), "SSL_CERT_FILE": str(cert)}
    with served(Stub(models), grpc.ssl_server_credentials(pair)) as stub:
        devices = f"grpcs://127.0.0.1:{stub.port}", f"https://127.0.0.1:{http.server_port}"
        for device in devices:
            with pytest.raises(EngineError, match="cannot be reached, or has gone"):
                edgematte.load(tiny_bundle, engine="kserve", device=device)
        done = subprocess.run(
            [sys.executable, "-c", script, str(tiny_bundle), *devices],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=Path(edgematte.__file__).parents[1],
            env=os.environ | trusting,
        )
    http.shutdown()
    http.server_close()
    assert done.returncode == 0, done.stderr
