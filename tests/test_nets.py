"""Nets from outside: found, named, refused in one sentence, and used without torch.

Every program runs in a process of its own, whose path holds packages made here.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgematte
from edgematte.builtin import BUILTIN
from edgematte.errors import BundleError
from edgematte.manifest import FILE, Manifest
from edgematte.testcard import testcard as drawn

EditManifest = Callable[[Path, Callable[[dict[str, Any]], object]], None]

NET = """
from edgematte.net import Net, Variant
NET = Net(
    name={name!r},
    paper="of the tests",
    network="{module}.torch_side:Network",
    cut="{module}.torch_side:CUT",
    hosts={{"split": "edgematte.runtime.nets.lightweight.host:SplitHost"}},
    pipeline="{module}.host_side:pipeline",
    steps="edgematte.runtime.nets.lightweight.steps:STEPS",
    options={options!r},
    variants={{{name!r}: Variant({{"k": 1}})}},
    package="edgematte-{name}",
)
"""
HOST_SIDE = """
from dataclasses import dataclass
from edgematte.options import option
from edgematte.runtime.nets.lightweight.pipeline import pipeline as split
@dataclass(frozen=True)
class Options:
    halve: bool = option(False, help="half of alpha")
@dataclass(frozen=True)
class Clashing:
    output: str = option("", help="the command has an --output of its own")
class Halved:
    def __init__(self, whole): self.whole = whole
    def __call__(self, picture, trimap, clock):
        alpha, trimap = self.whole(picture, trimap, clock)
        return alpha / 2, trimap
def pipeline(host, graphs, options):
    whole = split(host, graphs)
    return Halved(whole) if getattr(options, "halve", False) else whole
"""
TORCH_SIDE = "import torch\n"
NO_TORCH = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "torch":
            raise ModuleNotFoundError("torch was asked for", name=name)
sys.meta_path.insert(0, Block())
"""
MAIN = "import sys\nfrom edgematte.cli import main\nsys.exit(main(sys.argv[1:]))"


class Packages:
    """A folder of packages on the path of other processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def module(self, name: str, **files: str) -> None:
        """A package of these modules, importable and not installed."""
        (self.folder / name).mkdir()
        for file, text in {"__init__": "", **files}.items():
            (self.folder / name / f"{file}.py").write_text(text)

    def net(self, name: str, *, options: str = "", **files: str) -> None:
        """The same with a whole net of that name, in the module NAME_net."""
        module = f"{name.replace('-', '_')}_net"
        parts = {
            "net": NET.format(name=name, module=module, options=options and f"{module}.{options}"),
            "host_side": HOST_SIDE,
            "torch_side": TORCH_SIDE,
        }
        self.module(module, **(parts | files))

    def install(self, name: str, where: str, version: str = "1.0") -> None:
        """What pip leaves of a package that adds a net."""
        folder = self.folder / f"edgematte_{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        about = f"Metadata-Version: 2.1\nName: edgematte-{name}\nVersion: {version}\n"
        (folder / "METADATA").write_text(about)
        (folder / "entry_points.txt").write_text(f"[edgematte.nets]\n{name} = {where}\n")

    def python(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        paths = [str(self.folder), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
        return subprocess.run(
            [sys.executable, "-c", program, *arguments],
            cwd=self.folder.parent,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
            capture_output=True,
            text=True,
        )

    def edgematte(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.python(MAIN, *arguments)


@pytest.fixture
def packages(tmp_path: Path) -> Packages:
    return Packages(tmp_path / "packages")


def refused(done: subprocess.CompletedProcess[str], *parts: str) -> None:
    """One sentence that says all of this, and nothing else."""
    assert done.returncode == 2 and not done.stdout, done.stdout
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("edgematte: ")
    for part in parts:
        assert part in done.stderr


def works(done: subprocess.CompletedProcess[str], *parts: str) -> str:
    assert done.returncode == 0, done.stderr
    for part in parts:
        assert part in done.stdout
    return done.stdout


def test_nets_are_the_built_in_the_installed_and_the_plugged_in_ones(packages: Packages) -> None:
    packages.net("inside")
    packages.install("inside", "inside_net.net:NET")
    packages.net("outside")
    program = """
