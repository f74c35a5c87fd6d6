"""What an app developer's machine needs: every claim is made in a process where importing what it
must not need raises, so that it holds on machines where torch is installed too."""

import ast
import json
import os
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest

HEAVY = ("torch", "onnx", "onnxscript", "coremltools", "safetensors", "scipy", "cv2", "tqdm", "av")
ENGINES = ("onnxruntime", "openvino")

START = """
import json, sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"{{name}} was asked for", name=name)
sys.meta_path.insert(0, Block())
"""
END = """
print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
"""


def loaded(program: str, *blocked: str) -> set[str]:
    """Top-level modules after a program that may not import some; it must not fail."""
    whole = START.format(blocked=blocked) + program + END
    done = subprocess.run([sys.executable, "-c", whole], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_blocker_blocks() -> None:
    with pytest.raises(AssertionError, match="numpy was asked for"):
        loaded("import numpy", "numpy")


@pytest.mark.parametrize(("before", "after"), [(None, "1"), ("0", "0")])
def test_onnx_runtime_reports_nothing_unless_the_user_wants_it(
    before: str | None, after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    if before is not None:
        monkeypatch.setenv("ORT_DISABLE_TELEMETRY", before)
    program = "import os, edgematte; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == after


def test_importing_edgematte_loads_neither_torch_nor_an_engine_nor_numpy() -> None:
    modules = loaded("import edgematte", *HEAVY, *ENGINES, "numpy", "PIL")
    assert "edgematte" in modules
    assert not modules & {*HEAVY, *ENGINES, "numpy", "PIL"}


def test_the_runtime_needs_numpy_and_pillow_only() -> None:
    modules = loaded("import edgematte.runtime.load", *HEAVY, *ENGINES)
    assert {"numpy", "PIL"} <= modules
    assert not modules & {*HEAVY, *ENGINES}


def test_the_host_side_of_every_net_needs_numpy_and_pillow_only() -> None:
    """What a descriptor names in places that may not import torch."""
    modules = loaded(
        "from edgematte.net import load_part\n"
        "from edgematte.nets import nets\n"
        "for net in nets().values():\n"
        "    parts = net.pipeline, net.steps, net.options, net.sizes, net.patches\n"
        "    for part in filter(None, (*parts, *net.hosts.values())):\n"
        "        load_part(part)",
        *HEAVY,
        *ENGINES,
    )
    assert not modules & {*HEAVY, *ENGINES}


def test_public_names_come_without_an_engine() -> None:
    loaded(
        "import edgematte\n"
        "for name in edgematte.__all__: assert getattr(edgematte, name), name\n"
        "try: edgematte.none\n"
        "except AttributeError as error: assert 'none' in str(error)\n"
        "else: raise SystemExit('a name out of nothing')",
        *HEAVY,
        *ENGINES,
    )


def test_a_picture_is_matted_with_onnxruntime_alone() -> None:
    pytest.importorskip("onnxruntime")
    modules = loaded(
        "import edgematte, numpy\n"
        "matte = edgematte.load(threads=1)(numpy.zeros((40, 50, 3), numpy.uint8))\n"
        "assert matte.alpha.shape == (40, 50)",
        *HEAVY,
        "openvino",
    )
    assert "onnxruntime" in modules and "torch" not in modules


@pytest.mark.parametrize("command", ["models", "info"])
def test_commands_that_run_no_graph_need_no_engine(command: str) -> None:
    program = f"from edgematte.cli import main\nassert main([{command!r}, '--json']) == 0"
    assert not loaded(program, *HEAVY, *ENGINES) & {*HEAVY, *ENGINES}


def test_models_and_help_need_not_even_numpy() -> None:
    loaded("from edgematte.cli import main\nassert main(['models']) == 0", "numpy", "PIL", *HEAVY)


@pytest.mark.parametrize("flag", ["-h", "--help", "--version"])
def test_what_is_said_of_all_commands_needs_none_of_them(flag: str) -> None:
    loaded(
        "import edgematte.cli\n"
        f"try: edgematte.cli.main([{flag!r}])\n"
        "except SystemExit as end: assert not end.code\n"
        "assert not {'edgematte.cli.' + name for name in edgematte.cli.COMMANDS} & {*sys.modules}",
        "numpy",
        "PIL",
        *HEAVY,
    )


def test_a_bundle_is_checked_without_torch(tiny_bundle: Path) -> None:
    pytest.importorskip("onnxruntime")
    program = f"from edgematte.cli import main\nassert main(['check', {str(tiny_bundle)!r}]) == 0"
    loaded(program, *HEAVY, "openvino")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["export", "--model", "lightweight", "--target", "onnx"],
            'pip install "edgematte[export]"',
        ),
        (["check", "--weights", "shipped"], 'pip install "edgematte[export]"'),
        (["check", "--engine", "openvino"], 'pip install "edgematte[openvino]"'),
    ],
)
def test_what_needs_more_says_what_to_install(arguments: list[str], line: str) -> None:
    program = f"from edgematte.cli import main\nsys.exit(main({arguments!r}))"
    blocked = START.format(blocked=(*HEAVY, "openvino")) + program
    done = subprocess.run([sys.executable, "-c", blocked], capture_output=True, text=True)
    assert done.returncode == 2 and not done.stdout
    assert len(done.stderr.splitlines()) == 1 and line in done.stderr


ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("edgematte", "export", "runtime", "calibration", "samples", "benchmarks")
SOURCES = [file for room in ROOMS for file in (ROOT / room).rglob("*.py")]


def module_file(name: str) -> Path | None:
    place = ROOT.joinpath(*name.split("."))
    files = (place / "__init__.py", place.with_suffix(".py"))
    return next((file for file in files if file.is_file()), None)


@cache
def names_in(file: Path) -> set[str]:
    """What a module binds anywhere, roughly; enough to tell a name that is nowhere."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    return found


def test_every_import_of_edgematte_is_of_something_in_this_checkout() -> None:
    """Also those inside functions, which no other test may run; an older install hides them."""
    missing = []
    for file in SOURCES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ImportFrom) or node.module is None:
                continue
            if node.module.split(".")[0] != "edgematte" or node.module == "edgematte":
                continue
            where = module_file(node.module)
            for name in (alias.name for alias in node.names):
                there = where is not None and name in names_in(where)
                if not there and module_file(f"{node.module}.{name}") is None:
                    missing.append(f"{file.relative_to(ROOT)}: {node.module}.{name}")
    assert len(SOURCES) > 200 and not missing


def test_openvino_reports_nothing(tmp_path: Path) -> None:
    """Its report is an identifier in the home of who uses it, and a message to its makers."""
    try:
        metadata.version("openvino-telemetry")
    except metadata.PackageNotFoundError:
        pytest.skip("this OpenVINO came without it")
    program = (
        "import edgematte, openvino; from openvino.tools.ovc import telemetry_utils as used\n"
        "print(used.tm.__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"HOME": str(tmp_path), "CI": ""},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.strip() == "openvino.tools.ovc.telemetry_stub", done.stderr
    assert not list(tmp_path.iterdir())
