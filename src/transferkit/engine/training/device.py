"""Where and in what precision a network runs."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ...core.errors import ParamError

__all__ = ["Place", "find_place", "is_out_of_memory"]

# The allocators of CPUs (two of them), of Apple's and other GPUs, and of cuBLAS, cuDNN, cuSOLVER, cuSPARSE and cuFFT.
_NO_MEMORY = (
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    "_STATUS_ALLOC_FAILED",
    "CUFFT_ALLOC_FAILED",
)
_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Place:
    """A device and a precision.

    Attributes
    ----------
    device : torch.device
    precision : {"fp32", "bf16", "fp16"}
    channels_last : bool
        Memory format for convolutional networks.
    """

    device: torch.device
    precision: str = "fp32"
    channels_last: bool = True

    def autocast(self) -> AbstractContextManager[object]:
        """The context that a forward pass runs in."""
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=_DTYPES[self.precision])

    def put(self, module: nn.Module) -> nn.Module:
        """The module here, in the memory format that suits it."""
        module = module.to(self.device)
        if self.channels_last and any(isinstance(m, nn.Conv2d) for m in module.modules()):
            module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return module

    def seed(self, value: int) -> None:
        """Seed what dropout and the like draw from here.

        `torch.manual_seed` seeds every kind of device that there might be, which takes longer than a small network's update.
        """
        torch.default_generator.manual_seed(value)
        if self.device.type in ("cuda", "mps"):
            getattr(torch, self.device.type).manual_seed(value)

    def arrange(self, x: Any) -> Any:
        """An input in the memory format of the network's weights."""
        if isinstance(x, Tensor) and x.ndim == 4 and self.channels_last:
            return x.contiguous(memory_format=torch.channels_last)
        return x


def find_place(device: str = "auto", precision: str = "auto", channels_last: bool = True) -> Place:
    """The place that was asked for.

    Parameters
    ----------
    device : str
        "auto" is a GPU where there is one, else the CPU; within `torchrun` each process takes its own GPU.
    precision : {"auto", "fp32", "bf16", "fp16"}
        "auto" is bf16 on a GPU that has it, else fp32.
    channels_last : bool

    Returns
    -------
    Place

    Raises
    ------
    ParamError
        If the device is not there or cannot do the precision.
    """
    name = device
    if device == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        found = torch.device(name)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError) as err:
        raise ParamError(f"device must be one that is here ('auto', 'cpu', ...). Got {device!r}: {err}") from err
    if found.type == "cuda" and found.index is None and torch.distributed.is_initialized():
        found = torch.device("cuda", torch.distributed.get_rank() % torch.cuda.device_count())
    if precision == "auto":
        precision = "bf16" if found.type == "cuda" and torch.cuda.is_bf16_supported() else "fp32"
    if precision == "fp16" and found.type == "cpu":
        raise ParamError("precision must be 'fp32' or 'bf16' on a CPU. Got 'fp16'.")
    return Place(found, precision, channels_last)


def is_out_of_memory(err: RuntimeError) -> bool:
    """Whether an error says that memory ran out, on a GPU or a CPU.

    Only CUDA's own allocator has a class for it. Its libraries, Apple's GPUs and CPUs tell by their message.
    """
    return isinstance(err, torch.OutOfMemoryError) or any(words in str(err) for words in _NO_MEMORY)
