"""HDMatt, "High-Resolution Deep Image Matting" (AAAI 2021): patches that look at other patches.

A patch with its trimap goes through an encoder; the cross-patch context module adds what is alike
in the K other patches of the picture that suit its unknown region best; a decoder gives its alpha.
Where the paper is silent the choice is marked *chosen*.
"""

from typing import NamedTuple

import torch
from torch import Tensor, cat, nn

from edgematte.models.hdmatt.context import (
    FOREGROUND,
    NONE,
    TGNL,
    UNKNOWN,
    Bank,
    CrossPatchContext,
    best_contexts,
    gather,
    padding,
    reduced_trimap,
)
from edgematte.models.hdmatt.decoder import Decoder
from edgematte.models.hdmatt.resnet import STRIDE, Encoder, Skips


class Contexts(NamedTuple):
    """The contexts of a batch of queries; C is the net's width, at 1/8."""

    keys: Tensor  # (B, K, C, h, w)
    values: Tensor  # (B, K, 2C, h, w)
    masks: Tensor  # (B, K, 3, h, w)
    pad: Tensor  # (B, K): 0, or MISSING


class HDMatt(nn.Module):
    """Encoder, cross-patch context, decoder.

    Trimaps are one-hot: background, foreground, unknown. Sides of patches are multiples of 8.

    Args:
        cpc: 0 without contexts (Table 3, model A), 1 plain non-local (B), 2 TGNL (C).
        k: contexts a query attends to.
        width: channels of the first layer; all others are in proportion to it.
    """

    def __init__(self, *, cpc: int = TGNL, k: int = 3, width: int = 64) -> None:
        super().__init__()
        self.config = {"cpc": cpc, "k": k, "width": width}
        self.k = k
        self.encoder = Encoder(width)
        self.context = CrossPatchContext(4 * width, width, 2 * width, cpc) if cpc else None
        channels = {NONE: 4 * width, TGNL: 6 * width}.get(cpc, 2 * width)
        self.decoder = Decoder(channels, width)

    def bank(self, image: Tensor, trimap: Tensor) -> Bank:
        """RGB in [0, 1] and trimap (B, 3, P, P) -> keys, values and classes at 1/8."""
        assert self.context is not None
        features, _ = self.encoder(image, trimap)
        return self.context.bank(features, reduced_trimap(trimap, STRIDE))

    def matte(self, context: Tensor, skips: Skips, trimap: Tensor) -> Tensor:
        """Context features, skips and trimap -> alpha (B, 1, P, P); known pixels are exact.

        Clamped to [0, 1], but in training, where a clamp would stop the gradient (*chosen*).
        """
        alpha = self.decoder(context, skips)
        if not self.training:
            alpha = alpha.clamp(0, 1)
        foreground, unknown = (trimap[:, c : c + 1] for c in (FOREGROUND, UNKNOWN))
        whole: Tensor = foreground + unknown * alpha
        return whole

    def attend(self, key: Tensor, own: Tensor, mask: Tensor, contexts: Contexts) -> Tensor:
        """The query's own values and what it gathers from its contexts."""
        assert self.context is not None
        gathered: Tensor = self.context(key, own, mask, *contexts)
        return gathered

    def choose(self, query: Tensor, others: Bank) -> Contexts:
        """The K best of the others, all entries (B, N, ...), for queries (B, C)."""
        chosen = best_contexts(query, others.context, self.k)
        keys, values, masks = (
            gather(x, chosen, self.k) for x in (others.key, others.value, others.mask)
        )
        return Contexts(keys, values, masks, padding(chosen.shape[1], self.k, query))

    def forward(
        self,
        image: Tensor,
        trimap: Tensor,
        context_images: Tensor | None = None,
        context_trimaps: Tensor | None = None,
    ) -> Tensor:
        """Query patches and patches of the same pictures to choose contexts from -> alpha.

        Args:
            image: RGB (B, 3, P, P) in [0, 1].
            trimap: one-hot (B, 3, P, P).
            context_images: RGB (B, N, 3, P, P); by default there are no contexts.
            context_trimaps: one-hot (B, N, 3, P, P).

        Returns:
            (B, 1, P, P) in [0, 1].
        """
        if self.context is None:
            features, skips = self.encoder(image, trimap)
            return self.matte(features, skips, trimap)
        batch = len(image)
        images, trimaps = image[:, None], trimap[:, None]
        if context_images is not None and context_trimaps is not None:
            images = cat([images, context_images], dim=1)
            trimaps = cat([trimaps, context_trimaps], dim=1)
        features, skips = self.encoder(images.flatten(0, 1), trimaps.flatten(0, 1))
        banks = self.context.bank(features, reduced_trimap(trimaps.flatten(0, 1), STRIDE))
        banks = Bank(*(_grouped(x, batch) for x in banks))
        mine = Bank(*(x[:, 0] for x in banks))
        contexts = self.choose(mine.query, Bank(*(x[:, 1:] for x in banks)))
        skips = Skips(*(_grouped(x, batch)[:, 0] for x in skips))
        gathered = self.attend(mine.key, mine.own, mine.mask, contexts)
        return self.matte(gathered, skips, trimap)

    def examples(self, pictures: Tensor) -> tuple[Tensor, ...]:
        """Arguments of :meth:`forward` from pictures (B, 3, P, P) alone, with bands of each class.

        Every picture is the only context of the one before it.
        """
        side = pictures.shape[3]
        bands = torch.arange(side, device=pictures.device) * 3 // side
        classes = torch.stack([bands == band for band in (0, 2, 1)]).to(pictures)
        trimaps = classes[None, :, None].expand(len(pictures), 3, pictures.shape[2], side)
        others = (x.roll(1, dims=0)[:, None] for x in (pictures, trimaps))
        return pictures, trimaps, *others

    @torch.no_grad()
    def balance(self, pictures: Tensor) -> None:
        """Scale keys and the last convolution so that random weights show what they see.

        Attention then prefers some places to others, and alpha uses all of [0, 1] without being
        clamped to a constant. For models in training mode, once.
        """
        given = self.examples(pictures)
        if self.context is not None:
            key = self.bank(given[0], given[1]).key.flatten(2)
            spread = (key.transpose(1, 2) @ key).std() ** 0.5
            for parameter in self.context.theta.parameters():
                parameter.mul_(1.5 / spread.clamp(min=1e-6))
        seen: list[Tensor] = []
        hook = self.decoder.register_forward_hook(lambda _, inputs, out: seen.append(out))
        self(*given)
        hook.remove()
        head = self.decoder.head
        assert head.bias is not None
        scale = 0.25 / seen[0].std().clamp(min=1e-6)
        head.weight.mul_(scale)
        head.bias.sub_(seen[0].mean()).mul_(scale).add_(0.5)


def _grouped(x: Tensor, batch: int) -> Tensor:
    """(batch * n, ...) -> (batch, n, ...)."""
    return x.reshape(batch, -1, *x.shape[1:])
