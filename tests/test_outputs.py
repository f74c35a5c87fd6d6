from pathlib import Path

import pytest

from edgematte.cli.outputs import Job, plan
from edgematte.errors import OptionError, PictureError


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, so that paths in tests are short."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def touch(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def results(jobs: list[Job]) -> list[dict[str, str]]:
    return [{kind: str(path) for kind, path in job.results.items()} for job in jobs]


def test_one_picture_to_one_file(here: Path) -> None:
    touch("a.jpg")
    (job,) = plan(["a.jpg"], "deep/cut.webp", ["cutout"], None)
    assert job == Job(Path("a.jpg"), None, {"cutout": Path("deep/cut.webp")})


def test_the_first_kind_gets_the_name_and_the_others_its_stem(here: Path) -> None:
    jobs = plan(["a.jpg"], "b.png", ["alpha", "trimap", "cutout"], None)
    assert results(jobs) == [{"alpha": "b.png", "trimap": "b-trimap.png", "cutout": "b-cutout.png"}]


def test_a_kind_named_twice_is_written_once_under_the_name_given(here: Path) -> None:
    assert results(plan(["a.jpg"], "b.png", ["alpha", "alpha"], None)) == [{"alpha": "b.png"}]


def test_one_picture_to_a_folder(here: Path) -> None:
    touch("a.jpg")
    for folder in ("out", "out.d"):
        Path("out.d").mkdir(exist_ok=True)  # a folder that is there may have any name
        jobs = plan(["a.jpg"], folder, ["cutout", "alpha"], None)
        assert results(jobs) == [{"cutout": f"{folder}/a.png", "alpha": f"{folder}/a-alpha.png"}]


def test_folders_are_read_one_level_deep_by_name_and_hold_pictures_only(here: Path) -> None:
    touch("in/b.JPG", "in/a.png", "in/notes.txt", "in/deep/c.png", "in/d.webp", "in/.hidden")
    Path("in/e.png").mkdir()
    jobs = plan(["in"], "out", ["cutout"], None)
    assert [job.name for job in jobs] == ["in/a.png", "in/b.JPG", "in/d.webp"]
    assert results(jobs)[1] == {"cutout": "out/b.png"}


def test_a_folder_with_one_picture_still_gives_a_folder(here: Path) -> None:
    touch("in/a.png")
    assert results(plan(["in"], "out.png", ["cutout"], None)) == [{"cutout": "out.png/a.png"}]


def test_an_empty_folder_is_an_error(here: Path) -> None:
    touch("in/notes.txt")
    with pytest.raises(PictureError, match="the folder in holds no pictures"):
        plan(["in"], "out", ["cutout"], None)


def test_pictures_of_one_stem_keep_their_endings_apart(here: Path) -> None:
    touch("in/a.jpg", "in/a.png", "in/b.png")
    found = results(plan(["in"], "out", ["cutout"], None))
    assert [r["cutout"] for r in found] == ["out/a-jpg.png", "out/a-png.png", "out/b.png"]


def test_a_picture_named_twice_is_done_once(here: Path) -> None:
    touch("in/a.jpg")
    assert len(plan(["in", "in/a.jpg", "in/a.jpg"], "out", ["cutout"], None)) == 1


@pytest.mark.parametrize(
    ("files", "kinds"),
    [
        (["x/a.jpg", "y/a.jpg"], ["cutout"]),
        (["x/a.jpg", "x/a.png", "y/a-jpg.png"], ["cutout"]),
        (["a.jpg", "a-alpha.jpg"], ["cutout", "alpha"]),
    ],
)
def test_two_results_never_go_to_one_file(here: Path, files: list[str], kinds: list[str]) -> None:
    touch(*files)
    with pytest.raises(OptionError, match="would both be written to out/") as caught:
        plan(files, "out", kinds, None)
    assert files[0] in str(caught.value) and files[-1] in str(caught.value)


@pytest.mark.parametrize("spelling", ["a.png", "./a.png", "sub/../a.png", "link.png"])
def test_a_result_that_would_replace_its_input_is_refused(here: Path, spelling: str) -> None:
    touch("a.png", "sub/b.png")
    Path("link.png").symlink_to("a.png")
    with pytest.raises(OptionError, match="would replace a picture that is read"):
        plan(["a.png"], spelling, ["cutout"], None)


def test_a_folder_over_itself_is_refused(here: Path) -> None:
    touch("in/a.png", "in/b.png")
    with pytest.raises(OptionError, match="in/a.png would replace"):
        plan(["in"], "in", ["cutout"], None)


