"""Where a run computes, and in what precision."""

import torch

from edgematte.errors import EngineError

BFLOAT16 = ("avx512_bf16", "amx_bf16", "bf16", "arm_bf16")


def choose_device(name: str | None) -> torch.device:
    """The device of this name, cpu or cuda; without one, cuda where there is one, else cpu.

    Raises:
        EngineError: cuda was asked for and PyTorch finds none.
    """
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        built = f"for CUDA {torch.version.cuda}" if torch.version.cuda else "without CUDA"
        raise EngineError(
            f"device cuda: PyTorch {torch.__version__}, built {built}, finds no CUDA device; "
            "install a build for the driver at hand or take device cpu"
        )
    return torch.device(name or ("cuda" if there else "cpu"))


def choose_precision(device: torch.device) -> torch.dtype:
    """What to compute convolutions in: bfloat16 where the device has it.

    Else float16 on CUDA, whose loss is scaled, and float32 on processors.
    """
    if device.type == "cuda":
        has = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if has else torch.float16
    # Not there before torch 2.10: float32 then.
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    has = any(capabilities.get(name) for name in BFLOAT16)
    return torch.bfloat16 if has else torch.float32
