"""The parts of docs/bundle.md that are made of declarations.

    python -m edgematte.documents docs/bundle.md

rewrites them in place, each between two comments that name it.
"""

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from edgematte.atomic import atomic_file
from edgematte.builtin import READ
from edgematte.errors import OptionError
from edgematte.host import StageHost
from edgematte.net import Net, load_part
from edgematte.runtime.host.stage_steps import STAGE_STEPS
from edgematte.runtime.host.steps import Array, HostStep, Steps


def steps_table() -> str:
    """Every host step of the nets here, and what it reads and gives."""
    lines = ["| net: cuts | step | reads | gives |", "|---|---|---|---|"]
    for net in READ:
        told: set[Array] = set()
        for step, kinds in steps_of_cuts(net):
            name = f"{step.name} ({step.where})" if step.where else step.name
            reads, gives = (_arrays(arrays, told) for arrays in (step.reads, step.gives))
            lines.append(f"| {net.name}: {', '.join(kinds)} | {name} | {reads} | {gives} |")
    told = set()
    for step in STAGE_STEPS:
        reads, gives = (_arrays(arrays, told) for arrays in (step.reads, step.gives))
        lines.append(f"| cascade: {StageHost.KIND} | {step.name} | {reads} | {gives} |")
    return "\n".join(lines)


def records_table() -> str:
    """How the arrays of host steps are recorded, where not every number is kept as it is."""
    lines = ["| kept | arrays |", "|---|---|"]
    groups: dict[str, dict[str, None]] = {}
    whole = {array.name for _, array in arrays() if not array.unit and not array.every}
    for net, array in arrays():
        name = f"`{array.name}`" + (f" of {net.name}" if array.name in whole else "")
        if array.unit:
            groups.setdefault("as bytes, value * 255", {})[name] = None
        if array.every:
            groups.setdefault(f"`{_slices(array.every)}`", {})[name] = None
    for kept in sorted(groups, key=lambda kept: (kept[0] == "`", kept)):
        lines.append(f"| {kept} | {', '.join(sorted(groups[kept]))} |")
    return "\n".join(lines)


def steps_of_cuts(net: Net) -> Iterator[tuple[HostStep, list[str]]]:
    """The steps of a net, each with the kinds of cut that have it."""
    steps: Steps = load_part(net.steps)
    found: dict[HostStep, list[str]] = {}
    for kind in net.hosts:
        for step in steps[kind]:
            found.setdefault(step, []).append(kind)
    yield from found.items()


def arrays() -> Iterator[tuple[Net, Array]]:
    """The arrays of the host steps of every net here."""
    for net in READ:
        for step, _ in steps_of_cuts(net):
            for array in step.stored.values():
                yield net, array


def _arrays(arrays: tuple[Array, ...], told: set[Array]) -> str:
    """Their names; with shape, dtype and note the first time in a net."""
    parts = []
    for array in arrays:
        about = [array.name]
        if array not in told:
            about += [part for part in (array.shape, array.dtype) if part]
            about[-1] += f": {array.note}" if array.note else ""
        told.add(array)
        parts.append(" ".join(about))
    return "; ".join(parts)


def _slices(every: tuple[int, ...]) -> str:
    """As NumPy writes it: ``[:, ::8, ::8]``."""
    return f"[{', '.join(':' if step == 1 else f'::{step}' for step in every)}]"


PARTS: dict[str, Callable[[], str]] = {"host steps": steps_table, "records": records_table}


def filled(page: str) -> str:
    """A page with its generated parts as they should be.

    Raises:
        OptionError: a page that lacks one.
    """
    for name, make in PARTS.items():
        start, end = f"<!-- generated: {name} -->", f"<!-- end: {name} -->"
        pattern = re.escape(start) + r".*?" + re.escape(end)
        made = f"{start}\n{make()}\n{end}"
        count = len(re.findall(pattern, page, flags=re.DOTALL))
        if count != 1:
            raise OptionError(
                f"the page should have one part between {start} and {end}, not {count}"
            )
        page = page[: page.index(start)] + made + page[page.index(end) + len(end) :]
    return page


def main(arguments: list[str]) -> int:
    """Rewrite the page that is named; exit code."""
    if len(arguments) != 1:
        print("usage: python -m edgematte.documents docs/bundle.md", file=sys.stderr)
        return 2
    file = Path(arguments[0])
    try:
        text = filled(file.read_text(encoding="utf-8"))
    except (OptionError, OSError, UnicodeError) as error:
        print(f"{file}: {error}", file=sys.stderr)
        return 2
    with atomic_file(file) as scratch:
        scratch.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
