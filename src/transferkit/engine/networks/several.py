"""Several inputs through a network at once, and several views of the rows that they come from."""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..adaptation.alignment import cat_rows
from ..inputs.rows import Rows
from ..inputs.views import Views
from .network import Network

__all__ = ["features_together", "pass_together", "with_views"]


def features_together(network: Network, *inputs: Any) -> tuple[Tensor, ...]:
    """Features of several inputs, as `pass_together` takes them, from one pass over all of them."""
    sizes = [len(x) if isinstance(x, Tensor) else len(next(iter(x.values()))) for x in inputs]
    return torch.split(network.features(reduce(cat_rows, inputs)), sizes)


def pass_together(network: Network, *inputs: Any) -> list[tuple[Tensor, Tensor]]:
    """Features and outputs of several inputs, from one pass over all of them.

    Parameters
    ----------
    network : Network
    *inputs : tensor of shape (batch, *shape), or mapping of such tensors

    Returns
    -------
    list of (z, outputs)
        For each input. Batch normalisation takes the statistics of all together.
    """
    z = features_together(network, *inputs)
    return list(zip(z, network.head(torch.cat(z)).split([len(own) for own in z])))


def with_views(rows: Rows, n_views: int = 2) -> Rows:
    """The same rows; a batch of them comes augmented `n_views` times, one after the other (see `Views`)."""
    found = rows.take(np.arange(len(rows)))
    found.preprocess = Views(rows.preprocess, n_views)
    return found
