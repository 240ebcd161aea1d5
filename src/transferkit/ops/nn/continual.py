"""Parts of continual learning: an output layer that grows, losses over groups of outputs, importance of weights, projection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from .heads import Head

__all__ = [
    "anchored_squares",
    "grouped_cross_entropy",
    "grow_head",
    "grow_importance",
    "log_shares",
    "merge_quadratics",
    "project",
    "row_fisher",
    "row_sensitivity",
]  # fmt: skip


def grow_head(head: Head, n_outputs: int) -> Head:
    """A head with more outputs: those that were there are as before, the new ones have first weights.

    Parameters
    ----------
    head : Head
    n_outputs : int
        At least as many as it has.

    Returns
    -------
    Head
        The same one, where nothing is new.
    """
    if n_outputs == head.spec["n_outputs"]:
        return head
    grown = Head(**{**head.spec, "n_outputs": n_outputs})
    with torch.no_grad():
        old, new = head.state_dict(), grown.state_dict()
        for name, value in old.items():
            new[name] = _padded(value, new[name])
        grown.load_state_dict(new)
    return grown


def grow_importance(state: Mapping[str, Tensor], like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors by the name of a parameter, as large as the parameters are now; zero where these are new."""
    return {
        name: _padded(state[name], torch.zeros_like(p)) if name in state else torch.zeros_like(p)
        for name, p in like.items()
    }


def _padded(value: Tensor, room: Tensor) -> Tensor:
    """`room` with its first rows replaced; the same shape is replaced altogether."""
    if value.shape == room.shape:
        return value.clone()
    found = room.clone()
    found[: len(value)] = value
    return found


def log_shares(outputs: Tensor, y: Tensor | None, groups: Tensor) -> Tensor:
    """Log-probabilities of shape (n_rows, n_outputs) within a group of outputs; minus infinity outside.

    Parameters
    ----------
    outputs : tensor of shape (n_rows, n_outputs)
    y : int64 tensor of shape (n_rows,)
        The group of a row is that of this output of it.
    groups : int64 tensor of shape (n_outputs,)
    """
    outside = groups[None, :] != groups[y][:, None]
    return outputs.float().masked_fill(outside, -torch.inf).log_softmax(1)


def grouped_cross_entropy(outputs: Tensor, y: Tensor, groups: Tensor, reduction: str = "mean") -> Tensor:
    """Cross-entropy of each row over the outputs of its own group only; parameters as `log_shares`."""
    return functional.nll_loss(log_shares(outputs, y, groups), y, reduction=reduction)


def anchored_squares(
    params: Mapping[str, Tensor], anchors: Mapping[str, Tensor], importance: Mapping[str, Tensor]
) -> Tensor:
    """``sum_i importance_i (param_i - anchor_i)^2`` over all entries, in single precision.

    Examples
    --------
    >>> import torch
    >>> from transferkit.ops.nn.continual import anchored_squares
    >>> one = {"w": torch.tensor([1.0, 2.0])}
    >>> anchored_squares(one, {"w": torch.zeros(2)}, {"w": torch.tensor([1.0, 0.5])}).item()
    3.0
    """
    parts = [(w * (params[name] - anchors[name]).float().square()).sum() for name, w in importance.items()]
    return torch.stack(parts).sum()


def merge_quadratics(
    anchors: Mapping[str, Tensor],
    importance: Mapping[str, Tensor],
    new_anchors: Mapping[str, Tensor],
    new_importance: Mapping[str, Tensor],
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Two quadratic penalties as one: ``a (w - u)^2 + b (w - v)^2 = (a + b) (w - c)^2 + constant``.

    Returns
    -------
    anchors, importance : dict of str to tensor
        ``c = (a u + b v) / (a + b)`` and ``a + b``; where both weights are zero, the new anchor.
    """
    total = {name: importance[name] + new_importance[name] for name in importance}
    middle = {}
    for name, weight in total.items():
        mixed = importance[name] * anchors[name] + new_importance[name] * new_anchors[name]
        middle[name] = torch.where(
            weight > 0, mixed / weight.clamp_min(torch.finfo(weight.dtype).tiny), new_anchors[name]
        )
    return middle, total


def row_fisher(log_p: Tensor, params: Sequence[nn.Parameter], kind: str, y: int, draw: float) -> list[Tensor]:
    """Squared gradients of one row's log-likelihood: its part of the diagonal of the Fisher information.

    Parameters
    ----------
    log_p : tensor of shape (n_outputs,)
        Log-probabilities of the row.
    params : sequence of parameters
    kind : {"exact", "sampled", "empirical"}
        The expectation over the classes as the network believes in them; one class drawn from that; or the row's label.
    y : int
        The row's label.
    draw : float
        A number of [0, 1) that draws the class.

    Returns
    -------
    list of tensors
        Shaped as the parameters.
    """
    p = log_p.detach().exp()
    if kind == "exact":
        weights = {c: float(p[c]) for c in range(len(p)) if p[c] > 0}
    elif kind == "sampled":
        weights = {min(int(torch.searchsorted(p.cumsum(0), draw)), int(p.nonzero().max())): 1.0}
    else:
        weights = {y: 1.0}
    found = [torch.zeros_like(q) for q in params]
    for k, (c, weight) in enumerate(weights.items()):
        grads = torch.autograd.grad(log_p[c], params, retain_graph=k < len(weights) - 1, allow_unused=True)
        for own, g in zip(found, grads):
            if g is not None:
                own.addcmul_(g, g, value=weight)
    return found


def row_sensitivity(outputs: Tensor, params: Sequence[nn.Parameter]) -> list[Tensor]:
    """Absolute gradients of the squared length of one row's outputs (Aljundi et al., ECCV 2018, eq. 4)."""
    grads = torch.autograd.grad(outputs.float().square().sum(), params, allow_unused=True)
    return [torch.zeros_like(p) if g is None else g.abs() for p, g in zip(params, grads)]


def project(gradient: Tensor, reference: Tensor) -> Tensor:
    """The nearest direction that does not oppose the reference (Chaudhry et al., ICLR 2019, eq. 11).

    Examples
    --------
    >>> import torch
    >>> from transferkit.ops.nn.continual import project
    >>> project(torch.tensor([1.0, -1.0]), torch.tensor([0.0, 2.0])).tolist()
    [1.0, 0.0]
    """
    along = gradient @ reference
    if along >= 0:
        return gradient
    return gradient - along / (reference @ reference) * reference
