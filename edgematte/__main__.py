"""``python -m edgematte`` and ``edgematte`` are the command line."""

import sys

from edgematte.cli import main
from edgematte.cli.collector import hold


def run() -> int:
    """The command that this process was started for."""
    hold()
    return main()


if __name__ == "__main__":
    sys.exit(run())
