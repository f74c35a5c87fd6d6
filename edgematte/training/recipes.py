"""Every training recipe, in one literal table; what is not of the papers is marked *chosen*."""

from dataclasses import replace
from typing import Any

from edgematte.errors import OptionError
from edgematte.training import diffmatte, hdmatt, lightweight, parts, regional, vitmatte
from edgematte.training.crops import collate_crops, crops
from edgematte.training.patches import collate_patches
from edgematte.training.schedule import Recipe, Stage

LIGHTWEIGHT = Recipe(
    model="lightweight",
    losses=lightweight.losses,
    preview=lightweight.preview,
    imitation=lightweight.imitation,
    # *Chosen*: growing pictures. MRN costs three times what SN does for the same pixels, so it is
    # given smaller crops; the last stage is the shape of use. The paper: batches of 12 at 512.
    stages=(
        Stage(0.45, 256, 128, 8),
        Stage(0.65, 384, 192, 6),
        Stage(0.80, 512, 256, 4),
        Stage(0.94, 512, 256, 4, keep_norms=True),
        Stage(1.00, 512, 512, 4, keep_norms=True),
    ),
    tune_stages=(Stage(1.0, 512, 256, 4, keep_norms=True),),  # *chosen*
    learning_rate=4e-4,  # section 3.1, as are betas, warm-up and cosine
    tune_rate=1e-4,  # *chosen*
    betas=(0.5, 0.999),
)

# Networks trained apart, from weights: *chosen*, all of it. A step costs a third or less, and each
# network gets the pictures it learns most from. Over 250 steps of 16 scenes at 256 pixels Muon took
# SN's loss to 1.28, Adam to 1.34 and, at the rate above, to 1.40; for MRN they were alike.
SN = replace(
    LIGHTWEIGHT,
    part="sn",
    losses=lightweight.sn_losses,
    imitation=None,
    samples=parts.whole_scenes,
    tune_stages=(
        Stage(0.35, 256, 256, 32),
        Stage(0.70, 384, 384, 16),
        Stage(1.00, 512, 512, 8, keep_norms=True),
    ),
    tune_rate=2e-3,
    betas=(0.9, 0.99),
    optimizer="muon",
)
MRN = replace(
    LIGHTWEIGHT,
    part="mrn",
    losses=lightweight.mrn_losses,
    imitation=None,
    samples=parts.refining_crops,
    tune_rate=1.5e-3,  # 5 % better after 300 steps than the rate of the whole
    tune_stages=(Stage(0.7, 512, 256, 8), Stage(1.0, 512, 512, 4, keep_norms=True)),
)

# Of nets that learn on crops around unknown pixels: *chosen*, for one small machine.
CROP_STAGES = (
    Stage(0.50, 256, 256, 8),
    Stage(0.85, 512, 512, 4),
    Stage(1.00, 512, 512, 4, keep_norms=True),
)
TUNE_CROP_STAGES = (Stage(1.0, 512, 512, 4, keep_norms=True),)

DIFFMATTE = Recipe(
    model="diffmatte-vits",
    losses=diffmatte.losses,
    preview=diffmatte.preview,
    # The authors': batches of 16 to 20 at 512 for 150 epochs.
    stages=CROP_STAGES,
    tune_stages=TUNE_CROP_STAGES,
    # The authors' code, for ResNet-34 and Swin-T, as are the drops of the rate.
    learning_rate=4e-4,
    drops=((0.2, 0.1), (0.6, 0.05), (14 / 15, 0.01)),
    tune_rate=1e-4,  # *chosen*
    betas=(0.9, 0.999),
    samples=crops,
    collate=collate_crops,
)
DIFFMATTE_VIT = replace(DIFFMATTE, rate_scale=diffmatte.rate_scale, backbone=diffmatte.backbone)

