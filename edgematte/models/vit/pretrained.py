"""Plain vision transformers in the layouts of DINO's and MAE's files, for :class:`ViT`.

Both name parameters as timm does. DINO's full files hold ``student`` and ``teacher`` with
``backbone.`` before each name, MAE's hold ``model``, maybe with a decoder; see
:func:`edgematte.state_dict.read_state_dict`. Final norm, class token and heads have no place here.
"""

from torch import Tensor, cat

from edgematte.models.pretrained import Layout, start, widened, without_prefixes
from edgematte.models.vit.network import ViT

PREFIXES = ("backbone.", "encoder.")
RULES = (
    (r"^embed\.", "patch_embed.proj."),
    (r"^position$", "pos_embed"),
    (r"\.attention\.", ".attn."),
    (r"\.mlp\.0\.", ".mlp.fc1."),
    (r"\.mlp\.2\.", ".mlp.fc2."),
)
IGNORED = r"^(cls_token|mask_token|norm\.|fc_norm\.|head\.|pre_logits\.|decoder_)"


def _adapt(name: str, value: Tensor, own: Tensor) -> Tensor:
    if name == "embed.weight" and value.ndim == 4:
        return widened(value, own.shape[1])
    if name == "position" and value.ndim == 3 and value.shape[1] == own.shape[1] - 1:
        return cat([value.new_zeros(1, 1, value.shape[2]), value], dim=1)  # had no class token
    return value


LAYOUT = Layout(
    "plain ViT in DINO's or MAE's layout", RULES, r"\.neck\.|\.relative_", IGNORED, _adapt
)


def from_plain_vit(vit: ViT, state: dict[str, Tensor], source: str) -> None:
    """Start from a plain transformer of the same width, depth and grid of positions.

    The patch embedding gains a channel of zeros for the trimap. The class token's position is not
    used. Relative positions and necks, which plain transformers lack, stay as built: zeros and the
    identity.

    Raises:
        CheckpointError: see :func:`edgematte.models.pretrained.start`.
    """
    start(vit, without_prefixes(state, PREFIXES), LAYOUT, source)
