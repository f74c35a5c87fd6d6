"""What HDMatt is trained on and shown by: queries with their contexts, eq. 4."""

from torch import Tensor

from edgematte.models.hdmatt.context import FOREGROUND, UNKNOWN
from edgematte.models.hdmatt.network import HDMatt
from edgematte.models.hdmatt.pretrained import from_resnet34
from edgematte.training.losses.hdmatt import hdmatt_loss
from edgematte.training.pictures.patches import PatchBatch, PatchSamples, collate_patches
from edgematte.training.pictures.sources import Library
from edgematte.training.recipe.schedule import Recipe, Stage


def samples(library: Library, side_px: int, crop_px: int, seed: int) -> PatchSamples:
    """Patches of ``crop_px``; the scenes they are cut from are sized in proportion."""
    return PatchSamples(library, crop_px, seed)


def losses(model: HDMatt, batch: PatchBatch, radius_px: int = 0) -> dict[str, Tensor]:
    """Eq. 4, weighted by the blending window of patches that share a tenth of their side.

    ``radius_px`` has no say: samples come with trimaps of many widths.
    """
    alpha = model(batch.image, batch.trimap, batch.context_images, batch.context_trimaps)
    return hdmatt_loss(
        alpha.float(),
        batch.alpha,
        batch.image,
        batch.foreground,
        batch.background,
        batch.trimap[:, UNKNOWN : UNKNOWN + 1],
        batch.image.shape[-1] // 10,
    )


def preview(model: HDMatt, batch: PatchBatch) -> dict[str, Tensor]:
    """The queries with true alpha, trimap and the net's alpha."""
    alpha = model(batch.image, batch.trimap, batch.context_images, batch.context_trimaps)
    foreground, unknown = (batch.trimap[:, c : c + 1] for c in (FOREGROUND, UNKNOWN))
    return {
        "image": batch.image,
        "true": batch.alpha,
        "trimap": foreground + 0.5 * unknown,
        "alpha": alpha.clamp(0, 1),
    }


def backbone(model: HDMatt, state: dict[str, Tensor], source: str) -> None:
    """Start the encoder from a ResNet-34 classifier (section 4.2)."""
    from_resnet34(model.encoder, state, source)


HDMATT = Recipe(
    model="hdmatt",
    losses=losses,
    preview=preview,
    # Patches of 320 as in section 4.1; batches *chosen*: the paper's are of 32.
    stages=(Stage(0.9, 320, 320, 4), Stage(1.0, 320, 320, 4, keep_norms=True)),
    tune_stages=(Stage(1.0, 320, 320, 4, keep_norms=True),),  # *chosen*
    learning_rate=5e-4,  # section 4.2, as are Adam, weight decay and cosine
    tune_rate=1e-4,  # *chosen*
    betas=(0.9, 0.999),
    weight_decay=1e-4,
    backbone=backbone,
    samples=samples,
    collate=collate_patches,
)

RECIPES = {"": HDMATT}
