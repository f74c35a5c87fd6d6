"""edgematte as nodes of ComfyUI: a picture's matte, and a trimap of a mask; see README.md.

ComfyUI's pictures are torch tensors (B, H, W, 3 or 4) of floats in [0, 1], its masks (B, H, W).
edgematte itself computes with NumPy and an engine; torch is ComfyUI's own.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any

import comfy.model_management
import comfy.utils
import folder_paths
import numpy as np
import torch

import edgematte
from edgematte.pictures import cutout
from edgematte.runtime.host.foreground import estimate_foreground

SHIPPED = "(the one that ships with edgematte)"
FOLDER = "edgematte"  # of ComfyUI's folder `models`: bundles, as folders or zips
CATEGORY = "mask/edgematte"


def bundles() -> list[str]:
    """The names of bundles in ``models/edgematte``, after the one that ships."""
    folder = Path(folder_paths.models_dir) / FOLDER
    found = folder.glob("*.edgematte*") if folder.is_dir() else ()
    return [SHIPPED, *sorted(path.name for path in found)]


@lru_cache(maxsize=1)
def load(name: str) -> Any:
    """A loaded bundle; the last one is kept."""
    path = None if name == SHIPPED else Path(folder_paths.models_dir) / FOLDER / name
    return edgematte.load(path)


class EdgematteMatte:
    """Picture, and a mask or trimap where there is one -> cut-out, alpha, trimap."""

    CATEGORY, FUNCTION = CATEGORY, "matte"
    RETURN_TYPES, RETURN_NAMES = ("IMAGE", "MASK", "MASK"), ("cutout", "alpha", "trimap")
    DESCRIPTION = "Cuts the subject out. alpha is 1 on it; 'Join Image with Alpha' wants 1 - alpha."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """What ComfyUI shows."""
        return {
            "required": {
                "image": ("IMAGE",),
                "bundle": (bundles(), {"default": SHIPPED}),
                "foreground": ("BOOLEAN", {"default": True}),
            },
            "optional": {"mask": ("MASK",), "trimap": ("MASK",)},
        }

    def matte(
        self,
        image: torch.Tensor,
        bundle: str,
        foreground: bool = True,
        mask: torch.Tensor | None = None,
        trimap: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Every picture of a batch; a single mask or trimap is of all of them."""
        matter, made = load(bundle), []
        bar = comfy.utils.ProgressBar(len(image))
        for number, values in enumerate(image):
            comfy.model_management.throw_exception_if_processing_interrupted()
            picture = to_bytes(values)
            found = matter(picture, _of(trimap, number), mask=_of(mask, number))
            colours = picture[..., :3]
            if foreground:
                colours = estimate_foreground(colours, found.alpha)
            made.append((cutout(colours, found.alpha), found.alpha, found.trimap))
            bar.update(1)
        cutouts, alphas, trimaps = (np.stack(arrays) for arrays in zip(*made, strict=True))
        return to_unit(cutouts), torch.from_numpy(alphas), to_unit(trimaps)


class EdgematteTrimap:
    """Mask -> trimap: 0 background, 0.5 unknown, 1 foreground."""

    CATEGORY, FUNCTION = CATEGORY, "trimap"
    RETURN_TYPES, RETURN_NAMES = ("MASK",), ("trimap",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """What ComfyUI shows; a band of -1 is found from the mask's size."""
        band = {"default": -1, "min": -1, "max": 1000}
        return {"required": {"mask": ("MASK",), "band_px": ("INT", band)}}

    def trimap(self, mask: torch.Tensor, band_px: int) -> tuple[torch.Tensor]:
        """Every mask of a batch, at its own size."""
        band = None if band_px < 0 else band_px
        made = [
            edgematte.trimap_from_mask(one.cpu().numpy(), (one.shape[1], one.shape[0]), band)
            for one in mask
        ]
        return (to_unit(np.stack(made)),)


def to_bytes(values: torch.Tensor) -> np.ndarray:
    """Floats in [0, 1] -> bytes."""
    scaled = values.detach().cpu().float().clamp(0, 1) * 255
    return scaled.round().to(torch.uint8).numpy()


def to_unit(values: np.ndarray) -> torch.Tensor:
    """Bytes -> floats in [0, 1]."""
    return torch.from_numpy(values).float() / 255


def _of(batch: torch.Tensor | None, number: int) -> np.ndarray | None:
    return None if batch is None else to_bytes(batch[min(number, len(batch) - 1)])


NODE_CLASS_MAPPINGS = {"EdgematteMatte": EdgematteMatte, "EdgematteTrimap": EdgematteTrimap}
NODE_DISPLAY_NAME_MAPPINGS = {
    "EdgematteMatte": "Matte (edgematte)",
    "EdgematteTrimap": "Trimap of a mask (edgematte)",
}
