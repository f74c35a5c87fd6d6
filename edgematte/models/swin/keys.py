"""The names of Swin's parameters in its authors' code, which other nets' checkpoints hold too."""

import re


def swin_rules(theirs: str, ours: str) -> tuple[tuple[str, str], ...]:
    """Rules (pattern, replacement), to apply in their order: a Swin in the authors' names -> ours.

    Args:
        theirs: what its names start with there, such as ``backbone.``.
        ours: what they start with here; the rules find their own results by it.
    """
    there, here = re.escape(theirs), re.escape(ours)
    return (
        (rf"^{there}patch_embed\.proj\.", f"{ours}embed."),
        (rf"^{there}patch_embed\.norm\.", f"{ours}norm."),
        (rf"^{there}layers\.(\d)\.downsample\.", rf"{ours}merges.\1."),
        (rf"^{there}layers\.(\d)\.blocks\.", rf"{ours}stages.\1."),
        (rf"^({here}stages\..*)\.attn\.relative_position_bias_table$", r"\1.attention.bias_table"),
        (rf"^({here}stages\..*)\.attn\.", r"\1.attention."),
        (rf"^({here}stages\..*)\.mlp\.fc1\.", r"\1.mlp.0."),
        (rf"^({here}stages\..*)\.mlp\.fc2\.", r"\1.mlp.2."),
    )
