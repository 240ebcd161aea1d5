"""A probe as the head that fine-tuning starts from, so that no random head distorts the features first."""

from __future__ import annotations

import torch
from torch import nn

from ...core.protocols import Array
from ...ops.nn.heads import Head
from ..answers.labels import Labels
from ..features.probe import fit_probe
from ..inputs.rows import Rows
from ..networks.inference import outputs_of
from ..networks.network import Network
from ..training.device import Place
from ..training.settings import Training

__all__ = ["as_linear", "start_from_probe"]


def as_linear(probe: Head) -> Head:
    """The same function as a linear head without standardisation, which is folded into its weights.

    Parameters
    ----------
    probe : Head
        Of `fit_probe`.

    Returns
    -------
    Head
    """
    norm, out = probe.norm, probe.out
    assert isinstance(norm, nn.BatchNorm1d)
    assert isinstance(out, nn.Linear)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    head = Head(out.in_features, out.out_features, "linear", probe.spec["dropout"])
    assert isinstance(head.out, nn.Linear)
    with torch.no_grad():
        scale = (norm.running_var.double() + norm.eps).rsqrt() * norm.weight.double()
        shift = norm.bias.double() - norm.running_mean.double() * scale
        head.out.weight.copy_(out.weight.double() * scale)
        head.out.bias.copy_(out.bias.double() + out.weight.double() @ shift)
    return head


def start_from_probe(
    network: Network,
    rows: Rows,
    y: Array,
    labels: Labels,
    place: Place,
    training: Training,
    *,
    reg: float | str,
    seed: int,
) -> None:
    """Give a network's linear head the weights of a probe on the features of the rows.

    Parameters
    ----------
    network : Network
        Whose body gives the features; changed in place, and put where `place` says.
    rows : Rows
        Labelled rows.
    y : array of shape (n_samples, ...)
        Their labels as given.
    labels : Labels
    place : Place
    training : Training
        Batch size and workers.
    reg : float or "cv"
        As in `fit_probe`.
    seed : int
        Deals the folds.
    """
    place.put(network)
    Z = outputs_of(network.body, network.body.forward, rows, place, training.batch_size, training.workers)
    probe = as_linear(fit_probe(Z, y, labels, reg=reg, seed=seed))
    network.head.load_state_dict(probe.state_dict())
