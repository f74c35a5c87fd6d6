"""Golden records as raw files: a port that knows nothing but the index can prove itself."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgematte import testcard
from edgematte.cli import main
from edgematte.host import StageHost
from edgematte.runtime.host.stage_steps import STAGE_STEPS
from edgematte.runtime.host.steps import Arrays, run_steps

Capture = pytest.CaptureFixture[str]
Entry = dict[str, Any]


@pytest.fixture
def written(tiny_bundle: Path, tmp_path: Path) -> Path:
    assert main(["goldens", str(tiny_bundle), "--to", str(tmp_path / "goldens")]) == 0
    return tmp_path / "goldens"


def index_of(folder: Path) -> Entry:
    index: Entry = json.loads((folder / "index.json").read_text())
    return index


def case_of(folder: Path, name: str) -> Entry:
    (case,) = (case for case in index_of(folder)["cases"] if case["name"] == name)
    found: Entry = case
    return found


def step_of(case: Entry, name: str) -> Entry:
    (step,) = (step for step in case["steps"] if step["name"] == name)
    found: Entry = step
    return found


def array(folder: Path, entry: Entry) -> NDArray[Any]:
    values = np.fromfile(folder / entry["file"], np.dtype(entry["dtype"]).newbyteorder("<"))
    return values.reshape(entry["shape"])


def within(entry: Entry, value: NDArray[Any], expected: NDArray[Any]) -> bool:
    apart = np.abs(value.astype(np.float64) - expected)
    return bool(apart.max() <= entry["tolerance_max"] and apart.mean() <= entry["tolerance_mean"])


def weights(length: int, wanted: int) -> NDArray[np.float32]:
    """The filter as docs/porting.md defines it: a row of weights for each wanted sample."""
    scale = length / wanted
    reach = max(1.0, scale)
    table = np.zeros((wanted, length), np.float32)
    for i in range(wanted):
        centre = (i + 0.5) * scale
        first, after = int(max(0, centre - reach + 0.5)), int(min(length, centre + reach + 0.5))
        for j in range(first, after):
            table[i, j] = max(0, 1 - abs(j + 0.5 - centre) / reach)
        table[i] /= table[i].sum()
    return table


def test_every_entry_is_a_file_of_its_size_and_nothing_else_is_there(written: Path) -> None:
    entries: list[Entry] = []

    def gather(value: Any) -> None:
        if isinstance(value, dict) and "dtype" in value:
            entries.append(value)
        for item in value.values() if isinstance(value, dict) else value:
            if isinstance(item, dict | list):
                gather(item)

    gather(index_of(written))
    for entry in entries:
        size = np.dtype(entry["dtype"]).itemsize * int(np.prod(entry["shape"]))
        assert (written / entry["file"]).stat().st_size == size
    files = {f.relative_to(written).as_posix() for f in written.rglob("*") if f.is_file()}
    assert files == {entry["file"] for entry in entries} | {"index.json"}


@pytest.mark.parametrize("name", ["larger", "small", "given"])
def test_the_documented_filter_is_inside_the_tolerance_and_careless_ones_are_not(
    name: str, written: Path
) -> None:
    step = step_of(case_of(written, name), "reduce")
    picture, expected = (
        array(written, step[k][n]) for k, n in (("reads", "picture"), ("gives", "reduced"))
    )
    height, width = picture.shape[:2]
    assert width % 2 and height % 2
    down, across = weights(height, 48), weights(width, 64)

    def half_up(values: NDArray[Any]) -> NDArray[Any]:
        return np.floor(values + np.float32(0.5))

    rows = np.einsum("oi,yic->yoc", across, picture.astype(np.float32))
    goal = step["gives"]["reduced"]
    assert within(goal, half_up(np.einsum("oi,ixc->oxc", down, half_up(rows))), expected)
    assert not within(goal, half_up(np.einsum("oi,ixc->oxc", down, rows)), expected)
    if name != "small":  # it is larger on both axes, so that a filter has to widen
        assert width > 64 and height > 48
        columns = np.clip(np.rint((np.arange(64) + 0.5) * width / 64 - 0.5), 0, width - 1)
        nearest = picture[np.linspace(0, height - 1, 48).astype(int)][:, columns.astype(int)]
        assert not within(goal, nearest, expected)


def test_a_given_trimap_stands_in_the_patch_as_its_classes(written: Path) -> None:
    case = case_of(written, "given")
    assert [step["name"] for step in case["steps"]] == ["reduce", "patches", "crop", "stitch"]
    step = step_of(case, "crop")
    assert "probabilities" not in step["reads"]
    trimap, (left, top, side) = (array(written, step["reads"][n]) for n in ("trimap", "patch"))
    classes = array(written, step["gives"]["probability_patch"])
    part = trimap[top : top + side, left : left + side]
    inside = classes[:, : part.shape[0], : part.shape[1]]
    for plane, value in zip(inside, (0, 255, 128), strict=True):
        np.testing.assert_array_equal(plane, (part == value).astype(np.float32))
    assert set(np.unique(trimap)) == {0, 128, 255}
    np.testing.assert_array_equal(
        array(written, case["end_to_end"]["reads"]["trimap"]),
        array(written, step["reads"]["trimap"]),
    )


def test_graphs_and_alpha_agree_with_an_engine(written: Path, tiny_graphs: dict[str, Any]) -> None:
    """NumPy's graphs, on the inputs in the files, give the outputs in the files."""
    for graph in index_of(written)["graphs"]:
        inputs = {t["name"]: array(written, t) for t in graph["inputs"]}
        answer = tiny_graphs[graph["name"]](**inputs)
        for t in graph["outputs"]:
            whole = answer[t["name"]]
            assert list(whole.shape) == t["whole"]
            every = t.get("every", [1] * whole.ndim)
            assert within(t, whole[tuple(slice(None, None, n) for n in every)], array(written, t))
    ends = {case["name"]: case["end_to_end"] for case in index_of(written)["cases"]}
    assert ends["recorded"]["by"] == "PyTorch"
    assert ends["small"]["by"] == "edgematte.runtime on onnxruntime"
    for end in ends.values():
        alpha = array(written, end["gives"]["alpha"])
        assert alpha.shape == array(written, end["reads"]["picture"]).shape[:2]
        assert alpha.min() >= 0 and alpha.max() <= 1


