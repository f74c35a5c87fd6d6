from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgematte.check import goldens
from edgematte.check.goldens import save, stride_for, to_bytes
from edgematte.cli import main
from edgematte.errors import BundleError
from edgematte.manifest import Graph, Tensor
from edgematte.runtime.bundle import open_bundle
from edgematte.runtime.proof.goldens import Goldens, GraphRecord, from_bytes, read


def tensor(name: str, channels: int) -> Tensor:
    return Tensor(name, (1, channels, 8, 6), "float32", "NCHW", (0.0, 1.0), "")


MATTE = Graph("matte", (tensor("image", 3),), (tensor("alpha", 1),), "matte.onnx")


def made() -> Goldens:
    random = np.random.default_rng(0)
    picture = random.integers(0, 256, (8, 6, 3), np.uint8)
    trimap = random.choice(np.array([0, 128, 255], np.uint8), (8, 6))
    image = from_bytes(picture.transpose(2, 0, 1)[None])
    record = GraphRecord({"image": image}, {"alpha": random.random((1, 1, 4, 3), np.float32)}, 2)
    host = {"picture": picture, "trimap": trimap, "size": np.array([6, 8], np.int32)}
    return Goldens({"matte": record}, host, picture, trimap, random.random((8, 6), np.float32))


def test_what_is_saved_is_read_back(tmp_path: Path) -> None:
    before = made()
    save(before, tmp_path)
    after = read(tmp_path, {"matte": MATTE})
    first, second = before.graphs["matte"], after.graphs["matte"]
    # Inputs were bytes, so graphs see exactly what was recorded; outputs are float32 as they came.
    np.testing.assert_array_equal(second.inputs["image"], first.inputs["image"])
    np.testing.assert_array_equal(second.outputs["alpha"], first.outputs["alpha"])
    assert second.stride == 2
    np.testing.assert_array_equal(after.picture, before.picture)
    np.testing.assert_array_equal(after.trimap, before.trimap)
    np.testing.assert_allclose(after.alpha, before.alpha, atol=0.51 / 65535)  # half a step
    assert set(after.host) == {"picture", "trimap", "size"}
    np.testing.assert_array_equal(after.host["picture"], before.picture)


def test_pictures_are_kept_once(tmp_path: Path) -> None:
    save(made(), tmp_path)
    with np.load(tmp_path / "golden" / "host.npz") as stored:
        assert set(stored.files) == {"size"}


def test_a_trimap_of_rounded_probabilities_is_not_mixed_up_with_the_pictures_own(
    tmp_path: Path,
) -> None:
    """The host step is recorded on bytes; that may move a pixel across a threshold."""
    before = made()
    moved = before.trimap.copy()
    moved[0, 0] = 255 - moved[0, 0]
    save(replace(before, host=before.host | {"trimap": moved}), tmp_path)
    after = read(tmp_path, {"matte": MATTE})
    np.testing.assert_array_equal(after.host["trimap"], moved)
    np.testing.assert_array_equal(after.trimap, before.trimap)


def test_records_are_the_same_bytes_each_time(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        save(made(), tmp_path / name)
    for file in (tmp_path / "a" / "golden").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / "golden" / file.name).read_bytes()


def test_a_record_samples_an_output_as_it_was_recorded() -> None:
    record = GraphRecord({}, {}, 4)
    plane = np.arange(64.0).reshape(1, 1, 8, 8)
    np.testing.assert_array_equal(record.sample(plane)[0, 0], [[0, 4], [32, 36]])


@pytest.mark.parametrize("shape", [(1, 1, 8, 8), (1, 3, 64, 64), (1, 1, 48, 700), (1, 3, 512, 512)])
def test_strides_are_the_smallest_that_bound_what_is_kept(shape: tuple[int, ...]) -> None:
    stride, pixels = stride_for(shape), shape[-1] * shape[-2]
    assert stride in (1, 2, 4, 8, 16, 32)
    assert pixels / stride**2 <= goldens.SAMPLES
    assert stride == 1 or pixels / (stride / 2) ** 2 > goldens.SAMPLES


