"""What modules inside a network put out in one pass."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["inner_outputs", "look_inside"]


def inner_outputs(body: nn.Module, x: Any, names: Iterable[str] | None = None) -> dict[str, Tensor]:
    """Run a network and keep what is put out on the way.

    Parameters
    ----------
    body : Module
    x : tensor or mapping of tensors
        Its input.
    names : iterable of str, optional
        Modules of it; None are all.

    Returns
    -------
    dict of str to tensor
        In the order in which the modules finish; of a tuple the first part, of several runs the last. Modules that did not
        run, or gave no tensor, are not in it.
    """
    seen: dict[str, Tensor] = {}

    def keeper(name: str) -> Any:
        def keep(_module: nn.Module, _args: Any, output: Any) -> None:
            first = output[0] if isinstance(output, tuple) and output else output
            seen.pop(name, None)
            if isinstance(first, Tensor):
                seen[name] = first

        return keep

    chosen = [n for n, _ in body.named_modules() if n] if names is None else list(names)
    # Only for this pass: a hook that stayed would be copied with the network, and keep for the copy what the other puts out.
    hooks = [body.get_submodule(name).register_forward_hook(keeper(name)) for name in chosen]
    try:
        body(x)
    finally:
        for hook in hooks:
            hook.remove()
    return seen


def look_inside(body: nn.Module, x: Any) -> dict[str, Tensor]:
    """The outputs of all modules for an example, in evaluation mode and without gradients; modes are as before afterwards."""
    modes = {m: m.training for m in body.modules()}
    try:
        with torch.no_grad():
            return inner_outputs(body.eval(), x)
    finally:
        for module, mode in modes.items():
            module.training = mode
