"""DiffMatte: any matting encoder once, a light decoder in every step of a diffusion.

"Diffusion for Natural Image Matting" (ECCV 2024). The encoder turns picture and trimap into one
map. The decoder is given that map, the picture, the trimap and a noisy matte, and answers with the
matte it sees behind the noise; a sampler (:mod:`edgematte.runtime.diffusion`) asks it again with
less and less noise. Mattes are 2 alpha - 1 here, in [-1, 1]; trimaps are three planes, background,
unknown and foreground, of which one is 1 in each pixel, and none in padding.
"""

import torch
from torch import Tensor, cat, nn
from torch.nn import functional as F

from edgematte.imagenet import IMAGENET_MEAN, IMAGENET_STD
from edgematte.models.diffmatte.decoder import TextureDecoder
from edgematte.models.diffmatte.lightweight import LightweightEncoder
from edgematte.models.diffmatte.res34 import Res34
from edgematte.models.diffmatte.swin import PriorSwin
from edgematte.models.vit.network import Neck, ViT


class DiffMatte(nn.Module):
    """An encoder and the texture decoder; subclasses choose the encoder.

    Args:
        encoder: picture (B, n, H, W) -> (B, channels, H / stride, W / stride).
        channels: of the encoder's map.
        stride: of the encoder's map, 16 or 32.
        base: channels of the decoder at the picture's size.
        config: constructor options of the subclass.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, encoder: nn.Module, channels: int, stride: int, base: int, config: dict[str, int]
    ) -> None:
        super().__init__()
        self.config, self.channels, self.stride = {**config, "base": base}, channels, stride
        self.encoder = encoder
        self.decoder = TextureDecoder(channels, stride, base)
        for name, values in (("mean", IMAGENET_MEAN), ("std", IMAGENET_STD)):
            self.register_buffer(name, torch.tensor(values).reshape(1, 3, 1, 1), persistent=False)

    def normalise(self, image: Tensor) -> Tensor:
        """RGB in [0, 1] -> by ImageNet's mean and deviation."""
        return (image - self.mean) / self.std

    def picture(self, image: Tensor, trimap: Tensor) -> Tensor:
        """What the encoder sees: normalised RGB and the three planes of the trimap."""
        return cat([self.normalise(image), trimap], dim=1)

    def encode(self, image: Tensor, trimap: Tensor) -> Tensor:
        """RGB in [0, 1] and trimap, both (B, 3, H, W) -> one map, once a picture.

        Padding is zero after the normalisation: ``mean`` in ``image``, zero in ``trimap``.
        """
        feature: Tensor = self.encoder(self.picture(image, trimap))
        return feature

    def condition(self, image: Tensor, trimap: Tensor, noisy: Tensor) -> Tensor:
        """What the decoder sees: 2 normalised RGB - 1, 2 trimap - 1, and the noisy matte, 7 planes.

        ``noisy`` (B, 1, H, W) is divided by its deviation. Padding goes around this, with zeros.
        """
        return cat([2 * self.normalise(image) - 1, 2 * trimap - 1, noisy], dim=1)

    def denoise(self, feature: Tensor, condition: Tensor, time: Tensor) -> Tensor:
        """The encoder's map, the condition (B, 7, H, W), the time (B,) -> matte (B, 1, H, W)."""
        matte: Tensor = self.decoder(feature, condition, time)
        return matte

    def forward(self, image: Tensor, trimap: Tensor, noisy: Tensor, time: Tensor) -> Tensor:
        """One step: RGB in [0, 1], trimap, noisy matte, time (B,) -> matte (B, 1, H, W).

        Sides are multiples of the stride of the encoder, and of what else it asks for.
        """
        condition = self.condition(image, trimap, noisy)
        return self.denoise(self.encode(image, trimap), condition, time)

    def examples(self, image: Tensor) -> tuple[Tensor, ...]:
        """What else `forward` takes, for an image (B, 3, H, W): its three classes by columns."""
        thirds = torch.arange(image.shape[3], device=image.device) * 3 // image.shape[3]
        planes = F.one_hot(thirds, 3).T[:, None].to(image)  # (3, 1, W)
        trimap = planes.expand(len(image), -1, image.shape[2], -1)
        noisy = torch.randn_like(image[:, :1])
        return image, trimap, noisy, torch.linspace(0.1, 1, len(image), device=image.device)

    @torch.no_grad()
    def balance(self, image: Tensor) -> None:
        """Give random weights what zeros and small numbers would hide, for tests and trials.

        Positions and priors then matter, and mattes over ``image`` (B, 3, H, W) use the whole
        range. For models in training mode, once.
        """
        for name, parameter in self.encoder.named_parameters():
            if "relative_" in name or name.endswith(("bias_table", "position")):
                nn.init.normal_(parameter, std=0.2)
        for module in self.encoder.modules():
            if isinstance(module, Neck):
                nn.init.ones_(module.norm3.weight)
        last = self.decoder.head[-1]
        assert isinstance(last, nn.Conv2d) and last.bias is not None
        seen: list[Tensor] = []
        hook = last.register_forward_hook(lambda _, given, out: seen.append(out))
        self(*self.examples(image))
        hook.remove()
        scale = 2 / float(seen[0].std().clamp(min=1e-6))
        last.weight.mul_(scale)
        last.bias.sub_(seen[0].mean()).mul_(scale)


