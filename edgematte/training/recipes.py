"""Every training recipe, in one literal table; what is not of the papers is marked *chosen*."""

from dataclasses import replace
from typing import Any

from edgematte.errors import OptionError
from edgematte.training import diffmatte, lightweight
from edgematte.training.schedule import Recipe, Stage

LIGHTWEIGHT = Recipe(
    model="lightweight",
    losses=lightweight.losses,
    preview=lightweight.preview,
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
    warm_up=0.02,  # *chosen*: the paper gives no length
    decay=0.999,  # *chosen*
    clip_norm=5.0,  # *chosen*
    norm_batches=50,  # *chosen*
)

DIFFMATTE = Recipe(
    model="diffmatte-vits",
    losses=diffmatte.losses,
    preview=diffmatte.preview,
    # *Chosen*, for one small machine; the authors' take batches of 16 to 20 at 512 for 150 epochs.
    stages=(
        Stage(0.50, 256, 256, 8),
        Stage(0.85, 512, 512, 4),
        Stage(1.00, 512, 512, 4, keep_norms=True),
    ),
    tune_stages=(Stage(1.0, 512, 512, 4, keep_norms=True),),  # *chosen*
    learning_rate=4e-4,  # the authors' code: 2.5e-4 to 4e-4
    tune_rate=1e-4,  # *chosen*
    betas=(0.9, 0.999),
    warm_up=0.02,  # *chosen*
    decay=0.999,  # *chosen*
    clip_norm=5.0,  # *chosen*
    norm_batches=50,  # *chosen*
)
DIFFMATTES = ("vits", "vitb", "res34", "swint", "lightweight")

RECIPES: dict[str, Recipe[Any]] = {
    "lightweight": LIGHTWEIGHT,
    **{f"diffmatte-{name}": replace(DIFFMATTE, model=f"diffmatte-{name}") for name in DIFFMATTES},
}


def recipe(model: str) -> Recipe[Any]:
    """The recipe of a model.

    Raises:
        OptionError: there is none.
    """
    if model not in RECIPES:
        raise OptionError(
            f"there is no recipe to train {model!r} yet; what can be trained: {', '.join(RECIPES)}"
        )
    return RECIPES[model]
