import base64
import io
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import edgematte
from edgematte import testcard
from edgematte.cli import main
from edgematte.finding import Finding
from edgematte.manifest import FILE, Rung
from edgematte.nets import find
from edgematte.page.curve import curve
from edgematte.page.drawing import bars, ladder, over_time
from edgematte.runtime.bundle import open_bundle
from edgematte.runtime.host.trimap_source import OwnTrimap
from edgematte.runtime.matter import Matter
from edgematte.runtime.pipeline import Sourced

Capture = pytest.CaptureFixture[str]
Rewrite = Callable[[Path, str, Callable[[dict[str, Any]], object]], None]
Edit = Callable[[Path, Callable[[dict[str, Any]], object]], None]


class Read(HTMLParser):
    """The text of a page, its pictures, and every address in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.images: list[dict[str, str]] = []
        self.addresses: list[str] = []
        self.policy = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        self.addresses += [told[name] for name in ("src", "href", "srcset") if name in told]
        if tag == "img":
            self.images.append(told)
        if told.get("http-equiv") == "Content-Security-Policy":
            self.policy = told["content"]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def report(place: Path, *arguments: str) -> str:
    assert main(["report", *arguments, "-o", str(place)]) == 0
    return place.read_text(encoding="utf-8")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    file = tmp_path / "card.png"
    Image.fromarray(testcard.testcard(96, 64)).save(file)
    return file


def test_the_page_has_every_part_and_loads_nothing(
    tiny_bundle: Path, photo: Path, tmp_path: Path
) -> None:
    read = Read(report(tmp_path / "r.html", str(tiny_bundle), "--image", str(photo)))
    text = " ".join(read.words)
    parts = ("Accuracy", "Time by stage", "Graphs", "On other devices", "Not looked for")
    for part in (*parts, "Weights", "card.png", "licence: unknown"):
        assert part in text
    assert "graph.refine" in text and "segment.onnx" in text and "within" not in text.lower()
    assert len(read.images) == 4 + 3  # picture, alpha, cut-out and, against the records, the error
    assert all(address.startswith("data:image/") for address in read.addresses)
    assert read.policy.startswith("default-src 'none'")
    assert all(image["alt"] for image in read.images)


def test_the_pictures_are_those_that_matte_gives(
    tiny_bundle: Path, photo: Path, tmp_path: Path
) -> None:
    read = Read(report(tmp_path / "r.html", str(tiny_bundle), "--image", str(photo)))
    data = read.images[5]["src"].partition("base64,")[2]
    alpha = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))), float) / 255
    wanted = edgematte.load(tiny_bundle)(testcard.testcard(96, 64)).alpha
    assert np.abs(alpha - wanted).max() <= 0.5 / 255 + 1e-6  # rounded to bytes


def test_the_page_on_standard_output(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.iterdir())
    assert main(["report", str(tiny_bundle), "-o", "-"]) == 0
    assert capsys.readouterr().out.startswith("<!doctype html>")
    assert main(["report", str(tiny_bundle), "-o", "-", "--json"]) == 2
    assert "--json" in capsys.readouterr().err and set(tmp_path.iterdir()) == before


def test_pictures_of_one_name_are_told_apart(
    tiny_bundle: Path, photo: Path, tmp_path: Path
) -> None:
    """Beside each other are the mattes of one picture, not of two that share a name."""
    other = tmp_path / "more" / photo.name
    other.parent.mkdir()
    Image.fromarray(testcard.testcard(64, 96)).save(other)
    images = [argument for file in (photo, other, photo) for argument in ("--image", str(file))]
    read = Read(report(tmp_path / "r.html", str(tiny_bundle), str(tiny_bundle), *images))
    text = " ".join(read.words)
    for file in (photo, other):
        assert text.count(f"{file}: {tiny_bundle.name} left") == 1
    sizes: dict[str, set[tuple[int, int]]] = {}
    for image in read.images:
        data = image["src"].partition("base64,")[2]
        size = Image.open(io.BytesIO(base64.b64decode(data))).size
        sizes.setdefault(image["alt"].partition(": ")[0], set()).add(size)
    assert sizes[str(photo)] == {(96, 64)} and sizes[str(other)] == {(64, 96)}


def test_bundles_that_were_checked_with_different_pictures(
    tiny_bundle: Path, photo: Path, tmp_path: Path, rewrite: Rewrite
) -> None:
    other = Path(shutil.copytree(tiny_bundle, tmp_path / "other.edgematte"))
    rewrite(other, "end_to_end", lambda arrays: arrays.update(picture=255 - arrays["picture"]))
    bundles = (str(tiny_bundle), str(other), "--image", str(photo))
    text = " ".join(Read(report(tmp_path / "r.html", *bundles)).words)
    assert "checked with different pictures" in text
    assert "card.png: tiny.edgematte left" in text and "check: tiny.edgematte left" not in text


def test_a_manifest_cannot_put_elements_into_the_page(
    tiny_bundle: Path, tmp_path: Path, edit_manifest: Edit
) -> None:
    def change(manifest: dict[str, Any]) -> None:
        manifest["weights"] |= {"source": "<img src=a>", "sha256": "<img src=b>"}
        manifest["tools"] = {"<img src=c>": "<img src=d>"}

    edit_manifest(tiny_bundle, change)
    read = Read(report(tmp_path / "r.html", str(tiny_bundle)))
    assert all(address.startswith("data:image/") for address in read.addresses)
    assert "<img src=b>" in " ".join(read.words)


def test_two_bundles_have_a_slider_for_each_picture(
    tiny_bundle: Path, photo: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.edgematte"
    shutil.copytree(tiny_bundle, other)
    arguments = (str(tiny_bundle), str(other), "--image", str(photo))
    page = report(tmp_path / "r.html", *arguments)
    assert page.count('type="range"') == 2
    assert f"{tiny_bundle.name} beside other.edgematte" in page


def test_where_two_bundles_differ_is_mapped(tiny_bundle: Path, photo: Path, tmp_path: Path) -> None:
    """The second one takes fewer pixels for unknown."""
    other = tmp_path / "other.edgematte"
    shutil.copytree(tiny_bundle, other)
    manifest = json.loads((other / FILE).read_text())
    manifest["host"] |= {"unknown_threshold": 0.9, "band_px": 0}
    (other / FILE).write_text(json.dumps(manifest))
    read = Read(report(tmp_path / "r.html", str(tiny_bundle), str(other), "--image", str(photo)))
    maps = [image for image in read.images if "difference of the two alphas" in image["alt"]]
    assert len(maps) == 2 and "card.png" in maps[1]["alt"]
    data = maps[1]["src"].partition("base64,")[2]
    drawn = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
    image = testcard.testcard(96, 64)
    far = [edgematte.load(bundle)(image).alpha for bundle in (tiny_bundle, other)]
    differs = np.abs(far[0] - far[1])
    assert differs.max() > 0.01
    assert (drawn.max(axis=2) > 0)[differs > 0.01].all()
    assert not drawn.max(axis=2)[differs == 0].any()


def test_the_findings_and_all_licences_are_on_the_page(
    tiny_bundle: Path, edit_manifest: Edit, tmp_path: Path
) -> None:
    finding = Finding("half-range", "refine", "values of <3> layers", "why", "fp32", "a/b#1")
    stage = {"source": "net.onnx", "sha256": "ab" * 32, "card": {"license": "Apache-2.0"}}
    edit_manifest(tiny_bundle, lambda m: m.update(lint=[asdict(finding)], stage_weights=stage))
    page = report(tmp_path / "r.html", str(tiny_bundle))
    text = " ".join(Read(page).words)
    for word in ("half-range, refine", "values of <3> layers", "Why: why", "a/b#1", "fp32"):
        assert word in text
    assert "licence: Apache-2.0" in text and "licence: unknown" in text
    assert "<3>" not in page


class Limits:
    """A pipeline whose alpha is the nearer to 1, the more time it is given."""

    budget_ms: float | None = None

    def limit(self, options: Any) -> None:
        self.budget_ms = options.budget_ms

    def __call__(self, picture: Any, trimap: Any, clock: Any) -> tuple[Any, Any]:
        time.sleep((self.budget_ms or 20) / 1000)
        error = 0.0 if self.budget_ms is None else 1 / self.budget_ms
        return np.full(picture.shape[:2], 1 - error, np.float32), trimap


def test_error_over_time_of_a_net_with_a_limit(tiny_bundle: Path) -> None:
    pipeline, picture = Limits(), testcard.testcard(32, 24)
    sourced = Sourced("regional-tiny", pipeline, OwnTrimap())
    matter = Matter(open_bundle(tiny_bundle), find("regional-tiny"), sourced, "none")
    trimap = np.full((24, 32), 128, np.uint8)
    points = curve(matter, picture, trimap, np.ones((24, 32), np.float32), trimap)
    assert len(points) == 5
    assert all(p.ms >= float(p.name.split()[1]) - 1 for p in points)  # rounded to milliseconds
    errors = [point.error for point in points]
    assert errors == sorted(errors, reverse=True) and errors[0] > 2 * errors[-1] > 0
    assert pipeline.budget_ms is None  # as it was
    drawn = over_time("error", [(p.name, p.ms, p.error) for p in points])
    heights = [float(part.split('"')[0]) for part in drawn.split('cy="')[1:]]
    assert heights == sorted(heights) and drawn.count("<circle") == len(points)


def test_a_bundle_whose_engine_is_not_here_is_shown_as_it_was_measured(
    tiny_bundle: Path, edit_manifest: Edit, tmp_path: Path
) -> None:
    edit_manifest(tiny_bundle, lambda m: m.update(target="coreml"))
    page = report(tmp_path / "r.html", str(tiny_bundle))
    assert "Not run here: engine coreml" in page and "Accuracy" in page
    assert "Time by stage" not in page


def test_names_cannot_write_into_the_page(
    tiny_bundle: Path, edit_manifest: Edit, tmp_path: Path
) -> None:
    script = "<script>alert(1)</script>"
    edit_manifest(tiny_bundle, lambda m: m["weights"].update(source=script))
    page = report(tmp_path / "r.html", str(tiny_bundle))
    assert script not in page and "&lt;script&gt;alert(1)" in page


def test_what_cannot_be_reported_is_one_sentence(
    tiny_bundle: Path, tmp_path: Path, capsys: Capture
) -> None:
    output = tmp_path / "r.html"
    for arguments in (
        [str(tmp_path / "none")],
        [str(tiny_bundle)] * 3,
        [str(tiny_bundle), "--engine", "coreml"],
        [str(tiny_bundle), "--image", str(tmp_path / "none.png")],
    ):
        assert main(["report", *arguments, "-o", str(output)]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
        assert not output.exists()


def test_bars_are_as_long_as_their_figures() -> None:
    drawn = bars("times", [("host.a", 10.0, 20.0), ("graph.b", 5.0, 5.0)])
    widths = [float(part.split('"')[0]) for part in drawn.split('width="')[1:]]
    assert widths[0] == pytest.approx(2 * widths[1], abs=0.1)
    assert 'class="host"' in drawn and 'class="graph"' in drawn


def test_a_rung_outside_lies_above_the_budgets_line() -> None:
    rungs = [
        Rung("w8a8", 0.03, 0, 0, 1000, 1.0, inside=False),
        Rung("w8a16", 0.005, 0, 0, 2000, 1.0, inside=True, chosen=True),
    ]
    drawn = ladder("int8", rungs, 0.01)
    heights = [float(part.split('"')[0]) for part in drawn.split('cy="')[1:]]
    line = float(drawn.split('class="budget"')[0].rsplit("M48 ", 1)[1].split("H")[0])
    assert heights[0] < line < heights[1]  # smaller is higher in SVG


CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.mark.skipif(not CHROMIUM, reason="no chromium: apt-get install chromium")
def test_a_browser_moves_the_slider(tiny_bundle: Path, tmp_path: Path) -> None:
    """The script runs under the page's own policy and sets the slider's place."""
    other = tmp_path / "other.edgematte"
    shutil.copytree(tiny_bundle, other)
    page = tmp_path / "r.html"
    report(page, str(tiny_bundle), str(other))
    assert CHROMIUM
    command = [CHROMIUM, "--headless=new", "--disable-gpu", "--dump-dom", page.as_uri()]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.insert(1, "--no-sandbox")
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert 'style="--at: 50%;"' in done.stdout
