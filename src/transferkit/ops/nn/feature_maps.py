"""Feature maps: which axis of a module's output counts the channels, and changing an output on its way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from typing import Any

from torch import Tensor, nn

__all__ = ["changed_output", "channel_axis"]

# Layers whose output has its channels on axis 1; any other has them last.
_CHANNELS_FIRST = (
    nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.InstanceNorm1d, nn.InstanceNorm2d,
)  # fmt: skip
_CHANNELS_LAST = (nn.Linear, nn.LayerNorm, nn.Embedding)


def channel_axis(module: nn.Module, output: Tensor) -> int:
    """The axis of a module's output that counts its channels: 1 after convolutions, the last one after dense layers."""
    kinds = [m for m in module.modules() if isinstance(m, (*_CHANNELS_FIRST, *_CHANNELS_LAST))]
    return 1 if output.ndim < 3 or (kinds and isinstance(kinds[-1], _CHANNELS_FIRST)) else output.ndim - 1


@contextmanager
def changed_output(module: nn.Module, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Within this context the module's output (of a tuple or mapping, its first part) is changed."""

    def hook(module: nn.Module, args: Any, output: Any) -> Any:
        if isinstance(output, Mapping):
            first = next(iter(output))
            changed = copy(output)
            changed[first] = change(output[first])
            return changed
        return (change(output[0]), *output[1:]) if isinstance(output, tuple) else change(output)

    handle = module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()
