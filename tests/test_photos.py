"""The photographs of docs/quality.md may be passed on, and say from whom they are."""

import csv
from pathlib import Path

from PIL import Image

DOCS = Path(__file__).resolve().parent.parent / "docs"
FREE = {"CC0 1.0", "CC BY 2.0", "CC BY 4.0", "public domain"}


def test_every_photograph_names_its_author_its_source_and_a_free_licence() -> None:
    with (DOCS / "photos/sources.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    photos = {file.name: file for file in (DOCS / "photos").glob("*.jpg")}
    assert {row["file"] for row in rows} == set(photos) and len(rows) == 12
    page = (DOCS / "quality.md").read_text(encoding="utf-8")
    for row in rows:
        assert row["licence"] in FREE and row["author"] and row["source"]
        assert row["licence"] == "CC0 1.0" or row["author"] != "not named"  # CC BY names somebody
        assert all(row[name] in page for name in ("file", "author", "source", "licence"))
        with Image.open(photos[row["file"]]) as photo:
            assert max(photo.size) <= 640 and not photo.getexif()
    assert sum(file.stat().st_size for file in photos.values()) < 1_000_000
