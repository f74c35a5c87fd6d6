import contextlib
import hashlib
import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgematte.cli import main
from edgematte.errors import BundleError
from edgematte.manifest import FILE
from edgematte.runtime.bundle import DEFAULT, SHIPPED, open_bundle

Change = Callable[[dict[str, Any]], object]
Edit = Callable[[Path, Change], None]


def refused(bundle: Path, *parts: str) -> None:
    """Opening it is one sentence that names the thing, from Python and from three commands."""
    with pytest.raises(BundleError) as caught:
        open_bundle(bundle)
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert part in message
    matte = ["matte", "none.jpg", "-o", "none.png", "--bundle", str(bundle)]
    for arguments in (["info", str(bundle)], ["check", str(bundle)], matte):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            assert main(arguments) == 2
        assert not out.getvalue() and err.getvalue() == f"edgematte: {' '.join(message.split())}\n"


def test_a_whole_bundle_opens(tiny_bundle: Path, default_bundle: Path) -> None:
    tiny, default = open_bundle(tiny_bundle), open_bundle(str(default_bundle))
    assert tiny.file(tiny.manifest.graph("refine")) == tiny_bundle / "refine.onnx"
    assert default.manifest == open_bundle().manifest


def test_none_is_the_default_that_ships() -> None:
    bundle = open_bundle()
    assert bundle.path == DEFAULT
    assert (bundle.manifest.model, bundle.manifest.target) == ("lightweight", "onnx")


def test_the_bundles_that_ship_have_names_but_what_lies_there_comes_first(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert open_bundle("lightweight").path == DEFAULT
    for name, path in SHIPPED.items():
        bundle = open_bundle(name)
        assert (bundle.shown, bundle.manifest.model) == (path, name)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_bundle, "vitmatte-tiny")
    assert open_bundle("vitmatte-tiny").manifest.model == "lightweight"


@pytest.mark.parametrize("command", ["info", "check", "matte"])
def test_commands_say_one_line_and_exit_2(
    command: str, tiny_bundle: Path, png: Callable[..., Path], capfd: pytest.CaptureFixture[str]
) -> None:
    (tiny_bundle / "refine.onnx").unlink()
    arguments = {
        "info": [str(tiny_bundle)],
        "check": [str(tiny_bundle)],
        "matte": [
            str(png()),
            "-o",
            str(tiny_bundle.parent / "o.png"),
            "--bundle",
            str(tiny_bundle),
        ],
    }
    assert main([command, *arguments[command]]) == 2
    out, err = capfd.readouterr()
    assert not out and len(err.splitlines()) == 1 and "lacks the file refine.onnx" in err
    assert not (tiny_bundle.parent / "o.png").exists()


def test_no_folder(tmp_path: Path) -> None:
    refused(tmp_path / "none.edgematte", "no bundle at", "none.edgematte", "edgematte export")


def test_a_file_instead_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file.edgematte").write_text("x")
    refused(tmp_path / "file.edgematte", "no bundle at", "file.edgematte", "which is a file", FILE)


@pytest.mark.parametrize("kind", ["tar", "gztar"])
def test_an_archive_is_called_one(kind: str, tiny_bundle: Path, tmp_path: Path) -> None:
    made = Path(shutil.make_archive(str(tmp_path / "net.edgematte"), kind, tiny_bundle))
    made = made.rename(tmp_path / "net.edgematte")  # whatever its name
    refused(made, "is a tar archive", "unpack it", FILE)


def test_a_file_of_a_bundle_names_the_bundle(tiny_bundle: Path) -> None:
    for name in (FILE, "refine.onnx"):
        refused(tiny_bundle / name, "one file of a bundle", f"give its folder, {tiny_bundle}")


def test_a_folder_around_a_bundle_names_the_bundle(tiny_bundle: Path, tmp_path: Path) -> None:
    """As archives unpack."""
    (tmp_path / "unpacked").mkdir()
    inner = tiny_bundle.rename(tmp_path / "unpacked" / tiny_bundle.name)
    refused(tmp_path / "unpacked", "it is not a bundle", f"give {inner}")


