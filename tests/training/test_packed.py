import json
import re
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from edgematte.errors import OptionError, PictureError
from edgematte.training import pack
from edgematte.training.batched import scenes
from edgematte.training.batched.colours import Tone, blurred, draw_tone, grained, toned
from edgematte.training.batched.resident import Resident
from edgematte.training.batched.warp import View, framed, look, placed
from edgematte.training.pictures.packed import read_pack
from edgematte.training.pictures.sources import Library, count, held_out
from edgematte.training.recipe.parts import WHOLE_SCENES

CPU = torch.device("cpu")


def command(pictures: Path, output: Path, *more: str) -> list[str]:
    root = output.parent
    (root / "sources.txt").write_text("made by this test, public domain")
    people, pairs, cutouts = (pictures / name for name in ("people", "pairs", "cutouts"))
    return [
        *(str(output), "--sources", str(root / "sources.txt"), "--side", "64"),
        *("--foregrounds", str(cutouts / "fluent"), "--veils", str(cutouts / "smoke")),
        *("--backgrounds", str(pictures / "backgrounds")),
        *("--images", str(people / "image"), "--masks", str(people / "mask")),
        *("--images", str(pairs / "image"), "--alphas", str(pairs / "alpha"), *more),
    ]


@pytest.fixture(scope="module")
def packed(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("pack") / "library.pack"
    pack.main(command(pictures, file))
    return file


@pytest.fixture(scope="module")
def read(packed: Path) -> Library:
    return read_pack(packed)


@pytest.fixture(scope="module")
def resident(read: Library) -> Resident:
    return Resident.of(read, CPU, 64)


def test_a_pack_has_every_picture_and_says_where_they_come_from(
    packed: Path, read: Library, library: Library
) -> None:
    assert count(read) == {"people": 2, "pairs": 2, "cutouts": 2, "veils": 2, "backgrounds": 2}
    true = np.asarray(library.pairs[0][0].alpha, float)
    # WebP at quality 92 moves a smooth alpha by a few of 255 levels.
    assert np.abs(np.asarray(read.pairs[0][0].alpha, float) - true).mean() < 3
    with zipfile.ZipFile(packed) as archive:
        assert b"public domain" in archive.read("SOURCES")


def test_masks_come_back_to_the_bit(pictures: Path, read: Library) -> None:
    mask = Image.open(pictures / "people/mask/0000.png").convert("L")
    small = mask.resize((57, 64), Image.Resampling.BOX).point([0] * 128 + [255] * 128)
    assert np.array_equal(np.asarray(read.people[0][0].alpha), np.asarray(small))


def test_held_out_pictures_are_those_of_the_folders(pictures: Path, tmp_path: Path) -> None:
    file = tmp_path / "half.pack"
    pack.main(command(pictures, file))
    share = 0.5
    kept = count(read_pack(file, hold_out=share))["people"]
    names = [f.name for f in (pictures / "people/image").iterdir()]
    assert kept == sum(not held_out(name, share) for name in names)
    apart = count(read_pack(file, hold_out=share, validation=True))["people"]
    assert kept + apart == len(names)


def test_a_pack_above_its_limit_is_not_written(pictures: Path, tmp_path: Path) -> None:
    file = tmp_path / "large.pack"
    with pytest.raises(OptionError, match=r"more than 0.001: pack at a smaller side than 64"):
        pack.main(command(pictures, file, "--limit", "0.001"))
    assert not file.exists()


def test_sources_must_be_named(pictures: Path, tmp_path: Path) -> None:
    file = tmp_path / "silent.pack"
    arguments = command(pictures, file)
    (tmp_path / "sources.txt").write_text(" \n")
    with pytest.raises(OptionError, match="say where pictures come from"):
        pack.main(arguments)


@pytest.mark.parametrize("what", ["truncated", "changed", "other", "missing"])
def test_a_file_that_is_no_whole_pack_is_one_sentence(
    what: str, packed: Path, tmp_path: Path
) -> None:
    file = tmp_path / "bad.pack"
    data = packed.read_bytes()
    if what == "truncated":
        file.write_bytes(data[: len(data) // 2])
    elif what == "other":
        file.write_bytes(b"text")
    elif what == "changed":  # a byte of the first picture's last quarter
        with zipfile.ZipFile(packed) as old, zipfile.ZipFile(file, "w") as new:
            for name in old.namelist():
                entry = bytearray(old.read(name))
                if name.endswith("-0.webp"):
                    entry[-3] ^= 1
                new.writestr(name, bytes(entry))
    with pytest.raises(PictureError, match=re.escape(str(file))):
        read_pack(file)


def test_a_framed_view_is_the_part_of_the_picture(resident: Resident) -> None:
    shelf = resident.shelves["backgrounds"]
    matrix = framed((16, 8, 48, 40), (64, 64))
    seen = look(shelf, [View(1, matrix)], 32)[0]
    # 32 pixels of the picture on 32 pixels: each one is hit exactly.
    assert torch.allclose(seen, shelf.levels[0][1, :, 8:40, 16:48].float() / 255, atol=1e-5)
    turned = look(shelf, [View(1, framed((16, 8, 48, 40), (64, 64), mirrored=True))], 32)[0]
    assert torch.allclose(turned, seen.flip(-1), atol=1e-5)


def test_a_placed_picture_lies_where_it_was_put(resident: Resident) -> None:
    shelf = resident.shelves["cutouts"]
    seen = look(shelf, [View(0, placed((0.5, 0.25), (0.5, 0.5)))], 128)[0, 3]
    assert torch.allclose(seen[0:64, 32:96], shelf.levels[0][0, 3].float() / 255, atol=1e-5)
    assert not seen[65:].any()
    # A quarter turn takes the upper left of the picture to the upper right.
    upright = look(shelf, [View(0, placed((0.5, 0.5), (1, 1)))], 64)[0]
    turned = look(shelf, [View(0, placed((0.5, 0.5), (1, 1), angle_deg=90))], 64)[0]
    assert torch.allclose(turned, upright.rot90(-1, (1, 2)), atol=1e-4)


def test_composites_obey_the_equation_of_matting(resident: Resident) -> None:
    """I = alpha F + (1 - alpha) B: black and white behind a subject differ by 1 - alpha."""
    neutral = Tone(1.0, 1.0, 0.0, np.ones(3), np.eye(3))
    drafts = []
    for index in range(12):
        drawn = scenes.draft(np.random.default_rng(index), resident, {"composite": 1.0})
        still = {"background": None, "tones": (neutral, neutral), "blur_px": 0.0, "grain": 0.0}
        drafts.append(replace(drawn, **still))  # type: ignore[arg-type]
    black, alpha, known = scenes.compose(
        resident, [replace(d, plain=(0.0,) * 3) for d in drafts], 64
    )
    white, _, _ = scenes.compose(resident, [replace(d, plain=(1.0,) * 3) for d in drafts], 64)
    assert torch.allclose(white - black, (1 - alpha).expand(-1, 3, -1, -1), atol=1e-5)
    assert bool((known == 1).all())
    shown = alpha.amax(dim=(1, 2, 3))
    assert int((shown > 0.9).sum()) >= 9  # a subject may lie outside, or be smoke


def test_trimaps_are_eroded_as_scipy_erodes() -> None:
    alpha = torch.zeros(1, 40, 40)
    alpha[:, 10:30, 12:33] = 1
    alpha[:, 10:30, 12] = 0.5
    known = torch.ones_like(alpha)
    known[:, 20, 20] = 0
    trimap = scenes._trimap(alpha, known, (3, 5)).numpy().astype(bool)
    doubt, plane = known[0].numpy() == 0, alpha[0].numpy()
    not_foreground = ndimage.binary_dilation((plane < 0.99) | doubt, np.ones((7, 7)))
    not_background = ndimage.binary_dilation((plane > 0.01) | doubt, np.ones((11, 11)))
    assert np.array_equal(trimap[0], ~not_background)
    assert np.array_equal(trimap[1], ~not_foreground)
    assert np.array_equal(trimap[2], not_foreground & not_background)


def test_grain_is_noise_of_the_asked_strength_and_differs_by_seed() -> None:
    grey = torch.full((2, 3, 64, 64), 0.5)
    noise = grained(grey, [0.05, 0.05], [1, 2]) - 0.5
    # 12,288 numbers: their standard deviation is known to 0.6 %, their mean to 0.0005.
    assert noise[0].std().item() == pytest.approx(0.05, rel=0.03)
    assert abs(noise[0].mean().item()) < 0.0025
    both = torch.stack([noise[0].flatten(), noise[1].flatten()])
    assert abs(torch.corrcoef(both)[0, 1].item()) < 0.05
    beside = torch.stack([noise[0, 0, :, :-1].flatten(), noise[0, 0, :, 1:].flatten()])
    assert abs(torch.corrcoef(beside)[0, 1].item()) < 0.06


def test_blur_is_a_gaussian_and_leaves_others_alone() -> None:
    image = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    seen = blurred(image, [0.0, 1.5])
    assert torch.equal(seen[0], image[0])
    wanted = ndimage.gaussian_filter(image[1, 0].numpy(), 1.5, mode="nearest", truncate=2.67)
    assert np.allclose(seen[1, 0].numpy(), wanted, atol=1e-4)  # both end at 4 pixels


def test_tones_leave_greys_grey_where_casts_are_one() -> None:
    tone = draw_tone(np.random.default_rng(5))
    neutral = type(tone)(tone.gamma, tone.contrast, tone.bias, np.ones(3), tone.matrix)
    grey = torch.linspace(0, 1, 16).view(1, 1, 4, 4).expand(1, 3, 4, 4)
    seen = toned(grey, [neutral])
    assert float((seen - seen[:, :1]).abs().max()) < 1e-5


def test_a_scene_depends_on_seed_and_index_alone(resident: Resident) -> None:
    first = scenes.whole_scenes(resident, WHOLE_SCENES, 64, 7, range(6))
    again = scenes.whole_scenes(resident, WHOLE_SCENES, 64, 7, [2, 3])
    # Neighbours in a batch change rounding at most.
    assert torch.allclose(first.image[2:4], again.image, atol=1e-5)
    other = scenes.whole_scenes(resident, WHOLE_SCENES, 64, 8, [2, 3])
    assert not torch.allclose(other.image, again.image, atol=0.1)


def train(output: Path, packed: Path, *more: str) -> dict[str, float]:
    arguments = [
        *("train", "--model", "lightweight", "--weights", "shipped", "--pack", str(packed)),
        *("--output", str(output), "--size", "64", "--batch", "4", "--seed", "3", "--json"),
        *("--threads", "1", "--precision", "fp32", *more),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "edgematte", *arguments], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    losses: dict[str, float] = json.loads(done.stdout)["losses"]
    return losses


@pytest.mark.parametrize("part", ["sn", "mrn"])
def test_a_run_from_a_pack_goes_on_from_its_state_file_alone(
    part: str, packed: Path, tmp_path: Path
) -> None:
    """Six steps in one go, and one and five with only the state carried over, end alike."""
    whole = train(tmp_path / "whole", packed, "--part", part, "--steps", "6")
    assert all(np.isfinite(value) for value in whole.values())
    train(tmp_path / "first", packed, "--part", part, "--steps", "6", "--time-limit", "1e-9")
    (tmp_path / "carried").mkdir()
    state = (tmp_path / "first/training-state.pt").read_bytes()
    (tmp_path / "carried/training-state.pt").write_bytes(state)
    again = train(tmp_path / "carried", packed, "--part", part, "--steps", "6")
    assert again == pytest.approx(whole, rel=1e-5)


def test_a_pack_and_folders_exclude_each_other(packed: Path, tmp_path: Path) -> None:
    from edgematte.cli import main

    arguments = ["train", "--model", "lightweight", "--steps", "1", "--pack", str(packed)]
    output = tmp_path / "run"
    assert main([*arguments, "--procedural", "--output", str(output)]) == 2
    assert not output.exists()
