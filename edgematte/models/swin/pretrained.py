"""Swin classifiers in the authors' and in timm's layout, for :class:`Swin`.

timm counts a merging as the start of the stage after it, the authors as the end of the one before.
"""

import re

from torch import Tensor

from edgematte.models.pretrained import Layout, start
from edgematte.models.swin.network import Swin

RULES = (
    (r"^embed\.", "patch_embed.proj."),
    (r"^norm\.", "patch_embed.norm."),
    (r"^merges\.(\d)\.", r"layers.\1.downsample."),
    (r"^stages\.(\d)\.", r"layers.\1.blocks."),
    (r"\.attention\.bias_table$", ".attn.relative_position_bias_table"),
    (r"\.attention\.", ".attn."),
    (r"\.mlp\.0\.", ".mlp.fc1."),
    (r"\.mlp\.2\.", ".mlp.fc2."),
)
IGNORED = r"^norm\.|^head\.|\.attn_mask$|\.relative_position_index$"
LATE = re.compile(r"^layers\.3\.downsample\.")  # timm's: the authors' last stage ends in none
MERGE = re.compile(r"^layers\.(\d)\.(?=downsample\.)")


def _adapt(name: str, value: Tensor, own: Tensor) -> Tensor:
    """A patch embedding for smaller patches, as it sees the picture reduced to fit.

    Every weight is spread over a square: a patch of 16 pixels gives what a patch of 4 does of a
    picture reduced to a quarter, each pixel the mean of 16.
    """
    if name == "embed.weight" and value.ndim == 4 and own.shape[2] % value.shape[2] == 0:
        times = own.shape[2] // value.shape[2]
        return value.repeat_interleave(times, 2).repeat_interleave(times, 3) / times**2
    return value


LAYOUT = Layout("Swin in its authors' or timm's layout", RULES, ignored=IGNORED, adapt=_adapt)


def from_swin(swin: Swin, state: dict[str, Tensor], source: str) -> None:
    """Start from a Swin of the same widths, depths and window; patches may be smaller there.

    Raises:
        CheckpointError: see :func:`edgematte.models.pretrained.start`.
    """
    if any(LATE.search(name) for name in state):
        state = {
            MERGE.sub(lambda match: f"layers.{int(match[1]) - 1}.", name): value
            for name, value in state.items()
        }
    start(swin, state, LAYOUT, source)
