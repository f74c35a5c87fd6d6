"""The log of a run, a CSV file that a resumed run continues as if it had not stopped."""

import csv
import errno
import io
import os
from collections.abc import Sequence
from pathlib import Path

from edgematte.atomic import atomic_file

HEAD = ("step", "seconds", "side_px", "rate")


class Table:
    """Rows of a CSV file, one every few steps; each is in the file as soon as it is written."""

    def __init__(self, path: Path, step: int) -> None:
        """Drop rows later than `step`, which a killed run logged after it last saved."""
        self.path = path
        if path.is_file():
            with path.open(newline="") as file:
                rows = list(csv.reader(file))
            whole = [row for row in rows[1:] if len(row) == len(rows[0]) and row[0].isdecimal()]
            past = [row for row in whole if int(row[0]) <= step]
            kept = rows[:1] + past
            if len(kept) < len(rows):
                with atomic_file(path) as scratch, scratch.open("w", newline="") as file:
                    csv.writer(file).writerows(kept)

    def write(self, numbers: Sequence[object], losses: dict[str, float]) -> None:
        """Add a row of the values of `HEAD` and the losses; a new file gets their names first.

        Raises:
            OSError: it cannot be written; no part of the row stays.
        """
        size = self.path.stat().st_size if self.path.is_file() else 0
        rows = io.StringIO(newline="")
        writer = csv.writer(rows)
        if not size:
            writer.writerow([*HEAD, *losses])
        writer.writerow([*numbers, *(f"{value:.4f}" for value in losses.values())])
        with self.path.open("ab", buffering=0) as file:
            try:
                written = file.write(rows.getvalue().encode())
                if written != len(rows.getvalue()):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
            except OSError:
                file.truncate(size)
                if not size:
                    self.path.unlink()
                raise
