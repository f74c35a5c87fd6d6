"""The log of a run, a CSV file that a resumed run continues as if it had not stopped."""

import csv
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
        """Add a row of the values of `HEAD` and the losses; a new file gets their names first."""
        is_new = not self.path.is_file()
        with self.path.open("a", newline="") as file:
            writer = csv.writer(file)
            if is_new:
                writer.writerow([*HEAD, *losses])
            writer.writerow([*numbers, *(f"{value:.4f}" for value in losses.values())])