def test_a_result_that_would_replace_another_input_is_refused(here: Path) -> None:
    touch("in/a.jpg", "in/a-alpha.png")  # the second from a run before
    with pytest.raises(OptionError, match="in/a-alpha.png would replace"):
        plan(["in"], "in", ["alpha"], None)


def test_a_result_that_would_replace_the_trimap_is_refused(here: Path) -> None:
    touch("a.jpg", "a-trimap.png")
    with pytest.raises(OptionError, match="a-trimap.png would replace"):
        plan(["a.jpg"], ".", ["trimap"], "a-trimap.png")


def test_jpegs_may_be_cut_out_beside_themselves(here: Path) -> None:
    touch("in/a.jpg")
    assert results(plan(["in"], "in", ["cutout"], None)) == [{"cutout": "in/a.png"}]


# Standard input and output


def test_standard_input_to_a_file_and_to_standard_output(here: Path) -> None:
    (job,) = plan(["-"], "out.png", ["cutout"], None)
    assert job.source is None and job.name == "standard input"
    (job,) = plan(["-"], "-", ["alpha"], None)
    assert job.results == {"alpha": None}


def test_a_folder_named_minus_is_not_standard_input(here: Path) -> None:
    Path("-").mkdir()
    (job,) = plan(["-"], "out.png", ["cutout"], None)
    assert job.source is None


@pytest.mark.parametrize(
    ("sources", "output", "kinds", "sentence"),
    [
        (["-"], "out", ["cutout"], "standard input needs -o FILE or -o -"),
        (["-", "a.jpg"], "out", ["cutout"], "cannot be mixed"),
        (["a.jpg", "b.jpg"], "-", ["cutout"], "writes one picture of one kind"),
        (["a.jpg"], "-", ["cutout", "alpha"], "writes one picture of one kind"),
        (["in"], "-", ["cutout"], "writes one picture of one kind"),
    ],
)
def test_what_does_not_go_together(
    here: Path, sources: list[str], output: str, kinds: list[str], sentence: str
) -> None:
    touch("a.jpg", "b.jpg", "in/c.jpg")
    with pytest.raises(OptionError, match=sentence):
        plan(sources, output, kinds, None)


# Trimaps


def test_a_trimap_goes_with_one_picture(here: Path) -> None:
    touch("a.jpg", "t.png")
    assert plan(["a.jpg"], "b.png", ["cutout"], "t.png")[0].trimap == Path("t.png")
    assert plan(["-"], "-", ["cutout"], "t.png")[0].trimap == Path("t.png")


def test_trimaps_of_a_folder_are_found_by_name_then_by_stem(here: Path) -> None:
    touch("in/a.png", "in/b.jpg", "t/a.png", "t/b.png")
    jobs = plan(["in"], "out", ["cutout"], "t")
    assert [job.trimap for job in jobs] == [Path("t/a.png"), Path("t/b.png")]


def test_a_missing_trimap_is_named(here: Path) -> None:
    touch("in/a.png", "in/b.jpg", "t/a.png")
    with pytest.raises(OptionError, match="t holds no trimap for b.jpg"):
        plan(["in"], "out", ["cutout"], "t")


def test_one_trimap_for_many_pictures_is_refused(here: Path) -> None:
    touch("in/a.png", "in/b.jpg", "t.png")
    with pytest.raises(OptionError, match="several pictures need --trimap FOLDER"):
        plan(["in"], "out", ["cutout"], "t.png")


@pytest.mark.parametrize("use", ["source", "background", "explain"])
def test_no_result_replaces_anything_that_is_read_or_written_besides(use: str, here: Path) -> None:
    touch("a.jpg", "bg.png")
    output = {"source": "b.png", "background": "bg.png", "explain": "c.png"}[use]
    explained = Path("a.jpg" if use == "source" else "c.png")
    with pytest.raises(OptionError, match="would"):
        plan(["a.jpg"], output, ["cutout"], None, read=[Path("bg.png")], written=[explained])


def test_another_name_of_a_file_that_is_read_is_known(here: Path) -> None:
    """As x.png and X.png are on file systems where case does not matter."""
    touch("in/a.jpg", "out/keep")
    Path("out/a.png").hardlink_to("in/a.jpg")
    with pytest.raises(OptionError, match="a picture that is read"):
        plan(["in/a.jpg"], "out", ["cutout"], None)


def test_a_name_that_no_file_system_takes_is_refused_before_any_work(here: Path) -> None:
    source = "x" * 251 + ".jpg"
    touch(source)
    assert results(plan([source], "out", ["cutout"], None)) == [{"cutout": f"out/{'x' * 251}.png"}]
    with pytest.raises(OptionError, match="name of 261 bytes.*255: rename"):
        plan([source], "out", ["alpha"], None)