class DiffMatteViT(DiffMatte):
    """With ViTMatte's transformer, which sees the trimap as one plane of 0, 1/2 and 1.

    Args:
        dim: channels of the transformer.
        depth: its blocks.
        heads: of attention.
        window: side of an attention window, in patches.
        pretrained: rows and columns of the stored position embedding.
        grid: rows and columns that the relative tables of global blocks are stored for.
        base: see :class:`DiffMatte`.
    """

    def __init__(
        self,
        *,
        dim: int = 384,
        depth: int = 12,
        heads: int = 6,
        window: int = 14,
        pretrained: int = 14,
        grid: int = 32,
        base: int = 32,
    ) -> None:
        encoder = ViT(
            dim=dim, depth=depth, heads=heads, window=window, pretrained=pretrained, grid=grid
        )
        options = {"dim": dim, "depth": depth, "heads": heads, "window": window}
        options |= {"pretrained": pretrained, "grid": grid}
        super().__init__(encoder, dim, 16, base, options)

    def picture(self, image: Tensor, trimap: Tensor) -> Tensor:
        """Normalised RGB and one plane: 0 background, 1/2 unknown, 1 foreground."""
        grey = 0.5 * trimap[:, 1:2] + trimap[:, 2:3]
        return cat([self.normalise(image), grey], dim=1)


class DiffMatteRes34(DiffMatte):
    """With a ResNet-34.

    Args:
        width: see :class:`Res34`.
        base: see :class:`DiffMatte`.
    """

    def __init__(self, *, width: int = 64, base: int = 32) -> None:
        super().__init__(Res34(width), 8 * width, 32, base, {"width": width})


class DiffMatteSwin(DiffMatte):
    """With MatteFormer's Swin.

    Args:
        width: see :class:`PriorSwin`.
        head_width: see there.
        depth3: see there.
        base: see :class:`DiffMatte`.
    """

    def __init__(
        self, *, width: int = 96, head_width: int = 32, depth3: int = 6, base: int = 32
    ) -> None:
        options = {"width": width, "head_width": head_width, "depth3": depth3}
        super().__init__(PriorSwin(**options), 8 * width, 32, base, options)


class DiffMatteLightweight(DiffMatte):
    """With the lightweight net's encoder, and a narrower decoder, for small devices.

    Args:
        ena: see :class:`LightweightEncoder`.
        k: see there.
        base: see :class:`DiffMatte`; *chosen*: half the published.
    """

    def __init__(self, *, ena: bool = True, k: int = 16, base: int = 16) -> None:
        options = {"ena": int(ena), "k": k}
        super().__init__(LightweightEncoder(ena=ena, k=k), 96, 16, base, options)

    def picture(self, image: Tensor, trimap: Tensor) -> Tensor:
        """RGB as it is and the trimap in the order of the lightweight net."""
        return cat([image, trimap[:, :1], trimap[:, 2:], trimap[:, 1:2]], dim=1)
