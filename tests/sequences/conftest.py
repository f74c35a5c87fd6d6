"""Small sequences, and a command whose net needs a trimap."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numbered import frame, save
from numpy.typing import NDArray

import edgematte
from edgematte.arrays import Bytes, Floats
from edgematte.cli import main
from edgematte.runtime.host.clock import Clock
from edgematte.runtime.host.trimap_source import GivenTrimap
from edgematte.runtime.pipeline import Sourced


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """Writes pictures under numbered names: frames by default; returns the pattern."""

    def made(
        name: str = "in/f_%05d.png",
        numbers: Iterable[int] = range(1, 5),
        make: Callable[[int], NDArray[Any]] = frame,
    ) -> str:
        for number in numbers:
            save(tmp_path / (name % number), make(number))
        return str(tmp_path / name)

    return made


class Echo:
    """A net that needs a trimap and answers with it: half where it is unknown."""

    def __call__(self, picture: Bytes, trimap: Bytes | None, clock: Clock) -> tuple[Floats, Bytes]:
        assert trimap is not None
        return np.select([trimap == 0, trimap == 255], [0, 1], 0.5).astype(np.float32), trimap


@pytest.fixture
def needy(tiny_bundle: Path) -> edgematte.Matter:
    """A loaded bundle whose net needs trimaps and gives them back."""
    matter = edgematte.load(tiny_bundle, threads=1)
    matter._opened = Sourced("net", Echo(), GivenTrimap("net"))
    return matter


@pytest.fixture
def matte(tiny_bundle: Path) -> Callable[..., int]:
    """``edgematte matte`` with a net that finds its own trimap, and takes one."""
    return lambda *arguments: main(
        ["matte", *map(str, arguments), "--bundle", str(tiny_bundle), "--threads", "1"]
    )


@pytest.fixture
def matte_needy(needy: edgematte.Matter, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """``edgematte matte`` on clips and sequences with a net that needs trimaps."""
    monkeypatch.setattr("edgematte.cli.clip.load_matter", lambda arguments: needy)
    return lambda *arguments: main(["matte", *map(str, arguments)])
