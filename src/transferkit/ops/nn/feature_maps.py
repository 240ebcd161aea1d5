"""Feature maps: what modules inside a network put out, and which of its axes counts the channels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

__all__ = ["FeatureMaps", "channel_axis", "changed_output"]

# Layers whose output has its channels on axis 1; any other has them last.
_CHANNELS_FIRST = (
    nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.InstanceNorm1d, nn.InstanceNorm2d,
)  # fmt: skip
_CHANNELS_LAST = (nn.Linear, nn.LayerNorm, nn.Embedding)


class FeatureMaps:
    """Keeps the outputs of named modules at each forward pass, until `close` is called.

    Parameters
    ----------
    module : Module
        The network.
    names : sequence of str
        Full names of modules in it.

    Attributes
    ----------
    maps : dict of str to Tensor
        The latest outputs; of a tuple its first part. Modules that gave no tensor, or did not run, are not in it.
    """

    def __init__(self, module: nn.Module, names: Sequence[str]) -> None:
        self.maps: dict[str, Tensor] = {}
        self._handles = [module.get_submodule(name).register_forward_hook(self._keeper(name)) for name in names]

    def _keeper(self, name: str) -> Callable[..., None]:
        maps = self.maps  # a plain function: a copy of the network does not copy what is kept

        def keep(module: nn.Module, args: Any, output: Any) -> None:
            first = output[0] if isinstance(output, tuple) else output
            if isinstance(first, Tensor):
                maps[name] = first

        return keep

    def close(self) -> None:
        """Take the hooks off, and forget."""
        for handle in self._handles:
            handle.remove()
        self.maps.clear()


def channel_axis(module: nn.Module, output: Tensor) -> int:
    """The axis of a module's output that counts its channels: 1 after convolutions, the last one after dense layers."""
    kinds = [m for m in module.modules() if isinstance(m, (*_CHANNELS_FIRST, *_CHANNELS_LAST))]
    return 1 if output.ndim < 3 or (kinds and isinstance(kinds[-1], _CHANNELS_FIRST)) else output.ndim - 1


@contextmanager
def changed_output(module: nn.Module, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Within this context the module's output (of a tuple, its first part) is changed."""

    def hook(module: nn.Module, args: Any, output: Any) -> Any:
        return (change(output[0]), *output[1:]) if isinstance(output, tuple) else change(output)

    handle = module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()
