"""A run in several processes, as torchrun starts them; with one process nothing happens here.

On a processor, a single-threaded process for each core is faster than threads, and suffers less
from other load.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor


@contextmanager
def joined(device: torch.device) -> Iterator[torch.device]:
    """Join the processes that torchrun started, if it did; gives the device of this process."""
    if "WORLD_SIZE" not in os.environ:
        yield device
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield device
    finally:
        dist.destroy_process_group()


def count() -> int:
    """How many processes take part."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Which of them this is; 0 is the one that writes."""
    return dist.get_rank() if dist.is_initialized() else 0


def average(tensors: Iterable[Tensor]) -> None:
    """Replace tensors by their mean over the processes."""
    if count() == 1:
        return
    kept = list(tensors)
    flat = torch.cat([tensor.flatten() for tensor in kept]) / count()
    dist.all_reduce(flat)
    for tensor, part in zip(kept, torch.split(flat, [t.numel() for t in kept]), strict=True):
        tensor.copy_(part.view(tensor.shape))


def agreed(value: float, device: torch.device) -> float:
    """The first process's value, so that all processes have the same rate and end together."""
    if count() == 1:
        return value
    shared = torch.tensor(value, dtype=torch.float64, device=device)
    dist.broadcast(shared, 0)
    return float(shared)
