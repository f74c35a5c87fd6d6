"""Small exports, made once and shared: the shipped weights, graph size 64x128, patches of 256."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Export = Callable[..., Path]


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Export:
    """Gives the folder of an export with these options; each is made once. Do not change it."""
    pytest.importorskip("torch")
    from edgematte.export import export

    made: dict[str, Path] = {}
    folder = tmp_path_factory.mktemp("exports")

    def make(target: str, **options: Any) -> Path:
        key = "-".join([target, *(f"{k}={v}" for k, v in sorted(options.items()))])
        if key not in made:
            settings: dict[str, Any] = {"size": (128, 64), "patch": 256}
            export("lightweight", target=target, output=folder / key, **(settings | options))
            made[key] = folder / key
        return made[key]

    return make
