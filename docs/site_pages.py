"""Pages of the site that are files of the project's root, and links that leave the site.

`mkdocs` reads this (`hooks` in mkdocs.yml). README, CHANGELOG and CONTRIBUTING become pages, and
a link to a file that is no page becomes that file's name, because the site has no place for it.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
PAGES = {
    "index.md": "README.md",
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
}
LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?://|#)([^)#\s]*)(#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages of the root."""
    for page, source in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Makes links lead from page to page."""
    at_root = page.file.src_uri in PAGES
    pages = {source: name for name, source in PAGES.items()}

    def lead(found: re.Match[str]) -> str:
        picture, text, target, anchor = found.groups()
        where = posixpath.normpath(posixpath.join("" if at_root else "docs", target))
        name = pages.get(where, posixpath.relpath(where, "docs"))
        if files.get_file_from_path(name) is not None:
            return f"{picture}[{text}]({name}{anchor or ''})"
        return f"{text} (`{where}`)"

    return LINK.sub(lead, markdown)
