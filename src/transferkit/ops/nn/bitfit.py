"""BitFit: only the biases train."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from ...core.constraints import Boolean
from ...core.errors import ParamError
from .layers import is_affine_norm
from .structure import check_option, find

__all__ = ["bitfit"]


def bitfit(module: nn.Module, *, layers: str | Sequence[str] | None = None, norms: bool = True) -> list[nn.Parameter]:
    """Select the biases of a network; nothing is added and nothing changes.

    Parameters
    ----------
    module : Module
        Left as it is.
    layers : str or list of str, optional
        Patterns of the layers whose biases are meant; None is all. ``"query"`` and ``"intermediate.dense"`` are the half
        of BERT's that the paper finds to be enough.
    norms : bool, default=True
        Whether the shifts of normalisations count as biases, as in the paper.

    Returns
    -------
    list of Parameter
        Every parameter of a chosen layer itself whose name ends in "bias".

    Raises
    ------
    ParamError
        If there are none.

    References
    ----------
    Ben Zaken, Ravfogel & Goldberg. BitFit: Simple Parameter-efficient Fine-tuning for Transformer-based Masked
    Language-models. ACL 2022. https://arxiv.org/abs/2106.10199

    Examples
    --------
    >>> from torch import nn
    >>> from transferkit.ops.nn.edits import apply_edit
    >>> apply_edit(nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3)), {"edit": "bitfit", "norms": False})
    ['0.bias']
    """
    check_option("bitfit", "norms", norms, Boolean())

    def able(layer: nn.Module) -> bool:
        return bool(_biases(layer)) and (norms or not is_affine_norm(layer))

    found = find(module, layers, able, where="apply_edit: bitfit", kind="layers with a bias")
    if not found:
        raise ParamError(f"apply_edit: module must have biases for bitfit. Got {type(module).__name__} without.")
    return [p for _, layer in found for p in _biases(layer)]


def _biases(layer: nn.Module) -> list[nn.Parameter]:
    return [p for name, p in layer.named_parameters(recurse=False) if name.endswith("bias")]
