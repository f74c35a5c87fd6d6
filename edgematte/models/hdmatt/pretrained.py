"""ResNet-34 classifiers in torchvision's layout, for HDMatt's encoder, which has their names."""

from torch import Tensor

from edgematte.models.hdmatt.resnet import Encoder
from edgematte.models.pretrained import Layout, start, widened


def _adapt(name: str, value: Tensor, own: Tensor) -> Tensor:
    return widened(value, own.shape[1]) if name == "conv1.weight" and value.ndim == 4 else value


LAYOUT = Layout(
    "ResNet-34 in torchvision's layout",
    rules=(),
    stays=r"^aspp\.|\.num_batches_tracked$",  # torchvision's older files lack the counts
    ignored=r"^fc\.|\.num_batches_tracked$",
    adapt=_adapt,
)


def from_resnet34(encoder: Encoder, state: dict[str, Tensor], source: str) -> None:
    """Start from a classifier: all layers before its last one (section 4.2).

    The first convolution sees RGB there; the trimap's three channels start at zero. ASPP stays as
    built.

    Raises:
        CheckpointError: see :func:`edgematte.models.pretrained.start`.
    """
    start(encoder, state, LAYOUT, source)
