"""What edgematte does when everything else goes wrong. Every figure of docs/reliability.md.

    python benchmarks/abuse.py inputs [--count 10000] [--kinds png jpeg ...]
    python benchmarks/abuse.py kills [--count 50] [--works export folder clip training]
    python benchmarks/abuse.py memory [--count 20000]
    python benchmarks/abuse.py threads [--count 16]
    python benchmarks/abuse.py disk
    python benchmarks/abuse.py processes

Each prints a table and ends with 1 if there was a fault. `inputs` keeps the file of each fault in
`abuse-faults`; `--first N --count 1 --kinds KIND` uses mutant N of a kind alone. It needs all
extras, and Linux (the processor time of a worker comes from /proc).
"""

import argparse
import importlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT)]
SECTIONS = {
    "inputs": 10_000,
    "kills": 50,
    "memory": 20_000,
    "threads": 16,
    "disk": 6,
    "processes": 1,
}
"""By name, with how many of them a whole run has."""


def main() -> int:
    """Run one section in a temporary folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("section", choices=SECTIONS)
    parser.add_argument("--count", type=int, help="how many (default: as in docs/reliability.md)")
    parser.add_argument("--kinds", nargs="+", help="of inputs (default: all)")
    parser.add_argument("--works", nargs="+", help="of kills and disk (default: all)")
    parser.add_argument("--first", type=int, default=0, help="number of the first mutant or kill")
    parser.add_argument("--keep", type=Path, default=Path("abuse-faults"))
    arguments = parser.parse_args()
    arguments.count = SECTIONS[arguments.section] if arguments.count is None else arguments.count
    with tempfile.TemporaryDirectory(prefix="edgematte-abuse-") as folder:
        os.environ["EDGEMATTE_CACHE"] = str(Path(folder) / "cache")
        return 1 if _run(arguments, Path(folder)) else 0


def _run(arguments: argparse.Namespace, folder: Path) -> int:
    """The number of faults of a section."""
    module = importlib.import_module(f"hardship.{arguments.section}")
    report: Callable[..., int] = module.report
    if arguments.section == "inputs":
        kinds = arguments.kinds or list(module.KINDS)
        return report(kinds, arguments.count, arguments.first, folder, arguments.keep)
    if arguments.section in ("kills", "disk"):
        works = arguments.works or list(module.WORKS)
        return report(works, arguments.count, arguments.first, folder)
    return report(arguments.count)


if __name__ == "__main__":
    sys.exit(main())
