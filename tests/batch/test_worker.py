"""A worker in this process: what it writes is what the library gives, and errors are rows."""

import errno
import hashlib
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import edgematte
from edgematte.atomic import atomic_file
from edgematte.batch import worker as workers
from edgematte.batch.place import Place
from edgematte.batch.rows import DONE, FAILED, SECONDS
from edgematte.batch.source import Source, Where
from edgematte.batch.worker import Setup, Task, Worker, digest_of
from edgematte.pictures import alpha_bytes, cutout, read_picture
from edgematte.pictures.results import ResultOptions, result_name

Png = Callable[..., Path]
KINDS = ("cutout", "alpha", "trimap")


@pytest.fixture
def setup(tiny_bundle: Path, tmp_path: Path) -> Setup:
    place = Place(str(tmp_path / "out"))
    place.write("mark", b"of the tests")
    bundle, mark = str(tiny_bundle), ("mark", b"of the tests")
    options = ResultOptions(alpha_bits=16)
    return Setup(bundle, digest_of(bundle), place.root, mark, KINDS, options, {"threads": 1})


def task(file: Path, attempts: int = 0) -> Task:
    names = tuple((kind, result_name(f"deep/{file.stem}", kind)) for kind in KINDS)
    return Task(Source(str(file), file.stem, Where(str(file))), names, attempts)


def test_results_and_rows_are_those_of_the_library(setup: Setup, png: Png, tmp_path: Path) -> None:
    file = png("a.png")
    worker = Worker(setup)
    assert worker.refusal is None
    (row,) = worker.work([task(file, attempts=1)]).rows
    picture = read_picture(file)
    assert setup.bundle is not None
    matte = edgematte.load(setup.bundle, threads=1)(picture)
    sixteen = alpha_bytes(matte.alpha, 16)
    assert (row.status, row.error, row.attempts) == (DONE, None, 2)
    assert (row.width, row.height) == (60, 45)
    assert row.sha256 == hashlib.sha256(sixteen.astype("<u2").tobytes()).hexdigest()
    assert row.unknown == pytest.approx(np.mean(matte.trimap == 128))
    assert tuple(stage for stage, _ in row.seconds) == SECONDS
    out = tmp_path / "out"
    written = {kind: np.asarray(Image.open(out / name)) for kind, name in row.results}
    assert np.array_equal(written["cutout"], cutout(picture, matte.alpha))
    assert np.array_equal(written["alpha"], sixteen)
    assert np.array_equal(written["trimap"], matte.trimap)


def test_bad_pictures_are_rows_and_the_rest_goes_on(setup: Setup, png: Png, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "cut.png").write_bytes(png("whole.png").read_bytes()[:400])
    files = [tmp_path / "text.png", tmp_path / "gone.png", tmp_path / "cut.png", png("a.png")]
    rows = Worker(setup).work([task(file) for file in files]).rows
    assert [row.status for row in rows] == [FAILED, FAILED, FAILED, DONE]
    assert rows[0].error == f"{tmp_path}/text.png is not a picture that can be read"
    assert rows[1].error == f"no picture at {tmp_path}/gone.png"
    assert "damaged or truncated" in str(rows[2].error)
    assert {f.name for f in (tmp_path / "out/deep").iterdir()} == {
        "a.png",
        "a-alpha.png",
        "a-trimap.png",
    }


def test_a_full_disk_stops_the_work_without_a_row(
    setup: Setup, png: Png, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Place.write

    def full(place: Place, name: str, data: bytes, **keywords: int) -> None:
        if "b" in name:
            raise OSError(errno.ENOSPC, "No space left on device")
        whole(place, name, data)

    worker = Worker(setup)
    monkeypatch.setattr(Place, "write", full)
    worked = worker.work([task(png("a.png")), task(png("b.png")), task(png("c.png"))])
    assert [row.path.rpartition("/")[2] for row in worked.rows] == ["a.png"]
    assert worked.stop and worked.stop.startswith(f"no space is left at {setup.output}")


def test_a_picture_that_is_begun_again_waits_for_who_writes_it(
    setup: Setup, png: Png, tmp_path: Path
) -> None:
    """A worker that is out of reach may live for some seconds after it was replaced."""
    file, worker = png("a.png"), Worker(setup)
    target = tmp_path / "out/deep/a.png"
    target.parent.mkdir()
    with ExitStack() as writing:
        writing.enter_context(atomic_file(target)).write_bytes(b"")
        assert "being written by another run" in str(worker.work([task(file)]).rows[0].error)
        timer = threading.Timer(0.5, writing.close)
        timer.start()
        (row,) = worker.work([task(file, attempts=1)]).rows
        timer.join()
    assert row.status == DONE


def test_what_a_worker_cannot_work_with_is_one_sentence(setup: Setup, tmp_path: Path) -> None:
    other = Worker(replace(setup, digest="0" * 64)).refusal
    assert other and "is another version here" in other and "copy it to all nodes" in other
    gone = Worker(replace(setup, bundle=str(tmp_path / "gone"))).refusal
    assert gone and "no bundle at" in gone
    elsewhere = Worker(replace(setup, output=str(tmp_path / "elsewhere"))).refusal
    assert elsewhere and "storage that all nodes share" in elsewhere


def test_what_no_one_foresaw_is_a_row_too(
    setup: Setup, png: Png, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object) -> None:
        raise ZeroDivisionError("of a decoder\nin two lines")

    worker = Worker(setup)
    monkeypatch.setattr(workers, "open_picture", broken)
    (row,) = worker.work([task(png("a.png"))]).rows
    assert row.error == "ZeroDivisionError: of a decoder in two lines"
