"""Features kept in memory and in the file come back alike."""

import os
from pathlib import Path

import numpy as np
import pytest

from edgematte.runtime.nets.hdmatt.feature_store import FeatureStore


def entries(count: int) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    return [
        {"key": rng.normal(size=(1, 4, 5, 3)).astype("f4"), "own": rng.random((7,), "f4")}
        for _ in range(count)
    ]


@pytest.mark.parametrize("half", [False, True])
def test_the_file_gives_what_memory_gives(half: bool) -> None:
    given = entries(5)
    size = (60 + 7) * (2 if half else 4)
    for limit in (None, 0.0, 2.5 * size / 1e6):
        with FeatureStore(half=half, memory_mb=limit) as store:
            for number, arrays in enumerate(given):
                store.put(10 * number, arrays)
            in_file = {None: 0, 0.0: 5}.get(limit, 3)
            assert store.spilled_bytes == in_file * size
            assert store.names == {"key", "own"}
            for number, arrays in enumerate(given):
                for name, array in arrays.items():
                    found = store.get(10 * number, name)
                    expected = array.astype(np.float16 if half else np.float32)
                    assert found.dtype == np.float32
                    np.testing.assert_array_equal(found, expected)
                    np.testing.assert_array_equal(found, store.rounded(array))


def test_the_file_is_gone_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with FeatureStore(half=False, memory_mb=0) as store:
        store.put(0, entries(1)[0])
        assert os.name != "posix" or not list(tmp_path.iterdir())  # a kill leaves nothing either
    assert not list(tmp_path.iterdir())
