"""The layout of the authors' checkpoints of the regional net, renamed to this module's.

Their files hold ``{"mat_model": {...}, "discriminator": {...}}``. Swin's query, key and value
projections and its merging norms are stored in parts there; masks, indices and grids that follow
from sizes are stored too, and skipped.
"""

import re

from torch import Tensor, cat

from edgematte.models.swin.keys import swin_rules

MARK = "lowres_model."  # every file of theirs has keys that start so

SKIPPED = re.compile(
    r"\.attn_mask$|\.relative_position_index$|^lowres_model\.encoder\.(mean|std)$|^upsample_grid_"
)
PARTS = (
    (re.compile(r"(.*\.attn\.qkv)\.[qkv]_(weight|bias)"), "{0}.{1}"),
    (re.compile(r"(.*\.downsample\.norm)\.(weight|bias)(?:e?s)\.\d"), "{0}.{1}"),
)
RENAMES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"^lowres_model\.encoder\.model\.swin\.", "coarse_net.encoder."),
        *swin_rules("coarse_net.encoder.", "coarse_net.encoder."),
        (r"^lowres_model\.decoder\.up_blocks\.1\.0\.conv\.", "coarse_net.ups.0."),
        (r"^lowres_model\.decoder\.up_blocks\.2\.0\.conv\.", "coarse_net.ups.1."),
        (r"^lowres_model\.decoder\.up_blocks\.3\.0\.conv\.", "coarse_net.ups.2."),
        (r"^trimap_heads\.", "coarse_net.trimap_heads."),
        (r"^seg_heads\.", "coarse_net.alpha_heads."),
        (r"^rel_pos_bias_table$", "bias_table"),
        (r"^roi_head\.encoder\.down_blocks\.0\.", "region_encoder.level8."),
        (r"^roi_head\.encoder\.down_blocks\.1\.", "region_encoder.level4."),
        (r"^roi_head\.encoder\.down_blocks\.2\.", "region_encoder.level2."),
        (r"^roi_head\.decoder\.up_blocks\.0\.", "region_decoder.level4."),
        (r"^roi_head\.decoder\.up_blocks\.1\.", "region_decoder.level8."),
        (r"^roi_head\.decoder\.up_blocks\.2\.", "region_decoder.full."),
        (r"^(region_decoder\..*)\.deconv\.", r"\1.conv."),
        (r"^roi_matte_head\.", "region_decoder.head."),
        (r"^roi_head\.enc_head\.", "cra.enter."),
        (r"^roi_head\.dec_head\.", "cra.leave."),
        (r"^roi_head\.transformer\.layers\.0\.", "cra.pairwise."),
        (r"^roi_head\.transformer\.layers\.1\.", "cra.central."),
        (r"^(cra\.\w+)\.0\.", r"\1.norm1."),
        (r"^(cra\.\w+)\.1\.to_q\.", r"\1.query."),
        (r"^(cra\.\w+)\.1\.to_kv\.", r"\1.key_value."),
        (r"^(cra\.\w+)\.1\.to_qkv\.", r"\1.query_key_value."),
        (r"^(cra\.\w+)\.1\.to_out\.0\.", r"\1.out."),
        (r"^(cra\.\w+)\.2\.", r"\1.norm2."),
        (r"^(cra\.\w+)\.3\.net\.0\.", r"\1.mlp.0."),
        (r"^(cra\.\w+)\.3\.net\.3\.", r"\1.mlp.2."),
    )
)


def from_official(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state in the authors' layout -> in ours; any other state comes back as it is.

    Keys that neither layout knows keep their names, so that loading names them.
    """
    if not any(name.startswith(MARK) for name in state):
        return state
    joined: dict[str, list[Tensor]] = {}
    for name in sorted(state):  # k, q and v apart, parts of a norm by number
        if not SKIPPED.search(name):
            joined.setdefault(_whole(name), []).append(state[name])
    tensors: dict[str, Tensor] = {}
    for name, parts in joined.items():
        if name.endswith((".qkv.weight", ".qkv.bias")) and len(parts) == 3:
            key, query, value = parts  # in the order of their names
            parts = [query, key, value]
        value = parts[0] if len(parts) == 1 else cat(parts)
        renamed = _renamed(name)
        if ".query_key_value." in renamed:
            query, key, value = value.chunk(3)
            tensors[renamed.replace("query_key_value", "query")] = query
            tensors[renamed.replace("query_key_value", "key_value")] = cat([key, value])
        else:
            tensors[renamed] = value
    return tensors


def _whole(name: str) -> str:
    for pattern, joined in PARTS:
        if match := pattern.fullmatch(name):
            return joined.format(*match.groups())
    return name


def _renamed(name: str) -> str:
    for pattern, replacement in RENAMES:
        name = pattern.sub(replacement, name)
    return name
