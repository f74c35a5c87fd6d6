"""The last block of cross-region attention, with one query row instead of the paper's k + 1.

The region's own token is the only query of this block. So keys need not be computed: with x the
query's token and y_j the tokens it attends to, a head's logits are

    (W_q x) . (W_k y_j) = (W_k^T W_q x) . y_j

Nor need values: sum_j a_j W_v y_j = W_v sum_j a_j y_j. Both products are then of one token instead
of k + 1, and W_k^T W_q of each head is multiplied out once, here.
"""

from torch import Tensor, cat, nn, softmax
from torch.nn import functional as F

from edgematte.models.regional.refine import RegionAttention


class CentralAttention(nn.Module):
    """Computes what a :class:`RegionAttention` with ``central`` does, up to rounding."""

    asked: Tensor
    given: Tensor

    def __init__(self, block: RegionAttention) -> None:
        """Multiplies out the weights that the block has now."""
        super().__init__()
        assert block.central
        self.block, self.heads = block, block.heads
        query, out = block.query.weight.detach().double(), block.out.weight.detach().double()
        key, value = block.key_value.weight.detach().double().chunk(2)
        parts = zip(*(w.chunk(block.heads) for w in (query, key, value)), strict=True)
        outs = out.chunk(block.heads, dim=1)
        asked, given = [], []
        for (q, k, v), o in zip(parts, outs, strict=True):
            asked.append(k.T @ q * block.scale)
            given.append(o @ v)
        kind = block.query.weight.dtype
        self.register_buffer("asked", cat(asked).to(kind), persistent=False)  # (heads * T, T)
        self.register_buffer("given", cat(given, dim=1).to(kind), persistent=False)

    def forward(self, tokens: Tensor, bias: Tensor) -> Tensor:
        """Tokens (N, k+1, T), bias (N, heads, k+1, k+1): query, key -> (N, 1, T)."""
        count, _, width = (int(n) for n in tokens.shape)
        block = self.block
        normed = block.norm1(tokens)
        query = F.linear(normed[:, 0], self.asked).reshape(count, self.heads, width)
        weights = softmax(query @ normed.transpose(1, 2) + bias[:, :, 0], dim=-1)
        mixed = (weights @ normed).reshape(count, self.heads * width)
        token = tokens[:, 0] + F.linear(mixed, self.given, block.out.bias)
        out: Tensor = token + block.mlp(block.norm2(token))
        return out[:, None]
