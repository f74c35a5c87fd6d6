"""The layout of the authors' checkpoints of DiffMatte, renamed to this module's.

Their trainer's files hold ``model.backbone.*`` and ``model.decoder.*``, of which
:mod:`edgematte.state_dict` takes ``model.`` off. Convolutions of the ResNet-34 are stored with
spectral norm, as ``weight_bar`` and the vectors ``weight_u`` and ``weight_v``: the weight that
evaluation uses, weight_bar / (u . W v), is worked out here.
"""

import re

from torch import Tensor

from edgematte.models.swin.keys import swin_rules
from edgematte.models.vitmatte.keys import AUTHORS, BACKBONE, POINTWISE, rename

MARK = "decoder.mid_blk."  # every file of theirs has keys that start so
SKIPPED = re.compile(r"\.relative_position_index$|^pixel_(mean|std)$")
SPECTRAL = re.compile(r"(.*)\.module\.weight_(bar|u|v)")

DECODER = (
    (r"^decoder\.time_embed\.0\.", "decoder.time.enter."),
    (r"^decoder\.time_embed\.2\.", "decoder.time.leave."),
    (r"^decoder\.down_blks\.", "decoder.downs."),
    (r"^decoder\.mid_blk\.", "decoder.middle."),
    (r"^decoder\.up_blks\.", "decoder.ups."),
    (r"^decoder\.matting_head\.matting_convs\.", "decoder.head."),
    (r"^(decoder\..*)\.conv1\.", r"\1.enter."),
    (r"^(decoder\..*)\.conv2\.", r"\1.conv."),
    (r"^(decoder\..*)\.bn(\d)\.", r"\1.norm\2."),
    (r"^(decoder\..*)\.emb_layers\.0\.", r"\1.time."),
    (r"^(decoder\..*)\.(downsample\.op|upsample\.conv)\.", r"\1.around."),
)
RES34 = (
    *((rf"^backbone\.conv{i + 1}\.", f"encoder.stem.{3 * i}.") for i in range(3)),
    *((rf"^backbone\.bn{i + 1}\.", f"encoder.stem.{3 * i + 1}.") for i in range(3)),
    *((rf"^backbone\.layer{i + 1}\.", f"encoder.levels.{i}.") for i in range(3)),
    (r"^backbone\.layer_bottleneck\.", "encoder.levels.3."),
    (r"^(encoder\.levels\..*)\.bn(\d)\.", r"\1.norm\2."),
    (r"^(encoder\.levels\..*)\.downsample\.", r"\1.around."),
)
SWIN = swin_rules("backbone.", "encoder.")


def from_official(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state in the authors' layout -> in ours; any other state comes back as it is.

    Keys that neither layout knows keep their names, so that loading names them.
    """
    if not any(name.startswith(MARK) for name in state):
        return state
    state = fold_spectral_norm({k: v for k, v in state.items() if not SKIPPED.search(k)})
    if "backbone.pos_embed" in state:
        state = rename(state, AUTHORS, 0, BACKBONE)
        state = {re.sub(r"^backbone\.", "encoder.", name): v for name, v in state.items()}
    rules = DECODER + RES34 + SWIN
    renamed: dict[str, Tensor] = {}
    for name, value in state.items():
        for pattern, replacement in rules:
            name = re.sub(pattern, replacement, name)
        squeezed = POINTWISE.search(name) and value.ndim == 4
        renamed[name] = value[:, :, 0, 0] if squeezed else value
    return renamed


def fold_spectral_norm(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """``X.module.weight_bar``, ``_u`` and ``_v`` -> ``X.weight``; the rest stays.

    Where a part is missing the others keep their names, so that loading names them.
    """
    parts: dict[str, dict[str, Tensor]] = {}
    plain: dict[str, Tensor] = {}
    for name, value in state.items():
        if match := SPECTRAL.fullmatch(name):
            parts.setdefault(match[1], {})[match[2]] = value
        else:
            plain[name] = value
    for layer, given in parts.items():
        if set(given) != {"bar", "u", "v"}:
            plain |= {f"{layer}.module.weight_{part}": value for part, value in given.items()}
            continue
        weight = given["bar"].double()
        sigma = given["u"].double() @ (weight.flatten(1) @ given["v"].double())
        plain[f"{layer}.weight"] = (weight / sigma).to(given["bar"].dtype)
    return plain
