"""Batches on Ray: a cluster of three nodes that loses one, and the command on this machine."""

import json
import os
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

import edgematte
from edgematte import testcard
from edgematte.batch import run
from edgematte.batch.dispatch import ATTEMPTS
from edgematte.batch.run import BatchOptions, run_batch
from edgematte.cli import main
from edgematte.errors import BatchError, OptionError
from edgematte.pictures import alpha_bytes, read_picture

ray: Any = pytest.importorskip("ray", reason='a batch needs pip install "edgematte[batch]"')
parquet: Any = pytest.importorskip("pyarrow.parquet", reason="an index needs pyarrow")

Capture = pytest.CaptureFixture[str]
COUNT, AT = 45, 12  # pictures, and how many are done when a node is ended
KILLER = """
import os
from PIL import Image

NETS = ()


def end(stream, name):
    os._exit(3)


Image.register_open("KILLER", end, lambda prefix: prefix.startswith(b"KILLER"))
"""
"""A decoder that ends its process, which a plug-in brings."""


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for n in range(COUNT):
        Image.fromarray(testcard.testcard(160 + n, 120)).save(
            folder / f"{n:02}.png", compress_level=0
        )
    return folder


@pytest.fixture
def nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A cluster of three nodes with one processor each; the second and third can be ended."""
    from ray.cluster_utils import Cluster

    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins/killer.py").write_text(KILLER)
    monkeypatch.syspath_prepend(tmp_path / "plugins")
    paths = [str(tmp_path / "plugins"), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    small = {"num_cpus": 1, "object_store_memory": 80_000_000, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=small)
    try:
        cluster.others = [
            cluster.add_node(num_cpus=1, object_store_memory=80_000_000) for _ in range(2)
        ]
        yield cluster
    finally:
        cluster.shutdown()


def rows(folder: Path) -> dict[str, dict[str, Any]]:
    found = parquet.read_table(folder / "index.parquet").to_pylist()
    assert len({row["path"] for row in found}) == len(found)
    return {Path(row["path"]).name: row for row in found}


def test_a_node_ends_in_the_middle_and_nothing_is_lost_or_done_twice(
    nodes: Any,
    pictures: Path,
    tiny_bundle: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "edgematte")
    (pictures / "20.png").write_bytes(b"KILLER of decoders")
    (pictures / "30.png").write_text("no picture")
    out = tmp_path / "out"
    options = BatchOptions(
        str(tiny_bundle),
        kinds=("alpha",),
        loading={"plugins": ("killer",)},
        ray=nodes.address,
        actors=3,
    )

    def progress(done: int, total: int) -> None:
        assert total == COUNT
        if done == AT:
            nodes.remove_node(nodes.others.pop(), allow_graceful=False)

    report = run_batch(str(pictures), str(out), options, progress)
    assert (report.done, report.failed, report.before) == (COUNT - 2, 2, 0)
    ends = re.findall("a worker ended.*; pictures given to others: [1-9]", caplog.text)
    assert len(ends) >= ATTEMPTS  # the decoder's; the node's may have been one of them
    found = rows(out)
    assert set(found) == {f"{n:02}.png" for n in range(COUNT)}
    failed = {name: row["error"] for name, row in found.items() if row["status"] == "failed"}
    # With the node that was taken away under it, the picture that ends processes ended another one.
    ended = re.fullmatch("the process that worked on it ended, ([34]) times", failed.pop("20.png"))
    assert ended is not None
    assert failed == {
        "30.png": f"{pictures}/30.png is not a picture that can be read",
    }
    with edgematte.load(tiny_bundle, threads=1) as matter:
        for n in (0, AT, COUNT - 1):
            alpha = matter(read_picture(pictures / f"{n:02}.png")).alpha
            written = np.asarray(Image.open(out / found[f"{n:02}.png"]["alpha"]))
            assert np.array_equal(written, alpha_bytes(alpha))

    (out / "07-alpha.png").unlink()
    (pictures / "99.png").write_bytes((pictures / "00.png").read_bytes())
    again = run_batch(str(pictures), str(out), options)
    assert (again.done, again.failed, again.before) == (2, 0, COUNT - 1)
    assert len(rows(out)) == COUNT + 1

    other = BatchOptions(str(tiny_bundle), ray=nodes.address, actors=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "digest_of", lambda bundle: "0" * 64)
        with pytest.raises(BatchError, match="is another version here"):
            run_batch(str(pictures), str(tmp_path / "other"), other)


def test_the_command_on_this_machine(
    pictures: Path, tiny_bundle: Path, tmp_path: Path, capsys: Capture
) -> None:
    for n in range(6, COUNT):
        (pictures / f"{n:02}.png").unlink()
    (pictures / "05.png").write_text("no picture")
    (pictures / "00.jpg").write_bytes((pictures / "00.png").read_bytes())
    out = tmp_path / "out"
    command = ["batch", str(pictures), str(out), "--bundle", str(tiny_bundle), "--actors", "1"]
    assert main([*command, "--write", "cutout", "trimap", "--json"]) == 1
    said, told = capsys.readouterr()
    answer = json.loads(said)
    assert (answer["done"], answer["failed"], answer["before"]) == (6, 1, 0)
    assert f"{pictures}/05.png is not a picture that can be read" in told
    found = rows(out)
    names = [row[kind] for row in found.values() for kind in ("cutout", "trimap") if row[kind]]
    assert len(set(names)) == 12 and all((out / name).is_file() for name in names)
    assert {f.name for f in out.iterdir()} == {*names, "index.parquet"}
    assert not ray.is_initialized()


def test_clusters_that_are_none_are_one_sentence_at_once(
    pictures: Path, tmp_path: Path, capsys: Capture
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["batch", str(pictures), str(tmp_path / "out"), "--ray"]
    for address, sentence in (
        (f"127.0.0.1:{port}", f"edgematte: no Ray cluster answers at 127.0.0.1:{port}"),
        ("somewhere", "edgematte: somewhere is no address of a Ray cluster"),
    ):
        assert main([*command, address]) == 2
        said, told = capsys.readouterr()
        assert not said and told.startswith(sentence) and len(told.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_server_that_is_no_cluster_is_told_at_once(pictures: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with server.accept()[0] as asking:
                asking.recv(100)
                asking.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(BatchError, match=f"what answers at {address} is no Ray cluster"):
            run_batch(str(pictures), str(tmp_path / "out"), BatchOptions(ray=address))
        thread.join()


def test_more_workers_than_processors_and_results_among_pictures_are_refused(
    pictures: Path, tmp_path: Path
) -> None:
    with pytest.raises(BatchError, match="ask for fewer"):
        run_batch(str(pictures), str(tmp_path / "out"), BatchOptions(actors=10_000))
    with pytest.raises(OptionError, match="results would be pictures of the next run"):
        run_batch(str(pictures), str(pictures / "out"))
    assert not (tmp_path / "out").exists() and not (pictures / "out").exists()


def test_a_bundle_whose_net_needs_trimaps_is_refused(
    pictures: Path,
    tiny_bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    needy = SimpleNamespace(net=SimpleNamespace(needs_trimap=True))
    monkeypatch.setattr(run, "find", lambda name: needy)
    with pytest.raises(OptionError, match="needs a trimap of every picture"):
        run_batch(str(pictures), str(tmp_path / "out"), BatchOptions(str(tiny_bundle)))
