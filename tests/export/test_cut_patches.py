"""Torch's crop of patches, for PyTorch alone, beside the host's own."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from edgematte.export.cuts.patches import crop_planes, reflect  # noqa: E402
from edgematte.runtime.host.patches import crop, patch_grid, walk  # noqa: E402

pytestmark = pytest.mark.export


@pytest.mark.parametrize(
    "size", [(1, 1), (1, 30), (30, 1), (17, 9), (8, 40), (2, 3), (41, 33), (16, 16)]
)
def test_crops_are_the_hosts_at_every_border(size: tuple[int, int]) -> None:
    """Pictures one pixel wide or high, patches of one column (8 n + 1), and larger than all."""
    width, height = size
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    planes = torch.from_numpy(picture).permute(2, 0, 1)[None].float()
    for side, overlap in ((8, 0), (8, 4), (64, 6)):
        for patch in walk(patch_grid(size, side, overlap)):
            found = crop_planes(planes, patch)[0].permute(1, 2, 0).numpy()
            np.testing.assert_array_equal(found, crop(picture, patch))


def test_reflection_is_the_definition_on_both_axes() -> None:
    planes = torch.arange(6.0).reshape(1, 1, 2, 3)
    found = reflect(planes, (3, 1))[0, 0]
    assert found.tolist() == [[0, 1, 2, 1, 0, 1], [3, 4, 5, 4, 3, 4], [0, 1, 2, 1, 0, 1]]
    assert reflect(planes[..., :1], (2, 0))[0, 0].tolist() == [[0, 0, 0], [3, 3, 3]]
