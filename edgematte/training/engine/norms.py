"""BatchNorm's running statistics: measured anew, kept, copied."""

from torch import Tensor, nn


def _norms(model: nn.Module) -> list[nn.BatchNorm2d]:
    return [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]


def forget(model: nn.Module) -> None:
    """Let the next forwards in training mode give a plain mean over their batches."""
    for norm in _norms(model):
        norm.reset_running_stats()
        norm.momentum = None


def freeze(model: nn.Module) -> None:
    """Use the running statistics, and leave them as they are, though the model trains."""
    for norm in _norms(model):
        norm.eval()


def statistics(model: nn.Module) -> list[Tensor]:
    """All running means and variances."""
    buffers = (buffer for norm in _norms(model) for buffer in (norm.running_mean, norm.running_var))
    return [buffer for buffer in buffers if buffer is not None]


def copy(source: nn.Module, target: nn.Module) -> None:
    """Give a model of the same kind all buffers of another."""
    buffers = dict(target.named_buffers())
    for name, buffer in source.named_buffers():
        buffers[name].copy_(buffer)
