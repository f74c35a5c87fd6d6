"""Train the lightweight net: `python -m edgematte.training.lightweight --data D --output O`.

On a processor one single-threaded process a core is faster than threads and bears other load:
`torchrun --standalone --nproc-per-node 2 -m edgematte.training.lightweight ...`.
"""

import argparse
import logging
import os
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional as F

from edgematte.models.lightweight import FOREGROUND, UNKNOWN, Lightweight
from edgematte.training.data import WHOLE, Batch
from edgematte.training.losses import (
    WEIGHT_GRADIENT,
    WEIGHT_L1,
    WEIGHT_SN,
    gradient_loss,
    l1_loss,
    segmentation_loss,
    trimap_target,
)
from edgematte.training.run import Run
from edgematte.training.schedule import Recipe, Settings, Stage
from edgematte.training.sources import load_library

# MRN costs three times what SN does for the same pixels, so it is given smaller crops; the last
# stage is the shape of use.
STAGES = (
    Stage(0.45, 256, 128, 8),
    Stage(0.65, 384, 192, 6),
    Stage(0.80, 512, 256, 4),
    Stage(0.94, 512, 256, 4, keep_norms=True),
    Stage(1.00, 512, 512, 4, keep_norms=True),
)


def crop_probabilities(probabilities: Tensor, box: Tensor, side_px: int) -> Tensor:
    """Cut boxes (B, 4: left, top, right, bottom in [0, 1]) out, bilinearly, at `side_px`."""
    left, top, right, bottom = box.unbind(dim=1)
    theta = probabilities.new_zeros(len(box), 2, 3)
    theta[:, 0, 0], theta[:, 0, 2] = right - left, right + left - 1
    theta[:, 1, 1], theta[:, 1, 2] = bottom - top, bottom + top - 1
    grid = F.affine_grid(theta, [len(box), 1, side_px, side_px], align_corners=False)
    return F.grid_sample(probabilities, grid, padding_mode="border", align_corners=False)


def losses(model: Lightweight, batch: Batch, radius_px: int) -> dict[str, Tensor]:
    """Eq. 10 of one batch: `sn`, `l1`, `gradient` and their weighted sum `total`.

    MRN sees each sample's crop with the probabilities SN gave for that part of the whole scene,
    or with the one-hot true trimap where the sample says so.
    """
    logits = model.sn(batch.image)
    target = trimap_target(batch.alpha, batch.known, radius_px)
    raised = F.interpolate(logits[0], scale_factor=8.0, mode="bilinear", align_corners=False)
    crop_px = batch.crop_image.shape[-1]
    rows = list(raised.float().softmax(dim=1).unbind())
    for i, given_px in enumerate(batch.given_px):
        part = slice(i, i + 1)
        if given_px >= 0:
            classes = trimap_target(batch.crop_alpha[part], batch.crop_known[part], given_px)
            rows[i] = F.one_hot(classes[0], 3).permute(2, 0, 1).to(rows[i])
        elif batch.box[i].tolist() != list(WHOLE):
            rows[i] = crop_probabilities(rows[i][None], batch.box[part], crop_px)[0]
    probabilities = torch.stack(rows).contiguous(memory_format=torch.channels_last)
    refined = model.mrn(batch.crop_image, probabilities).float()
    foreground = probabilities[:, FOREGROUND : FOREGROUND + 1]
    alpha = foreground + probabilities[:, UNKNOWN : UNKNOWN + 1] * refined
    parts = {
        "sn": segmentation_loss(logits, target),
        "l1": l1_loss(alpha, batch.crop_alpha, batch.crop_known),
        "gradient": gradient_loss(alpha, batch.crop_alpha, batch.crop_known),
    }
    parts["total"] = (
        WEIGHT_SN * parts["sn"] + WEIGHT_L1 * parts["l1"] + WEIGHT_GRADIENT * parts["gradient"]
    )
    return parts


RECIPE = Recipe(
    build=Lightweight,
    config={"model": "lightweight", "cfm": True, "ena": True, "k": 16},
    losses=losses,
)


def main(arguments: list[str] | None = None) -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="people, pairs, cutouts, ...")
    parser.add_argument("--output", type=Path, required=True, help="goes on from what is there")
    parser.add_argument("--time-limit", type=float, metavar="MINUTES")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--learning-rate", type=float, default=4e-4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="of each process")
    parser.add_argument("--workers", type=int, default=1, help="that prepare pictures, of each")
    options = parser.parse_args(arguments)
    if options.time_limit is None and options.steps is None:
        parser.error("give --time-limit or --steps")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.threads)
    if "WORLD_SIZE" in os.environ:
        dist.init_process_group("gloo")
    settings = Settings(
        output=options.output,
        stages=STAGES,
        steps=options.steps,
        time_limit_s=options.time_limit and options.time_limit * 60,
        seed=options.seed,
        learning_rate=options.learning_rate,
        workers=options.workers,
    )
    Run(RECIPE, settings, load_library(options.data)).train()
    if dist.is_initialized():
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