@given(st.integers(0, 255))
def test_bytes_survive_the_way_through_unit_range(value: int) -> None:
    assert to_bytes(from_bytes(np.array([value], np.uint8)))[0] == value


def test_values_beyond_unit_range_are_clipped_and_not_wrapped() -> None:
    np.testing.assert_array_equal(to_bytes(np.array([-0.1, 1.1, 0.5])), [0, 255, 128])


@pytest.mark.parametrize("name", ["end_to_end", "host", "refine", "segment"])
@pytest.mark.parametrize("content", [None, b"", b"text", b"PK\x03\x04" + b"\0" * 60, b"half"])
def test_a_record_that_cannot_be_read_is_named(
    name: str, content: bytes | None, tiny_bundle: Path
) -> None:
    graphs = {g.name: g for g in open_bundle(tiny_bundle).manifest.graphs}
    file = tiny_bundle / "golden" / f"{name}.npz"
    whole = file.read_bytes()
    file.unlink()
    if content is not None:
        file.write_bytes(whole[: len(whole) // 2] if content == b"half" else content)
    with pytest.raises(BundleError, match=f"golden record .*{name}.npz cannot be read") as caught:
        read(tiny_bundle, graphs)
    assert "\n" not in str(caught.value)


Rewrite = Callable[[Path, str, Callable[[dict[str, Any]], object]], None]


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("refine", "in.trimap"),
        ("refine", "out.alpha"),
        ("refine", "stride"),
        ("end_to_end", "alpha"),
        ("end_to_end", "picture"),
    ],
)
def test_a_record_that_lacks_an_array_is_named(
    name: str, array: str, tiny_bundle: Path, rewrite: Rewrite
) -> None:
    """Else a check would compare less than it says, or nothing at all."""
    graphs = {g.name: g for g in open_bundle(tiny_bundle).manifest.graphs}
    rewrite(tiny_bundle, name, lambda arrays: arrays.pop(array))
    with pytest.raises(BundleError, match=f"{name}.npz lacks the array '{array}'"):
        read(tiny_bundle, graphs)


def test_pickled_objects_are_never_loaded(tiny_bundle: Path, rewrite: Rewrite) -> None:
    graphs = {g.name: g for g in open_bundle(tiny_bundle).manifest.graphs}
    objects = np.array([{"any": "object"}], dtype=object)
    rewrite(tiny_bundle, "host", lambda arrays: arrays.update(size=objects))
    with pytest.raises(BundleError, match="host.npz cannot be read .*pickle"):
        read(tiny_bundle, graphs)


@pytest.mark.parametrize(
    ("name", "array", "value"),
    [
        ("refine", "stride", np.array(0)),
        ("refine", "stride", np.array([1, 1])),
        ("refine", "in.image", np.float32(0)),
        ("refine", "in.image", np.zeros((0, 3, 32, 32), np.float32)),
        ("host", "size", np.array(["x"])),
        ("end_to_end", "picture", np.zeros((4, 5), np.uint8)),
        ("end_to_end", "alpha", np.zeros((4, 5), np.uint16)),
        ("end_to_end", "trimap", np.zeros((40, 50), np.float32)),
    ],
)
def test_a_record_of_another_form_is_named(
    name: str, array: str, value: Any, tiny_bundle: Path, rewrite: Rewrite
) -> None:
    graphs = {g.name: g for g in open_bundle(tiny_bundle).manifest.graphs}
    rewrite(tiny_bundle, name, lambda arrays: arrays.update({array: value}))
    with pytest.raises(BundleError, match=f"{name}.npz has an array '{array}' of another form"):
        read(tiny_bundle, graphs)


def test_records_that_do_not_fit_each_other_are_no_traceback(
    tiny_bundle: Path, rewrite: Rewrite, capsys: pytest.CaptureFixture[str]
) -> None:
    far = np.full((3, 3), 2**30, np.int32)
    rewrite(tiny_bundle, "host", lambda arrays: arrays.update(patches=far))
    assert main(["check", str(tiny_bundle)]) == 2
    out, err = capsys.readouterr()
    assert not out and "the golden record does not fit the host step" in err
