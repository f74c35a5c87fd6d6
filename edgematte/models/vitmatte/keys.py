"""The two published layouts of ViTMatte's checkpoints, renamed to this module's and back.

One table: our names, the authors' and those of transformers' ``VitMatteForImageMatting``; ``#``
stands for a number. Neither layout holds the normalisation: ImageNet's is added.
"""

import re
from collections.abc import Sequence

import torch
from torch import Tensor

from edgematte.imagenet import IMAGENET_MEAN, IMAGENET_STD

AUTHORS, TRANSFORMERS = 1, 2  # columns of the table

BACKBONE = (
    ("backbone.position", "backbone.pos_embed", "backbone.embeddings.position_embeddings"),
    ("backbone.embed.", "backbone.patch_embed.proj.", "backbone.embeddings.projection."),
    *(
        (f"backbone.blocks.#.{a}", f"backbone.blocks.#.{b}", f"backbone.encoder.layer.#.{c}")
        for a, b, c in (
            ("norm1.", "norm1.", "norm1."),
            ("norm2.", "norm2.", "norm2."),
            ("attention.qkv.", "attn.qkv.", "attention.qkv."),
            ("attention.proj.", "attn.proj.", "attention.proj."),
            ("attention.relative_rows", "attn.rel_pos_h", "attention.rel_pos_h"),
            ("attention.relative_columns", "attn.rel_pos_w", "attention.rel_pos_w"),
            ("mlp.0.", "mlp.fc1.", "mlp.fc1."),
            ("mlp.2.", "mlp.fc2.", "mlp.fc2."),
            ("neck.", "residual.", "residual."),
        )
    ),
)
DECODER = (
    ("decoder.stream.#.0.", "decoder.convstream.convs.#.conv.", "decoder.convstream.convs.#.conv."),
    (
        "decoder.stream.#.1.",
        "decoder.convstream.convs.#.bn.",
        "decoder.convstream.convs.#.batch_norm.",
    ),
    (
        "decoder.fusion.#.0.",
        "decoder.fusion_blks.#.conv.conv.",
        "decoder.fusion_blocks.#.conv.conv.",
    ),
    (
        "decoder.fusion.#.1.",
        "decoder.fusion_blks.#.conv.bn.",
        "decoder.fusion_blocks.#.conv.batch_norm.",
    ),
    ("decoder.head.", "decoder.matting_head.matting_convs.", "decoder.matting_head.matting_convs."),
)
TABLE = BACKBONE + DECODER
POINTWISE = re.compile(r"\.neck\.conv[13]\.weight$")  # 1x1 convolutions there, linear here


def from_official(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state in either published layout -> in ours; any other state comes back as it is.

    Keys that no layout knows keep their names, so that loading names them.
    """
    layout = _layout(state)
    if not layout:
        return state
    tensors = rename(state, layout, 0)
    tensors = {
        name: value[:, :, 0, 0] if POINTWISE.search(name) and value.ndim == 4 else value
        for name, value in tensors.items()
    }
    tensors.setdefault("mean", torch.tensor(IMAGENET_MEAN))
    tensors.setdefault("std", torch.tensor(IMAGENET_STD))
    return tensors


def to_official(state: dict[str, Tensor], layout: int = TRANSFORMERS) -> dict[str, Tensor]:
    """A state in our layout -> in a published one, for tools that read those.

    The normalisation is left out: it belongs into ``preprocessor_config.json``.
    """
    spread = {
        name: value[:, :, None, None] if POINTWISE.search(name) else value
        for name, value in state.items()
        if name not in ("mean", "std")
    }
    return rename(spread, 0, layout)


def rename(
    state: dict[str, Tensor],
    source: int,
    target: int,
    table: Sequence[tuple[str, str, str]] = TABLE,
) -> dict[str, Tensor]:
    """Names of one column of a table -> of another; names that are not in it stay."""
    rules = [(_pattern(row[source]), row[target].replace("#", r"\g<1>")) for row in table]
    renamed = {}
    for name, value in state.items():
        for pattern, replacement in rules:
            changed, hits = pattern.subn(replacement, name)
            if hits:
                name = changed
                break
        renamed[name] = value
    return renamed


def _pattern(name: str) -> re.Pattern[str]:
    return re.compile("^" + re.escape(name).replace(r"\#", r"(\d+)"))


def _layout(state: dict[str, Tensor]) -> int:
    for column in (AUTHORS, TRANSFORMERS):
        if TABLE[0][column] in state:
            return column
    return 0
