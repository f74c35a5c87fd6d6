from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from edgematte.training.pictures.sources import Folders, Library, load_library


def _disc(side: int, radius: float, soft: float) -> NDArray[np.uint8]:
    y, x = np.mgrid[:side, :side] - side / 2
    alpha = np.clip((radius - np.hypot(x, y)) / soft + 0.5, 0, 1)
    return np.asarray(alpha * 255, dtype=np.uint8)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training folder with two small pictures of every kind."""
    root = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for folder in ("people/image", "people/mask", "pairs/image", "pairs/alpha", "backgrounds"):
        (root / folder).mkdir(parents=True)
    for kind in ("fluent", "photo", "strands", "smoke"):
        (root / "cutouts" / kind).mkdir(parents=True)
    for i in range(2):
        rgb = rng.integers(0, 256, (72, 64, 3), dtype=np.uint8)
        image = Image.fromarray(rgb)
        body = np.zeros((72, 64), np.uint8)
        body[8:64, 20:44] = 255
        image.save(root / f"people/image/{i:04}.jpg")
        Image.fromarray(body).convert("1").save(root / f"people/mask/{i:04}.png")
        square = image.resize((64, 64))
        alpha = Image.fromarray(_disc(64, 20, 6))
        square.save(root / f"pairs/image/thing_{i:02}.jpg")
        alpha.save(root / f"pairs/alpha/thing_{i:02}.png")
        square.save(root / f"backgrounds/scene{i}.png")
        square.putalpha(alpha)
        for kind in ("fluent", "photo", "strands", "smoke"):
            square.save(root / "cutouts" / kind / f"{kind}{i}.png")
    return root


@pytest.fixture(scope="session")
def folders(pictures: Path) -> Folders:
    """All of them, as a run takes them."""
    return Folders(
        foregrounds=[pictures / "cutouts/fluent", pictures / "cutouts/photo"],
        veils=[pictures / "cutouts/strands", pictures / "cutouts/smoke"],
        backgrounds=[pictures / "backgrounds"],
        alphas=[(pictures / "pairs/image", pictures / "pairs/alpha")],
        masks=[(pictures / "people/image", pictures / "people/mask")],
    )


@pytest.fixture(scope="session")
def library(folders: Folders) -> Library:
    return load_library(folders)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Two threads that share their cores with anything else are many times slower than one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
