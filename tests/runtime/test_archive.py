import contextlib
import gc
import io
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import edgematte
from edgematte import testcard
from edgematte.cli import main
from edgematte.errors import BundleError, OptionError
from edgematte.manifest import FILE, SIGNATURE
from edgematte.runtime import archive
from edgematte.runtime.bundle import open_bundle


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder of this test's own, to see what is left in it."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    yield place
    gc.collect()
    assert not list(place.iterdir())


@pytest.fixture
def zipped(tiny_bundle: Path, tmp_path: Path) -> Path:
    made = shutil.make_archive(str(tmp_path / "net.edgematte"), "zip", tiny_bundle)
    return Path(made)


def rewritten(
    source: Path, place: Path, change: dict[str, bytes], leave: tuple[str, ...] = ()
) -> Path:
    """A copy of a zip with some entries changed, added or left out."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(place, "w") as new:
        for name in old.namelist():
            if name not in leave and not name.endswith("/"):
                new.writestr(name, change.get(name, old.read(name)))
        for name in change.keys() - set(old.namelist()):
            new.writestr(name, change[name])
    return place


def refused(path: Path, *parts: str) -> None:
    with pytest.raises(BundleError) as caught:
        open_bundle(path)
    for part in (str(path), *parts):
        assert part in str(caught.value)
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors):
        assert main(["info", str(path)]) == 2
    assert len(errors.getvalue().splitlines()) == 1


def test_a_zip_mattes_as_its_folder_does(zipped: Path, tiny_bundle: Path, temporary: Path) -> None:
    picture = testcard.testcard(90, 70)
    with edgematte.load(zipped) as matter:
        assert len(list(temporary.iterdir())) == 1
        np.testing.assert_array_equal(
            matter(picture).alpha, edgematte.load(tiny_bundle)(picture).alpha
        )
    del matter


def test_a_folder_around_the_bundle_in_the_zip(tiny_bundle: Path, tmp_path: Path) -> None:
    """As file managers zip a folder."""
    made = shutil.make_archive(str(tmp_path / "outer"), "zip", tiny_bundle.parent, tiny_bundle.name)
    assert open_bundle(made).manifest == open_bundle(tiny_bundle).manifest


def test_every_command_takes_it(
    zipped: Path, tmp_path: Path, sample: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["info", str(zipped)]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"{zipped}: lightweight") and "unzipped" not in told
    output = tmp_path / "cutout.png"
    assert main(["matte", str(sample), "--bundle", str(zipped), "-o", str(output)]) == 0
    assert output.is_file()


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    from PIL import Image

    file = tmp_path / "card.png"
    Image.fromarray(testcard.testcard(64, 48)).save(file)
    return file


def test_only_what_the_manifest_lists_is_unpacked(zipped: Path, tmp_path: Path) -> None:
    outside = tmp_path / "evil.txt"
    more = {"../evil.txt": b"x", "/evil.txt": b"x", "extra.txt": b"x", "..\\evil.txt": b"x"}
    bundle = open_bundle(rewritten(zipped, tmp_path / "more.zip", more))
    names = {str(f.relative_to(bundle.path)) for f in bundle.path.rglob("*") if f.is_file()}
    assert names == {FILE, *bundle.manifest.files}
    assert not outside.exists() and not Path("/evil.txt").exists()
    del bundle


def test_a_link_in_the_zip_is_written_as_a_file(zipped: Path, tmp_path: Path) -> None:
    made = tmp_path / "link.zip"
    with zipfile.ZipFile(zipped) as old, zipfile.ZipFile(made, "w") as new:
        for name in old.namelist():
            if name == "refine.onnx":
                link = zipfile.ZipInfo(name)
                link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
                new.writestr(link, "/etc/passwd")
            elif not name.endswith("/"):
                new.writestr(name, old.read(name))
    refused(made, "refine.onnx", "sha256 differs")


@pytest.mark.parametrize(
    ("change", "leave", "says"),
    [
        ({"refine.onnx": b"other"}, (), "sha256 differs"),
        ({}, ("refine.onnx",), "lacks the file refine.onnx"),
        ({}, (FILE,), "a zip file of no bundle"),
        ({"second/" + FILE: b"{}"}, (), "a zip file of 2 bundles"),
        ({FILE: b"no json"}, (), FILE),
    ],
)
def test_a_zip_that_is_no_bundle(
    change: dict[str, bytes], leave: tuple[str, ...], says: str, zipped: Path, tmp_path: Path
) -> None:
    refused(rewritten(zipped, tmp_path / "bad.zip", change, leave), says)


def test_two_files_of_one_name(zipped: Path) -> None:
    with zipfile.ZipFile(zipped, "a") as pack, pytest.warns(UserWarning, match="Duplicate"):
        pack.writestr("refine.onnx", b"another")
    refused(zipped, "two files named 'refine.onnx'")


def test_a_truncated_or_damaged_zip(zipped: Path, tmp_path: Path) -> None:
    data = bytearray(zipped.read_bytes())
    with zipfile.ZipFile(zipped) as pack:
        entry = pack.getinfo("refine.onnx")
    data[entry.header_offset + 60 + entry.compress_size // 2] ^= 0xFF
    damaged = tmp_path / "damaged.zip"
    damaged.write_bytes(data)
    refused(damaged, "")


def test_a_zip_whose_compression_is_damaged(zipped: Path, tmp_path: Path) -> None:
    """zlib raises an error of its own class, which is no OSError."""
    data = bytearray(zipped.read_bytes())
    with zipfile.ZipFile(zipped) as pack:
        entry = pack.getinfo("refine.onnx")
    data[entry.header_offset + 30 + len("refine.onnx")] = 0xFF
    damaged = tmp_path / "damaged.zip"
    damaged.write_bytes(data)
    refused(damaged, "is a damaged zip file")


def test_a_zip_that_would_fill_the_disk(zipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST_BYTES", 1000)
    refused(zipped, "would unpack to", "give the folder")


def test_a_signature_that_would_fill_the_disk(
    zipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no file that the manifest lists, and counts as one."""
    with zipfile.ZipFile(zipped) as pack:
        monkeypatch.setattr(archive, "MOST_BYTES", sum(e.file_size for e in pack.infolist()))
    open_bundle(zipped)
    bomb = rewritten(zipped, tmp_path / "bomb.zip", {SIGNATURE: bytes(10**5)})
    refused(bomb, "would unpack to", "give the folder")


