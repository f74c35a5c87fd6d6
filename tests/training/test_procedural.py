import numpy as np
import pytest
from PIL import Image

from edgematte.training.pictures.procedural import (
    attach_strands,
    blob,
    lace,
    procedural_subject,
    smoke,
    strand_mask,
)


def test_a_solid_blob_is_mostly_opaque_and_a_cloud_is_not() -> None:
    solid = np.asarray(blob(np.random.default_rng(0), 96))[..., 3]
    cloud = np.asarray(blob(np.random.default_rng(0), 96, softness=1.0))[..., 3]
    assert ((solid > 5) & (solid < 250)).mean() < 0.1 < ((cloud > 5) & (cloud < 250)).mean()


def test_strands_start_at_their_roots_and_reach_about_their_length() -> None:
    rng = np.random.default_rng(1)
    roots = np.full((20, 2), 32, np.float32)
    right = np.array([[1, 0]] * 20, np.float32)
    mask = np.asarray(strand_mask(rng, (64, 64), roots, right, length_px=16, curl=0.0))
    ys, xs = np.nonzero(mask)
    assert mask[32, 33] > 0 and xs.min() >= 31 and 40 < xs.max() < 60
    assert np.abs(ys - 32).max() <= 2


@pytest.mark.parametrize("fur", [False, True])
def test_strands_only_add(fur: bool) -> None:
    rng = np.random.default_rng(2)
    subject = Image.new("RGBA", (64, 64))
    subject.paste((200, 10, 10, 255), (20, 24, 44, 64))
    before = np.asarray(subject)
    after = np.asarray(attach_strands(rng, subject, fur))
    solid = before[..., 3] == 255
    assert (after[solid] == before[solid]).all()
    assert (after[..., 3] > 0).sum() > solid.sum() + 20


def test_nothing_to_grow_from_is_left_alone() -> None:
    empty = Image.new("RGBA", (32, 32))
    assert attach_strands(np.random.default_rng(0), empty) is empty


def test_subjects_follow_their_seed() -> None:
    for seed in range(6):
        a, b = (procedural_subject(np.random.default_rng(seed), 48) for _ in range(2))
        assert a.tobytes() == b.tobytes() and a.getbbox() is not None


def test_smoke_fades_before_its_border_and_is_never_solid() -> None:
    for seed in range(4):
        alpha = np.asarray(smoke(np.random.default_rng(seed), 96))[..., 3]
        assert max(alpha[0].max(), alpha[-1].max(), alpha[:, 0].max(), alpha[:, -1].max()) < 5
        assert ((alpha > 5) & (alpha < 250)).mean() > 0.2


def test_lace_has_holes_threads_and_a_hem() -> None:
    for seed in range(4):
        alpha = np.asarray(lace(np.random.default_rng(seed), 128))[..., 3]
        middle = alpha[48:80, 48:80]
        assert middle.min() < 100 and middle.max() > 250
        assert (alpha > 250).any(axis=1).sum() > 40