VITMATTE = Recipe(
    model="vitmatte-s",
    losses=vitmatte.losses,
    preview=vitmatte.preview,
    # The authors': batches of 32 at 512 for 100 epochs, 250 steps of warm-up.
    stages=CROP_STAGES,
    tune_stages=TUNE_CROP_STAGES,
    # The paper's, as are AdamW, weight decay, layer decay and the drops of the rate.
    learning_rate=5e-4,
    drops=((0.3, 0.1), (0.9, 0.05)),
    tune_rate=1e-4,  # *chosen*
    betas=(0.9, 0.999),
    optimizer="adamw",
    weight_decay=0.1,
    rate_scale=vitmatte.rate_scale,
    backbone=vitmatte.backbone,
    samples=crops,
    collate=collate_crops,
)

REGIONAL = Recipe(
    model="regional",
    losses=regional.losses,
    preview=regional.preview,
    # The paper gives no figures of its training: all of these are *chosen*. Whole frames, as large
    # as a small machine allows; BatchNorm is in the refining net alone, over hundreds of cells.
    stages=(
        Stage(0.60, 512, 512, 4),
        Stage(0.90, 896, 896, 2),
        Stage(1.00, 896, 896, 2, keep_norms=True),
    ),
    tune_stages=(Stage(1.0, 896, 896, 2, keep_norms=True),),
    learning_rate=2e-4,
    tune_rate=5e-5,
    betas=(0.9, 0.999),
    optimizer="adamw",
    weight_decay=0.05,  # as Swin's authors train it
    backbone=regional.backbone,
)

COARSE_NET = replace(
    REGIONAL,
    part="coarse_net",
    losses=regional.coarse_losses,
    samples=parts.whole_scenes,
    tune_stages=(Stage(0.7, 384, 384, 8), Stage(1.0, 512, 512, 4)),
    tune_rate=REGIONAL.learning_rate,
)

HDMATT = Recipe(
    model="hdmatt",
    losses=hdmatt.losses,
    preview=hdmatt.preview,
    # Patches of 320 as in section 4.1; batches *chosen*: the paper's are of 32.
    stages=(Stage(0.9, 320, 320, 4), Stage(1.0, 320, 320, 4, keep_norms=True)),
    tune_stages=(Stage(1.0, 320, 320, 4, keep_norms=True),),  # *chosen*
    learning_rate=5e-4,  # section 4.2, as are Adam, weight decay and cosine
    tune_rate=1e-4,  # *chosen*
    betas=(0.9, 0.999),
    weight_decay=1e-4,
    backbone=hdmatt.backbone,
    samples=hdmatt.samples,
    collate=collate_patches,
)

Row = tuple[Recipe[Any], tuple[str, ...]]
TABLE: tuple[Row, ...] = (
    (LIGHTWEIGHT, ("lightweight",)),
    (REGIONAL, ("regional", "regional-tiny")),
    (VITMATTE, ("vitmatte-s", "vitmatte-b", "vitmatte-tiny")),
    (HDMATT, ("hdmatt", "hdmatt-tiny")),
    (DIFFMATTE_VIT, ("diffmatte-vits", "diffmatte-vitb")),
    (DIFFMATTE, ("diffmatte-res34", "diffmatte-swint", "diffmatte-lightweight")),
)
PART_TABLE: tuple[Row, ...] = (
    (SN, ("lightweight",)),
    (MRN, ("lightweight",)),
    (COARSE_NET, ("regional", "regional-tiny")),
)
RECIPES = {name: replace(recipe, model=name) for recipe, names in TABLE for name in names}


def recipe(model: str, part: str = "") -> Recipe[Any]:
    """The recipe of a model, or of a part of it that is to learn alone.

    Raises:
        OptionError: there is none.
    """
    if model not in RECIPES:
        raise OptionError(
            f"there is no recipe to train {model!r} yet; what can be trained: {', '.join(RECIPES)}"
        )
    if not part:
        return RECIPES[model]
    known = {row.part: replace(row, model=model) for row, names in PART_TABLE if model in names}
    if part not in known:
        names = f": {', '.join(known)}" if known else ""
        raise OptionError(f"--part {part}: {model} has no such part to train alone{names}")
    return known[part]
