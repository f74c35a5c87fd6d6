"""The journal of finished patches survives kills, and refuses what it is not of."""

from pathlib import Path

import numpy as np
import pytest

from edgematte.errors import OptionError
from edgematte.runtime.nets.hdmatt.journal import Journal

NAME = "0" * 64


def filled(path: Path) -> dict[int, np.ndarray]:
    rng = np.random.default_rng(0)
    values = {n: rng.random(count, "f4") for n, count in ((3, 7), (9, 0), (4, 1000))}
    journal = Journal(path, NAME)
    for patch, array in values.items():
        journal.put(patch, array)
    np.testing.assert_array_equal(journal.get(3), values[3])  # while it is written, too
    journal.close()
    return values


def test_it_gives_back_what_was_put(tmp_path: Path) -> None:
    values = filled(tmp_path / "sub" / "j")
    journal = Journal(tmp_path / "sub" / "j", NAME)
    assert len(journal) == 3 and 4 in journal and 5 not in journal
    for patch, array in values.items():
        np.testing.assert_array_equal(journal.get(patch), array)
    journal.put(5, values[3])
    journal.close()
    assert len(Journal(tmp_path / "sub" / "j", NAME)) == 4


def test_a_record_cut_short_is_dropped_and_written_anew(tmp_path: Path) -> None:
    values = filled(tmp_path / "j")
    whole = (tmp_path / "j").read_bytes()
    start = len(whole) - 12 - 4 * 1000
    for length in range(start, len(whole), 250):
        (tmp_path / "j").write_bytes(whole[:length])
        journal = Journal(tmp_path / "j", NAME)
        assert len(journal) == 2 and 4 not in journal
        journal.put(4, values[4])
        journal.close()
        assert (tmp_path / "j").read_bytes() == whole


def test_a_damaged_record_is_dropped(tmp_path: Path) -> None:
    filled(tmp_path / "j")
    whole = bytearray((tmp_path / "j").read_bytes())
    whole[-1] ^= 1
    (tmp_path / "j").write_bytes(whole)
    assert len(Journal(tmp_path / "j", NAME)) == 2


def test_a_header_cut_short_begins_anew(tmp_path: Path) -> None:
    filled(tmp_path / "j")
    whole = (tmp_path / "j").read_bytes()
    (tmp_path / "j").write_bytes(whole[:40])
    assert len(Journal(tmp_path / "j", NAME)) == 0


@pytest.mark.parametrize("content", [b"", b"x" * 500])
def test_other_files_and_other_work_are_refused(tmp_path: Path, content: bytes) -> None:
    if content:
        (tmp_path / "j").write_bytes(content)
    else:
        filled(tmp_path / "j")
    before = (tmp_path / "j").read_bytes()
    with pytest.raises(OptionError, match="delete it, or give another journal"):
        Journal(tmp_path / "j", "1" * 64)
    assert (tmp_path / "j").read_bytes() == before


def test_a_journal_that_another_run_writes_is_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", NAME)
    with pytest.raises(OptionError, match="j is being written by another run"):
        Journal(tmp_path / "j", NAME)
    journal.close()
    Journal(tmp_path / "j", NAME).close()
