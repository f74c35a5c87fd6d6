"""A vision transformer for one size of picture; all that depends on the size alone is constant."""

import torch
from torch import Tensor, nn

from edgematte.models.vit.attention import Constants
from edgematte.models.vit.network import Tables, ViT


class SizedViT(nn.Module):
    """Picture of one size -> features; resized positions and offsets are constants."""

    def __init__(self, transformer: ViT, size: tuple[int, int], lattice: int = 1) -> None:
        """Shares the transformer's weights; ``size`` is (width, height) in pixels.

        ``lattice`` is the step of grid sampling; 1 for none.
        """
        super().__init__()
        self.transformer = transformer
        width, height = (side // transformer.patch for side in size)
        with torch.no_grad():
            tables = transformer.tables(height, width, lattice)
        self.register_buffer("position", tables.position.clone(), persistent=False)
        self.count = len(tables.blocks)
        for i, constants in enumerate(tables.blocks):
            for name, value in zip(Constants._fields, constants, strict=True):
                self.register_buffer(f"{name}{i}", value.clone(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, dim, H / patch, W / patch)."""
        blocks = tuple(
            Constants(*(self.get_buffer(f"{name}{i}") for name in Constants._fields))
            for i in range(self.count)
        )
        feature: Tensor = self.transformer(x, Tables(self.get_buffer("position"), blocks))
        return feature