def test_a_folder_that_is_no_bundle(tmp_path: Path) -> None:
    refused(tmp_path, FILE, "it is not a bundle")


def test_a_manifest_that_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    refused(tmp_path, FILE, "cannot be read")


@pytest.mark.parametrize("name", ["refine.onnx", "segment.onnx", "golden/host.npz"])
def test_a_missing_file(name: str, tiny_bundle: Path) -> None:
    (tiny_bundle / name).unlink()
    refused(tiny_bundle, f"lacks the file {name}")


@pytest.mark.parametrize("name", ["refine.onnx", "golden/refine.npz"])
def test_one_edited_byte(name: str, tiny_bundle: Path) -> None:
    data = bytearray((tiny_bundle / name).read_bytes())
    data[len(data) // 2] ^= 1
    (tiny_bundle / name).write_bytes(data)
    refused(tiny_bundle, name, "sha256 differs")


def test_an_appended_byte_and_a_truncated_file(tiny_bundle: Path) -> None:
    data = (tiny_bundle / "refine.onnx").read_bytes()
    for other in (data + b"\0", data[:-1], b""):
        (tiny_bundle / "refine.onnx").write_bytes(other)
        refused(tiny_bundle, "refine.onnx", "sha256 differs")


def test_two_graph_files_exchanged(tiny_bundle: Path) -> None:
    first, second = tiny_bundle / "segment.onnx", tiny_bundle / "refine.onnx"
    kept = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(kept)
    refused(tiny_bundle, ".onnx", "sha256 differs")


def test_a_folder_in_a_files_place(tiny_bundle: Path) -> None:
    (tiny_bundle / "refine.onnx").unlink()
    (tiny_bundle / "refine.onnx").mkdir()
    refused(tiny_bundle, "refine.onnx")


@pytest.mark.parametrize(
    "name",
    ["../secret", "golden/../../secret", "/etc/hostname", "C:/secret", "..\\secret", "a\0b", ".."],
)
def test_a_path_that_leaves_the_bundle(name: str, tiny_bundle: Path, edit_manifest: Edit) -> None:
    (tiny_bundle.parent / "secret").write_text("secret")
    edit_manifest(tiny_bundle, lambda m: m["files"].update({name: "0" * 64}))
    refused(tiny_bundle, "leaves the bundle", repr(name))


def test_an_absolute_path_even_into_the_bundle(tiny_bundle: Path, edit_manifest: Edit) -> None:
    name = str(tiny_bundle.resolve() / "refine.onnx")
    edit_manifest(tiny_bundle, lambda m: m["files"].update({name: m["files"]["refine.onnx"]}))
    refused(tiny_bundle, "leaves the bundle", name)


def test_a_graph_whose_file_leaves_the_bundle(tiny_bundle: Path, edit_manifest: Edit) -> None:
    edit_manifest(tiny_bundle, lambda m: m["graphs"][0].update(file="../segment.onnx"))
    refused(tiny_bundle, "segment", "'../segment.onnx' is not in the file list")


@pytest.fixture
def cached(tiny_bundle: Path, tmp_path: Path) -> Path:
    """The tiny bundle as a hub's cache keeps it: links, to files named by their content."""
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "0123" / "tiny.edgematte"
    blobs.mkdir()
    for file in [f for f in sorted(tiny_bundle.rglob("*")) if f.is_file()]:
        link = snapshot / file.relative_to(tiny_bundle)
        link.parent.mkdir(parents=True, exist_ok=True)
        blob = file.rename(blobs / hashlib.sha256(file.read_bytes()).hexdigest())
        link.symlink_to(os.path.relpath(blob, link.parent))
    return snapshot


def test_files_may_be_links_to_where_a_cache_keeps_them(
    cached: Path, png: Callable[..., Path], capfd: pytest.CaptureFixture[str]
) -> None:
    assert (cached / "refine.onnx").is_symlink()
    out_file = cached.parent / "cutout.png"
    for arguments in (
        ["info", str(cached)],
        ["check", str(cached)],
        ["matte", str(png()), "-o", str(out_file), "--bundle", str(cached)],
        ["bench", str(cached), "--runs", "1", "--size", "8"],
    ):
        assert main(arguments) == 0, capfd.readouterr().err
    assert out_file.is_file()


def test_what_a_link_leads_to_is_held_to_the_manifest(cached: Path) -> None:
    blob = (cached / "refine.onnx").resolve()
    blob.write_bytes(blob.read_bytes() + b"\0")
    refused(cached, "refine.onnx", "sha256 differs")


def test_a_link_to_another_file(cached: Path) -> None:
    (cached / "refine.onnx").unlink()
    (cached / "refine.onnx").symlink_to(cached / "segment.onnx")
    refused(cached, "refine.onnx", "sha256 differs")


def test_a_link_to_nothing(cached: Path) -> None:
    """Copied without what its links lead to."""
    (cached / "refine.onnx").resolve().unlink()
    refused(cached, "its file refine.onnx is a link to nothing", "cp -rL")


@pytest.mark.parametrize("name", ["../blob", "golden/../../blob"])
def test_links_do_not_make_a_name_that_leaves_the_bundle_a_good_one(
    name: str, tiny_bundle: Path, edit_manifest: Edit
) -> None:
    """Though what it names lies there, and has the sha256 that the manifest says."""
    (tiny_bundle / "refine.onnx").rename(tiny_bundle.parent / "blob")
    edit_manifest(tiny_bundle, lambda m: m["files"].update({name: m["files"].pop("refine.onnx")}))
    refused(tiny_bundle, "leaves the bundle", repr(name))


def test_a_linked_folder(tiny_bundle: Path, tmp_path: Path) -> None:
    (tiny_bundle / "golden").rename(tmp_path / "golden")
    (tiny_bundle / "golden").symlink_to(tmp_path / "golden")
    assert main(["check", str(tiny_bundle)]) == 0


def test_a_loop_of_links(tiny_bundle: Path) -> None:
    (tiny_bundle / "refine.onnx").unlink()
    (tiny_bundle / "refine.onnx").symlink_to("refine.onnx")
    refused(tiny_bundle, "refine.onnx")


def test_a_link_to_the_whole_bundle_is_fine(tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "link.edgematte").symlink_to(tiny_bundle)
    assert open_bundle(tmp_path / "link.edgematte").manifest.model == "lightweight"


def test_a_name_too_long_for_a_file_system(tiny_bundle: Path, edit_manifest: Edit) -> None:
    edit_manifest(tiny_bundle, lambda m: m["files"].update({"x" * 5000: "0" * 64}))
    refused(tiny_bundle, "xxx")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission(tiny_bundle: Path) -> None:
    (tiny_bundle / "refine.onnx").chmod(0)
    refused(tiny_bundle, "refine.onnx", "Permission denied")


def test_a_graph_file_that_is_not_in_the_list(tiny_bundle: Path, edit_manifest: Edit) -> None:
    edit_manifest(tiny_bundle, lambda m: m["files"].pop("refine.onnx"))
    refused(tiny_bundle, "graph refine", "'refine.onnx' is not in the file list")


def test_a_graph_without_a_file(tiny_bundle: Path, edit_manifest: Edit) -> None:
    edit_manifest(tiny_bundle, lambda m: m["graphs"][1].update(file=""))
    refused(tiny_bundle, "graph refine", "not in the file list")


@pytest.mark.parametrize("name", ["../../x", "a/b", "", "two words"])
def test_names_that_would_become_paths(name: str, tiny_bundle: Path, edit_manifest: Edit) -> None:
    """Tensors' names name the files a runner exchanges, graphs' names those of golden records."""
    edit_manifest(tiny_bundle, lambda m: m["graphs"][1]["outputs"][0].update(name=name))
    refused(tiny_bundle, repr(name), "no identifier")
    edit_manifest(tiny_bundle, lambda m: m["graphs"][1]["outputs"][0].update(name="alpha"))
    edit_manifest(tiny_bundle, lambda m: m["graphs"][1].update(name=name))
    refused(tiny_bundle, repr(name), "no identifier")


TEXTS = {
    "empty": ("", "is not JSON"),
    "not JSON": ("edgematte", "is not JSON"),
    "truncated": ('{"format": 2, "model": "light', "is not JSON"),
    "a list": ("[1, 2]", "format version None"),
    "null": ("null", "format version None"),
    "nested without end": ("[" * 100_000, "is not JSON"),
    "a huge number": ('{"format": ' + "9" * 5000 + "}", "is not JSON"),
    "no format": ('{"model": "lightweight"}', "format version None"),
}


@pytest.mark.parametrize("kind", TEXTS)
def test_a_manifest_that_is_none(kind: str, tiny_bundle: Path) -> None:
    text, part = TEXTS[kind]
    (tiny_bundle / FILE).write_text(text)
    refused(tiny_bundle, FILE, part)


def test_a_manifest_that_is_not_text(tiny_bundle: Path) -> None:
    (tiny_bundle / FILE).write_bytes(b"\xff\xfe\x00")
    refused(tiny_bundle, FILE, "cannot be read")


def test_a_manifest_cut_short_anywhere(tiny_bundle: Path) -> None:
    text = (tiny_bundle / FILE).read_text()
    for length in range(0, len(text), 97):
        (tiny_bundle / FILE).write_text(text[:length])
        refused(tiny_bundle, FILE)


@pytest.mark.parametrize("version", [0, 1, 3, "2", 2.5, True, None])
def test_another_format_version(version: object, tiny_bundle: Path, edit_manifest: Edit) -> None:
    edit_manifest(tiny_bundle, lambda m: m.update(format=version))
    refused(tiny_bundle, FILE)


def test_a_newer_format_says_what_to_do(tiny_bundle: Path, edit_manifest: Edit) -> None:
    edit_manifest(tiny_bundle, lambda m: m.update(format=7))
    refused(tiny_bundle, "format version 7", "reads version 2", "install the edgematte that wrote")


CHANGES: dict[str, tuple[Change, str]] = {
    "missing field": (lambda m: m.pop("model"), "lacks the field 'model'"),
    "missing deep field": (lambda m: m["host"].pop("size"), ".host lacks the field 'size'"),
    "extra field": (lambda m: m.update(surprise=1), "field 'surprise'"),
    "extra deep field": (lambda m: m["graphs"][0].update(surprise=1), ".graphs[0] has a field"),
    "text for a number": (lambda m: m["host"].update(patch="32"), ".host.patch should be an int"),
    "number for text": (lambda m: m.update(model=5), ".model should be a str"),
    "bool for a number": (lambda m: m["host"].update(patch=True), ".host.patch should be an int"),
    "list for an object": (lambda m: m.update(host=[]), ".host should be an object"),
    "no section": (lambda m: m.pop("host"), "lacks the field 'host'"),
    "no kind": (lambda m: m["host"].pop("kind"), ".host lacks the field 'kind'"),
    "list for a kind": (lambda m: m["host"].update(kind=[]), ".host.kind should be a str"),
    "number for a package": (lambda m: m.update(package=5), ".package should be a str"),
    "object for a list": (lambda m: m.update(graphs={}), ".graphs should be a list"),
    "pair of three": (lambda m: m["host"].update(size=[1, 2, 3]), ".host.size should be 2 items"),
    "null": (lambda m: m.update(target=None), ".target should be a str"),
    "huge": (lambda m: m["host"].update(scale=10**400), ".host.scale should be a number"),
    "digest": (lambda m: m["files"].update({FILE: 5}), "should be a str"),
    "dtype": (lambda m: m["graphs"][0]["inputs"][0].update(dtype="float9"), "dtype 'float9'"),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_a_field_that_does_not_fit(kind: str, tiny_bundle: Path, edit_manifest: Edit) -> None:
    change, part = CHANGES[kind]
    edit_manifest(tiny_bundle, change)
    refused(tiny_bundle, FILE, part)


def fused(host: dict[str, Any]) -> dict[str, Any]:
    """The same section as of the fused cut."""
    return {k: v for k, v in host.items() if k not in ("patch", "overlap")} | {"kind": "fused"}


def large(graph: dict[str, Any]) -> dict[str, Any]:
    """Let a graph declare pictures that no memory holds."""
    for tensor in (*graph["inputs"], *graph["outputs"]):
        tensor["shape"][2:] = [2**31, 2**31]
    return graph


NONSENSE: dict[str, tuple[Change, str]] = {
    "model": (
        lambda m: m.update(model="other"),
        "model 'other', which this edgematte does not know",
    ),
    "plug-in": (lambda m: m.update(model="other", package="acme 1.0"), "pip install acme"),
    "target": (lambda m: m.update(target="tflite"), "'tflite'"),
    "precision": (lambda m: m.update(precision="fp8"), "unknown precision 'fp8'"),
    "cut": (lambda m: m["host"].update(kind="slices"), "unknown cut 'slices'"),
    "other cut": (lambda m: m.update(host=fused(m["host"])), "lacks the array 'reduced_alpha'"),
    "no graphs": (lambda m: m.update(graphs=[]), "needs a graph 'segment'"),
    "size": (lambda m: m["host"].update(size=[0, 48]), "size [0, 48]"),
    "other size": (lambda m: m["host"].update(size=[48, 64]), "the graph takes"),
    "no patch": (lambda m: m["host"].pop("patch"), "lacks the field 'patch'"),
    "overlap": (lambda m: m["host"].update(overlap=32), "overlap 32"),
    "negative overlap": (lambda m: m["host"].update(overlap=-1), "overlap -1"),
    "band": (lambda m: m["host"].update(band_px=-1), "band_px"),
    "no threshold": (lambda m: m["host"].pop("unknown_threshold"), "unknown_threshold"),
    "tensor": (lambda m: m["graphs"][0]["outputs"][0].update(name="tri"), "tri"),
    "shape": (lambda m: m["graphs"][1]["outputs"][0].update(shape=[1]), "shape"),
    "size of terabytes": (
        lambda m: m["host"].update(size=[2**31, 2**31]),
        "size 2147483648 of the host section is larger than all graphs",
    ),
    "patch of terabytes": (lambda m: m["host"].update(patch=2**31), "larger than all graphs"),
    "both of terabytes": (
        lambda m: [m["host"].update(patch=2**31), large(m["graphs"][1])],
        "does not fit the host step",  # in matte the graph's file has other tensors
    ),
    "no outputs": (lambda m: m["graphs"][0].update(outputs=[]), "takes or gives nothing"),
    "no inputs": (lambda m: m["graphs"][0].update(inputs=[]), "takes or gives nothing"),
    "input": (lambda m: m["graphs"][0]["inputs"][0].update(name="other"), "other'"),
}


@pytest.mark.parametrize("kind", NONSENSE)
def test_values_that_fit_their_type_and_make_no_sense(
    kind: str, tiny_bundle: Path, edit_manifest: Edit, capfd: pytest.CaptureFixture[str]
) -> None:
    """No hash covers the manifest itself; a check must still end in one line, not a traceback."""
    change, part = NONSENSE[kind]
    edit_manifest(tiny_bundle, change)
    assert main(["check", str(tiny_bundle)]) == 2
    out, err = capfd.readouterr()
    assert not out and len(err.splitlines()) == 1 and part in err


@pytest.mark.parametrize("kind", [k for k in NONSENSE if k != "precision"])
def test_they_are_no_traceback_of_matte_either(
    kind: str,
    tiny_bundle: Path,
    edit_manifest: Edit,
    png: Callable[..., Path],
    capfd: pytest.CaptureFixture[str],
) -> None:
    edit_manifest(tiny_bundle, NONSENSE[kind][0])
    out_file = tiny_bundle.parent / "out.png"
    assert main(["matte", str(png()), "-o", str(out_file), "--bundle", str(tiny_bundle)]) == 2
    out, err = capfd.readouterr()
    assert not out and len(err.splitlines()) == 1 and not out_file.exists()


def test_info_of_a_copy_made_elsewhere(tiny_bundle: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere" / "x.edgematte"
    moved.parent.mkdir()
    tiny_bundle.rename(moved)
    assert (
        open_bundle(moved).manifest.to_json()
        == json.dumps(json.loads((moved / FILE).read_text()), indent=2) + "\n"
    )
