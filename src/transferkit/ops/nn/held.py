"""A module as a fixed function: gradients pass through it and leave it as it is."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["held"]


def held(module: nn.Module, *inputs: Any) -> Tensor:
    """What a module gives, with its parameters as constants.

    Parameters
    ----------
    module : Module
        It may be trained by another part of the same loss; moving statistics follow these inputs, too.
    *inputs : tensors
        What its ``forward`` takes; they get a gradient.

    Returns
    -------
    tensor
    """
    constants = {name: p.detach() for name, p in module.named_parameters()}
    found: Tensor = torch.func.functional_call(module, constants, inputs)
    return found
