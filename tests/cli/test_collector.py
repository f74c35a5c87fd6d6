"""Python's collector of circles in a process that is a command's own."""

import subprocess
import sys

WORK = """
import gc, sys
import edgematte.cli
from edgematte.__main__ import run
states = []
edgematte.cli.build_parser = lambda only: Parser()
class Parser:
    def parse_args(self, argv):
        import argparse
        states.append(gc.isenabled())
        return argparse.Namespace(run=work, flags={}, quiet=False, verbose=False)
def work(arguments):
    states.append(gc.isenabled())
    class Circle: pass
    import weakref
    circle = Circle()
    circle.itself = circle
    gone = weakref.ref(circle)
    del circle
    gc.collect()
    states.append(gone() is None)
    return 0
code = run()
print(code, *states)
"""


def test_circles_are_collected_from_when_the_work_begins() -> None:
    """Off while arguments are read and modules imported; on, and at work, in the command."""
    done = subprocess.run(
        [sys.executable, "-c", WORK], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.split() == ["0", "False", "True", "True"], done.stderr


def test_a_program_that_calls_main_keeps_its_own_choice() -> None:
    """``main`` alone neither turns the collector on nor off."""
    code = (
        "import gc; gc.disable()\n"
        "from edgematte.cli import main\n"
        "main(['models']); print(gc.isenabled(), gc.get_freeze_count())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.splitlines()[-1] == "False 0", done.stderr
