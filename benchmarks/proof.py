"""What the proof at load costs: `engine="auto"` and `verify=True` beside a plain load.

    python benchmarks/proof.py [--bundle FOLDER] [--rounds 5] [--hide openvino ...]

Every load is the first of a new process, after its imports of edgematte and of the engine that a
plain load takes; the ways are taken in turns, medians are printed. `empty`: nothing is kept of
earlier loads; `graphs kept`: the graphs as ONNX Runtime optimised them are, verdicts are not;
`warm`: both are. `--hide` treats a package as not installed, as on machines with one engine.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

CHILD = """
import json, sys, time
bundle, engine, verify, hidden = json.loads(sys.argv[1])
for name in hidden:
    sys.modules[name] = None
import edgematte, edgematte.runtime.load
from edgematte.runtime.bundle import open_bundle
from edgematte.runtime.engines import ENGINES, engine_for
import importlib
default = engine_for(open_bundle(bundle).manifest.target)
importlib.import_module(ENGINES[default].where.partition(":")[0])
start = time.perf_counter()
matter = edgematte.load(bundle, engine=engine, verify=verify)
seconds = time.perf_counter() - start
choice = matter.engine_choice
print(json.dumps([seconds, [] if choice is None else choice.lines()]))
"""
WAYS = {"plain": (None, False), "verify": (None, True), "auto": ("auto", False)}
STATES = ("empty", "graphs kept", "warm")


def main(arguments: argparse.Namespace) -> None:
    found: dict[tuple[str, str], list[float]] = {}
    lines: list[str] = []
    with tempfile.TemporaryDirectory(prefix="edgematte-") as scratch:
        for _ in range(arguments.rounds):
            for way in WAYS:
                cache = Path(scratch) / way
                shutil.rmtree(cache, ignore_errors=True)
                for state in STATES:
                    if state == "graphs kept":
                        shutil.rmtree(cache / "verdicts", ignore_errors=True)
                    seconds, told = loaded(arguments, way, cache)
                    found.setdefault((way, state), []).append(seconds)
                    lines = told or lines
    print(f"{'milliseconds':<16}" + "".join(f"{state:>14}" for state in STATES))
    middle = {key: 1000 * statistics.median(values) for key, values in found.items()}
    for way in WAYS:
        print(f"{way:<16}" + "".join(f"{middle[way, state]:>14.0f}" for state in STATES))
    for way in ("verify", "auto"):
        more = [middle[way, state] - middle["plain", state] for state in STATES]
        print(f"{f'{way} adds':<16}" + "".join(f"{value:>14.0f}" for value in more))
    print("\n".join(lines))


def loaded(arguments: argparse.Namespace, way: str, cache: Path) -> tuple[float, list[str]]:
    """Seconds of one load in a new process, and why its engine was taken."""
    given = json.dumps([arguments.bundle, *WAYS[way], arguments.hide])
    done = subprocess.run(
        [sys.executable, "-c", CHILD, given],
        env={**os.environ, "EDGEMATTE_CACHE": str(cache)},
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, told = json.loads(done.stdout)
    return float(seconds), list(told)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", help="default: the one that ships with edgematte")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--hide", nargs="*", default=[], metavar="PACKAGE")
    main(parser.parse_args())