def test_a_signature_outside_of_the_bundle_in_the_zip(tiny_bundle: Path, tmp_path: Path) -> None:
    made = shutil.make_archive(str(tmp_path / "outer"), "zip", tiny_bundle.parent, tiny_bundle.name)
    more = rewritten(Path(made), tmp_path / "more.zip", {SIGNATURE: b"of something else"})
    assert not (open_bundle(more).path / SIGNATURE).exists()


def test_the_next_one_removes_what_a_killed_process_left(zipped: Path, temporary: Path) -> None:
    program = (
        "import os, sys, tempfile; tempfile.tempdir = sys.argv[2]; import edgematte\n"
        "m = edgematte.load(sys.argv[1]); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", program, str(zipped), str(temporary)], timeout=60)
    assert len(list(temporary.iterdir())) == (1 if os.name == "posix" else 0)
    with edgematte.load(zipped):
        assert len(list(temporary.iterdir())) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_leaves_the_files_to_its_parent(zipped: Path, temporary: Path) -> None:
    program = (
        "import os, sys, tempfile; tempfile.tempdir = sys.argv[2]\n"
        "import edgematte; from edgematte import testcard\n"
        "m = edgematte.load(sys.argv[1]); picture = testcard.testcard(70, 50)\n"
        "pid = os.fork()\n"
        "if pid == 0: m(picture); sys.exit(0)\n"
        "assert os.waitpid(pid, 0)[1] == 0\n"
        "m.bundle.verify(); m(picture)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(zipped), str(temporary)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def test_a_closed_matter_says_so_and_closes_twice(tiny_bundle: Path) -> None:
    picture = testcard.testcard(64, 48)
    with edgematte.load(tiny_bundle) as matter:
        wanted = matter(picture).alpha
        assert wanted.shape == (48, 64)
    matter.close()
    calls = (
        lambda: matter(picture),
        lambda: matter.many([picture]),
        lambda: list(matter.refine(picture)),
        lambda: list(matter.stream([picture])),
    )
    for call in calls:
        with pytest.raises(OptionError, match="was closed: load the bundle again"):
            call()