def test_what_is_there_stays(written: Path, tiny_bundle: Path, capsys: Capture) -> None:
    before = (written / "index.json").read_text()
    assert main(["goldens", str(tiny_bundle), "--to", str(written)]) == 2
    assert "exists: give a folder that is not there yet" in capsys.readouterr().err
    assert (written / "index.json").read_text() == before


def test_json_says_what_was_written(tiny_bundle: Path, tmp_path: Path, capsys: Capture) -> None:
    to = tmp_path / "g"
    assert main(["goldens", str(tiny_bundle), "--to", str(to), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    files = [f for f in to.rglob("*") if f.is_file()]
    assert said["files"] == len(files) and said["bytes"] == sum(f.stat().st_size for f in files)
    assert said["cases"] == ["recorded", "larger", "small", "given"]
    assert said["engine"] == "onnxruntime" and not said["not_run"]


def test_a_stage_drops_islands_and_holes_below_its_share_alone() -> None:
    """Pieces as `scipy.ndimage.label` finds them, which joins by edges."""
    pytest.importorskip("scipy", reason="scipy finds the pieces to compare with")
    host = StageHost(size=(512, 512), unknown_threshold=0.1, band_px=4, speck_share=0.0005)
    pool: Arrays = {"picture": testcard.testcard(60, 40), "size": np.array([60, 40], np.int32)}
    given = {step.name: results for step, results in run_steps(STAGE_STEPS, host, pool)}
    before, after = pool["probabilities"], given["clean"]["cleaned"]
    subject, limit = before[0] < 0.5, 0.0005 * 512 * 512
    islands = small_pieces(subject, limit)
    holes = small_pieces(~(subject & ~islands), limit)
    assert islands.any() and holes.any() and not (islands | holes).all()
    expected = before.copy()
    expected[:, islands] = [[1], [0], [0]]
    expected[:, holes] = [[0], [1], [0]]
    np.testing.assert_array_equal(after, expected)
    assert small_pieces(subject, 1e9).sum() > islands.sum()  # there are larger ones, which stay


def small_pieces(mask: NDArray[np.bool_], limit: float) -> NDArray[np.bool_]:
    from scipy import ndimage

    pieces, _ = ndimage.label(mask)
    small: NDArray[np.bool_] = (np.bincount(pieces.ravel()) < limit)[pieces] & mask
    return small
