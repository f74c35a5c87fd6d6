"""The documents as a site: every link leads somewhere, and pages fetch nothing from elsewhere."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MISSING = [n for n in ("mkdocs", "material", "mkdocstrings") if importlib.util.find_spec(n) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"pip install --group site: no {MISSING}")


def build(site: Path, config: Path = ROOT / "mkdocs.yml") -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(config)]
    return subprocess.run([*command, "-d", str(site)], capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = build(folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_every_page_of_the_documents_is_there_and_in_the_menu(site: Path) -> None:
    start = (site / "index.html").read_text(encoding="utf-8")
    for page in (ROOT / "docs").glob("*.md"):
        assert (site / f"{page.stem}.html").is_file()
        assert f'href="{page.stem}.html"' in start
    assert "make demo" in start and 'src="matte.jpg"' in start


def test_the_reference_has_the_docstrings(site: Path) -> None:
    page = (site / "reference.html").read_text(encoding="utf-8")
    for name in ("edgematte.load", "edgematte.runtime.matter.Matter.stream", "edgematte.errors"):
        assert f'id="{name}"' in page
    assert "&gt;&gt;&gt; " not in re.sub(r"<code>.*?</code>", "", page, flags=re.DOTALL)
    assert "<blockquote>" not in page  # a doctest outside of `Examples:` becomes one


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"<(script|img|iframe)[^>]*src=.?https?:", text)
        assert not re.search(r"<link[^>]*rel=.?stylesheet[^>]*href=.?https?:", text)


def test_a_link_that_leads_nowhere_fails(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "index.md").write_text("[there](bundle.md#no-such-part)\n")
    (docs / "bundle.md").write_text("# The bundle\n")
    (tmp_path / "mkdocs.yml").write_text(
        "site_name: t\nvalidation: { links: { anchors: warn, not_found: warn } }\n"
    )
    done = build(tmp_path / "site", tmp_path / "mkdocs.yml")
    assert done.returncode != 0 and "no-such-part" in done.stderr + done.stdout