import json, sys
from edgematte.nets import find, nets, plug_in
before = list(nets())
plug_in(["outside_net.net"])
plug_in(["outside_net.net", "inside_net.net"])  # again, and one that is installed: no harm
assert find("outside").net is nets()["outside"] and find("inside").net == nets()["inside"]
assert not {"inside_net.host_side", "outside_net.host_side", "torch", "numpy"} & set(sys.modules)
print(json.dumps([before, list(nets())]))
"""
    built_in = [net.name for net in BUILTIN]
    before, after = json.loads(works(packages.python(program)))
    assert before == [*built_in, "inside"] and after == [*built_in, "inside", "outside"]
    lines = works(packages.edgematte("models", "--plugin", "outside_net.net")).splitlines()
    assert any(s.startswith("inside: ") and s.endswith("package edgematte-inside") for s in lines)
    assert any(s.startswith("outside: ") for s in lines)
    assert "outside" not in works(packages.edgematte("models"))


def test_an_unknown_model_lists_installed_and_plugged_ones_too(packages: Packages) -> None:
    packages.net("inside")
    packages.install("inside", "inside_net.net:NET")
    packages.net("outside")
    program = "from edgematte.nets import find, plug_in\nplug_in(['outside_net.net'])\nfind('none')"
    done = packages.python(program)
    assert "unknown model 'none'; there are: lightweight" in done.stderr
    assert "inside, outside" in done.stderr


def test_two_nets_of_one_name_are_one_sentence(packages: Packages, tmp_path: Path) -> None:
    packages.net("lightweight")
    packages.install("lightweight", "lightweight_net.net:NET")
    sentence = "brings a net 'lightweight', and there is one of that name already"
    refused(packages.edgematte("models"), "the package edgematte-lightweight", sentence)
    works(packages.edgematte("info"), "lightweight, onnx")  # the built-in one goes on working
    plugged = packages.edgematte("info", "--plugin", "lightweight_net.net")
    refused(plugged, "the plug-in lightweight_net.net", sentence, "leave one of them out")


def test_two_installed_packages_with_one_name_are_one_sentence(packages: Packages) -> None:
    packages.net("one")
    packages.install("one", "one_net.net:NET")
    packages.install("two", "one_copy.net:NET")
    text = (packages.folder / "one_net" / "net.py").read_text()
    packages.module("one_copy", net=text.replace("of the tests", "another"))
    refused(packages.edgematte("models"), "brings a net 'one'", "of that name already")


def test_an_installed_package_that_cannot_be_imported_leaves_the_others_usable(
    packages: Packages,
) -> None:
    packages.module("broken_net", net="import none_such_at_all\n")
    packages.install("broken", "broken_net.net:NET")
    packages.net("whole", options="host_side:Options")
    packages.install("whole", "whole_net.net:NET")
    sentence = "the package edgematte-broken adds the net broken, but cannot be imported"
    refused(packages.edgematte("models"), sentence, "none_such_at_all", "mend or uninstall it")
    works(packages.edgematte("info"), "lightweight, onnx")
    works(packages.edgematte("matte", "--help"), "--halve")
    works(packages.python("from edgematte.nets import find\nfind('whole')"))
    done = packages.python("from edgematte.nets import find\nfind('broken')")
    assert f"PluginError: {sentence}" in done.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("raise RuntimeError('half done')", "(RuntimeError: half done): mend it"),
        ("import none_such_at_all", "No module named 'none_such_at_all'): mend it, or install"),
        ("def", "(SyntaxError: "),
        ("", "should hold NET, an edgematte.net.Net, or NETS"),
        ("NET = 'mine'", "should hold NET, an edgematte.net.Net, or NETS"),
        ("NETS = 5", "should hold NET, an edgematte.net.Net, or NETS"),
    ],
)
def test_a_module_that_is_no_plug_in_is_one_sentence(
    packages: Packages, text: str, said: str
) -> None:
    packages.module("odd", net=text)
    refused(packages.edgematte("info", "--plugin", "odd.net"), "the plug-in odd.net", said)


def test_a_plug_in_that_is_not_there_says_where_it_is_looked_for(packages: Packages) -> None:
    refused(
        packages.edgematte("info", "--plugin", "none_such.net"),
        "the plug-in none_such.net cannot be imported",
        "put the folder it lies in on PYTHONPATH, or install its package",
    )


@pytest.mark.parametrize("text", ["raise RuntimeError('half done')", "import none_such_at_all"])
def test_a_part_that_cannot_be_imported_is_one_sentence_and_harms_nobody_else(
    packages: Packages, tiny_bundle: Path, edit_manifest: EditManifest, text: str
) -> None:
    packages.net("half", options="host_side:Options", host_side=text)
    edit_manifest(tiny_bundle, lambda m: m.update(model="half", package="edgematte-half"))
    said = "half_net.host_side, a part of a net, cannot be imported"
    refused(packages.edgematte("matte", "--help", "--plugin", "half_net.net"), said)
    packages.install("half", "half_net.net:NET")
    works(packages.edgematte("matte", "--help"), "--max-regions")
    works(packages.edgematte("models"), "half: of the tests")
    program = f"import edgematte\nedgematte.load({str(tiny_bundle)!r})"
    assert f"PluginError: {said}" in packages.python(program).stderr.splitlines()[-1]


def test_an_option_whose_flag_is_taken_is_refused_of_plug_ins_and_left_out_of_packages(
    packages: Packages,
) -> None:
    packages.net("clash", options="host_side:Clashing")
    refused(
        packages.edgematte("matte", "--help", "--plugin", "clash_net.net"),
        "clash declares an option output, but the command has --output already",
    )
    packages.install("clash", "clash_net.net:NET")
    assert "clash:" not in works(packages.edgematte("matte", "--help"), "--output")


def test_a_plug_ins_bundle_is_matted_where_torch_cannot_be_imported(
    packages: Packages, tiny_bundle: Path, edit_manifest: EditManifest, tmp_path: Path
) -> None:
    """Its answer is the built-in net's, whose host side it borrows; half of it, where asked."""
    pytest.importorskip("onnxruntime")
    picture = drawn(60, 45)
    expected = edgematte.load(tiny_bundle)(picture).alpha
    assert expected.std() > 0.1
    edit_manifest(tiny_bundle, lambda m: m.update(model="mine", package="edgematte-mine 1.0"))
    packages.net("mine", options="host_side:Options")
    np.save(tmp_path / "picture.npy", picture)
    load = f"edgematte.load({str(tiny_bundle)!r}, plugins=plugins, halve=len(plugins) == 1)"
    program = f"""
import sys, numpy, edgematte
plugins = sys.argv[1:]
numpy.save("alpha.npy", {load}(numpy.load("picture.npy")).alpha)
assert "mine_net.host_side" in sys.modules and "mine_net.torch_side" not in sys.modules
"""
    works(packages.python(NO_TORCH + program, "mine_net.net"))
    np.testing.assert_array_equal(np.load(tmp_path / "alpha.npy"), expected / 2)
    packages.install("mine", "mine_net.net:NET")
    works(packages.python(NO_TORCH + program))
    np.testing.assert_array_equal(np.load(tmp_path / "alpha.npy"), expected)
    works(packages.python(NO_TORCH + MAIN, "check", str(tiny_bundle)), "within tolerance")
    works(packages.python(NO_TORCH + MAIN, "info", str(tiny_bundle)), "mine of edgematte-mine 1.0")


