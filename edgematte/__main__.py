"""``python -m edgematte`` is the command line."""

import sys

from edgematte.cli import main

sys.exit(main())
