"""What goes on inside a network: outputs of named submodules, recorded while a forward pass runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from .structure import find, first_tensor

__all__ = ["tap"]


@contextmanager
def tap(module: nn.Module, layers: str | Sequence[str], *, exact: bool = False) -> Iterator[dict[str, Tensor]]:
    """Record the outputs of submodules during the forward passes within the context.

    Parameters
    ----------
    module : Module
        Left as it was when the context ends, also after an error.
    layers : str or sequence of str
        `fnmatch` patterns of submodule names, or of their ends after a dot.
    exact : bool
        Whether `layers` are full names instead of patterns.

    Yields
    ------
    dict of str to Tensor
        By full name, in the order in which they were called, the output of the last call, with its gradient graph. Of an
        output with several parts (tuples, mappings) the first. Empty it between passes if an earlier one must not linger.

    Raises
    ------
    ParamError
        If a pattern matches no submodule.
    AttributeError
        With `exact`, if there is no submodule of that name.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from transferkit.ops.nn.features import tap
    >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    >>> with tap(net, ["0", "1"]) as outputs:
    ...     _ = net(torch.zeros(5, 2))
    >>> {name: tuple(z.shape) for name, z in outputs.items()}
    {'0': (5, 3), '1': (5, 3)}
    """
    names = [layers] if isinstance(layers, str) else list(layers)
    found = [(n, module.get_submodule(n)) for n in names] if exact else find(module, names, where="tap")
    outputs: dict[str, Tensor] = {}

    def recorder(name: str) -> Any:
        def record(_: nn.Module, __: Any, output: Any) -> None:
            outputs[name] = first_tensor(output)

        return record

    handles = [m.register_forward_hook(recorder(n)) for n, m in found]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()
