"""Graphs in a page of a headless Chromium, and what is said where something of it is missing."""

import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest

import edgematte
from edgematte.cli import main
from edgematte.errors import EngineError
from edgematte.runtime.bundle import open_bundle
from edgematte.runtime.engines import EngineOptions, open_engine
from edgematte.runtime.engines.browser import places
from edgematte.runtime.engines.browser.server import Jobs
from edgematte.testcard import testcard as card


@pytest.fixture
def browser() -> None:
    """Skips where Chromium or the npm package is missing."""
    try:
        places.chromium()
        places.runtime_files()
    except EngineError as error:
        pytest.skip(str(error))


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that has the npm package; it is the working directory."""
    dist = tmp_path / "app" / "node_modules" / "onnxruntime-web" / "dist"
    dist.mkdir(parents=True)
    (dist / "ort.wasm.min.mjs").write_text("")
    monkeypatch.chdir(tmp_path / "app")
    return dist


@pytest.mark.usefixtures("browser")
def test_a_check_in_the_browser_agrees_and_leaves_nothing_behind(tiny_bundle: Path) -> None:
    """A process of its own, so that its end can be seen."""
    with tempfile.TemporaryDirectory() as left:  # short: Chromium makes a socket in it
        check_in(tiny_bundle, left)
        assert not list(Path(left).glob("edgematte-browser-*")), "the profile is removed"


def check_in(bundle: Path, left: str) -> None:
    command = [sys.executable, "-m", "edgematte", "check", str(bundle), "--engine", "browser"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=Path(edgematte.__file__).parents[1],
        env=os.environ | {"TMPDIR": left},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "refine.alpha" in done.stdout and "browser" in done.stdout


@pytest.mark.usefixtures("browser")
def test_the_browser_mattes_as_onnxruntime_does_and_finds_a_wrong_graph(make_tiny) -> None:  # type: ignore[no-untyped-def]
    pytest.importorskip("onnxruntime")
    bundle, picture = make_tiny(), card(90, 70)
    here, there = (edgematte.load(bundle, engine=e)(picture) for e in ("onnxruntime", "browser"))
    assert np.abs(here.alpha - there.alpha).max() < 1e-5
    shutil.rmtree(bundle)
    damaged = make_tiny("one weight by 10 %")
    assert main(["check", str(damaged), "--engine", "browser"]) == 1


def test_devices_are_named(tiny_bundle: Path) -> None:
    bundle = open_bundle(tiny_bundle)
    graph = bundle.manifest.graphs[0]
    with pytest.raises(EngineError, match="no device 'cuda'; there are: wasm, webgpu, webgpu:soft"):
        open_engine("browser", bundle.file(graph), graph, EngineOptions("cuda"))


def test_without_chromium_one_sentence_says_how_to_get_it(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("EDGEMATTE_CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", "")
    assert main(["check", str(tiny_bundle), "--engine", "browser"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "apt-get install chromium" in said


def test_without_the_package_one_sentence_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(places, "PACKAGE", "no-such-package")
    with pytest.raises(EngineError, match="npm install no-such-package@"):
        places.runtime_files()


def test_the_package_is_found_in_a_folder_above(
    fake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (fake.parents[2] / "deeper").mkdir()
    monkeypatch.chdir(fake.parents[2] / "deeper")
    assert places.runtime_files() == fake


@pytest.mark.usefixtures("fake")
def test_chromium_that_ends_at_once_is_told_with_its_last_words(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.name != "posix":
        pytest.skip("a shell script stands in for Chromium")
    program = tmp_path / "chromium"
    program.write_text("#!/bin/sh\necho 'cannot open display' >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("EDGEMATTE_CHROMIUM", str(program))
    bundle = open_bundle(tiny_bundle)
    graph = bundle.manifest.graphs[0]
    with pytest.raises(EngineError, match="Chromium ended with 3: cannot open display"):
        open_engine("browser", bundle.file(graph), graph)


def test_a_device_is_refused_where_nothing_is_chosen_by_it(tiny_bundle: Path) -> None:
    assert main(["check", str(tiny_bundle), "--runner", "true", "--device", "webgpu"]) == 2


def test_only_who_knows_the_path_is_answered(fake: Path) -> None:
    """Other programs of the machine can neither read what is checked nor answer for the page."""
    jobs = Jobs(fake, {"device": "wasm"})
    try:
        with urllib.request.urlopen(f"{jobs.url}settings") as answer:
            assert answer.read() == b'{"device": "wasm"}'
        base = jobs.url.removesuffix(jobs.root)
        for path in ("/", "/settings", f"{jobs.root}ort/../package.json", f"{jobs.root}weights/0"):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(base + path)
    finally:
        jobs.close()