@pytest.mark.parametrize(
    ("package", "said"),
    [
        ("edgematte-none 1.2", "of edgematte-none 1.2, which is not installed: pip install edgema"),
        ("edgematte-none", "of edgematte-none, which is not installed: pip install edgematte-none"),
        ("", "which this edgematte does not know: install the edgematte that wrote it"),
        (" ", "which this edgematte does not know: install the edgematte that wrote it"),
        ("--index-url=x y", "which this edgematte does not know: install the edgematte that wrote"),
        ("numpy 0.1", f"which the installed numpy {np.__version__} does not bring: pip install -"),
    ],
)
def test_a_bundle_of_a_net_that_is_not_here_says_what_to_install(
    tiny_bundle: Path, edit_manifest: EditManifest, package: Any, said: str
) -> None:
    edit_manifest(tiny_bundle, lambda m: m.update(model="none-such", package=package))
    with pytest.raises(BundleError) as caught:
        edgematte.load(tiny_bundle)
    assert "is of the model 'none-such'" in str(caught.value) and said in str(caught.value)


def test_a_bundle_of_the_first_format_says_to_export_again(
    tiny_bundle: Path, edit_manifest: EditManifest
) -> None:
    def first(manifest: dict[str, Any]) -> None:
        manifest["format"] = 1
        manifest["host"] = {"cut": manifest["host"].pop("kind"), **manifest["host"]}

    edit_manifest(tiny_bundle, first)
    with pytest.raises(BundleError, match="has format version 1; .* or export again"):
        edgematte.load(tiny_bundle)


def test_a_manifest_that_says_bgr_is_obeyed(tiny_bundle: Path, edit_manifest: EditManifest) -> None:
    """The graphs see blue first, as if the picture's own channels were turned round."""
    pytest.importorskip("onnxruntime")
    picture = drawn(60, 45)
    rgb = edgematte.load(tiny_bundle)
    turned = rgb(np.ascontiguousarray(picture[..., ::-1]))
    edit_manifest(tiny_bundle, lambda m: m["host"].update(channel_order="BGR"))
    found = edgematte.load(tiny_bundle)(picture)
    np.testing.assert_array_equal(found.alpha, turned.alpha)
    np.testing.assert_array_equal(found.trimap, turned.trimap)
    assert np.abs(found.alpha - rgb(picture).alpha).max() > 0.1


def test_the_manifest_keeps_the_package(tiny_bundle: Path, edit_manifest: EditManifest) -> None:
    edit_manifest(tiny_bundle, lambda m: m.update(package="edgematte-mine 1.0"))
    manifest = Manifest.from_json((tiny_bundle / FILE).read_text())
    assert manifest.package == "edgematte-mine 1.0"
    assert json.loads(manifest.to_json())["package"] == "edgematte-mine 1.0"
