"""What the pages and docstrings say of host steps and cuts is what the code has."""

import importlib
import inspect
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edgematte.check.compare import SAMPLED, UNIT, UNIT_OF_CELLS
from edgematte.manifest import Host
from edgematte.registry import FAMILIES

PAGE = Path(__file__).parent.parent / "docs" / "bundle.md"
ROWS = (2 * 2 - 1) ** 2 + 1  # of the bias table, for search_range 2
HOSTS = {
    "lightweight": (
        Host("fused", (64, 64), unknown_threshold=0.3, band_px=2),
        Host("split", (64, 64), patch=32, overlap=8, unknown_threshold=0.3, band_px=2),
    ),
    "regional": (
        Host(
            "regions",
            (64, 64),
            regions=4,
            k=2,
            search_range=2,
            aliasing=True,
            bias_table=((0.0,),) * ROWS,
        ),
    ),
    "vitmatte": (Host("tiles", (64, 64), overlap=8, padding=(0.5, 0.5, 0.5)),),
    "hdmatt": (Host("patches", (64, 64), patch=64, overlap=8, k=2, candidates=4),),
    "diffmatte": (
        Host("whole", (64, 64), feature_px=16, clamp_foreground=True, steps=2, seed=0),
        Host(
            "tiles",
            (64, 64),
            feature_px=16,
            clamp_foreground=True,
            steps=2,
            seed=0,
            patch=64,
            overlap=16,
        ),
    ),
}
HOSTS["diffmatte"] += tuple(replace(host, context=16) for host in HOSTS["diffmatte"])
CUTS = [(net, host) for net, hosts in HOSTS.items() for host in hosts]


def rows() -> Iterator[tuple[str, list[str], str, str, str]]:
    """Net, cuts, step, reads, gives of every row of the page's table of host steps.

    A step is followed by `` (with X)`` where only bundles with X have it.
    """
    _, _, table = PAGE.read_text().partition("| net: cuts | step | reads | gives |\n")
    for line in table.splitlines()[1:]:
        if not line.startswith("|"):
            return
        cuts, step, reads, gives = (cell.strip() for cell in line.strip("|").split("|"))
        net, _, names = cuts.partition(": ")
        yield net, names.split(", "), step, reads, gives


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z_]+", text))


@pytest.mark.parametrize(("net", "host"), CUTS, ids=lambda v: getattr(v, "cut", v))
def test_the_page_has_every_host_step_with_what_it_reads_and_gives(net: str, host: Host) -> None:
    module = importlib.import_module(f"edgematte.runtime.{net}")
    told = {
        step.split(" (")[0]: (reads, gives)
        for n, cuts, step, reads, gives in rows()
        if n == net
        if host.cut in cuts
        if host.context is not None or "(with `context`)" not in step
    }
    steps = module.host_steps(host)
    assert list(told) == list(steps)
    for name, step in steps.items():
        reads, gives = told[name]
        assert set(inspect.signature(step).parameters) <= words(reads), name
        given = re.findall(r'"([a-z_]+)"\]? ?[:=]', inspect.getsource(step))
        assert given and set(given) <= words(gives), name


def test_the_page_has_no_steps_that_are_none() -> None:
    cuts = {net: {host.cut for host in hosts} for net, hosts in HOSTS.items()}
    assert {n for n, *_ in rows()} == {f.host_module.split(".")[-1] for f in FAMILIES.values()}
    for net, names, *_ in rows():
        assert set(names) <= cuts[net], net


def test_the_page_names_what_is_kept_as_bytes() -> None:
    sentence = re.search(
        r"\n(`probabilities`.*?) are kept as\s+bytes \(value \* 255\)", PAGE.read_text(), re.DOTALL
    )
    assert sentence and words(sentence[1]) - {"and"} == {*UNIT, *UNIT_OF_CELLS}
    assert SAMPLED == 4  # "every fourth row and column"


@pytest.mark.export
def test_the_package_of_cuts_says_what_every_cut_takes() -> None:
    pytest.importorskip("torch")
    package = importlib.import_module("edgematte.export.cuts")
    for family in FAMILIES.values():
        cut = importlib.import_module(family.cut_module)
        for name in ("graphs", "reference"):
            said = re.search(rf"``{name}\(([^)]*)\)``", package.__doc__ or "")
            assert said and re.split(r",\s*", said[1]) == list(
                inspect.signature(getattr(cut, name)).parameters
            ), (family.name, name)
