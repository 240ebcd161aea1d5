"""Transport between many rows, part by part: time and memory then grow with the number of rows, not with its square."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import check_random_state

from ...core.protocols import Array
from ...core.validation import TransferData

__all__ = ["join_plans", "transport_parts"]

Part = tuple[Array, Array, TransferData]


def transport_parts(data: TransferData, approx: str | None, batch_size: int, random_state: Any = None) -> list[Part]:
    """Source rows, target rows and their data, of each part that a plan is sought in; every row is in exactly one.

    The plan that the parts' plans make up is one between the domains. It costs more than the best one: a row has only the rows
    of its part to go to, which are drawn from the other domain as a whole.

    Parameters
    ----------
    data : TransferData
        The checked domains, in memory.
    approx : {None, "minibatch"}
        None is one part.
    batch_size : int
        Rows of the larger domain in a part, about. Where it is not below the rows of both domains there is one part.
    random_state : int, RandomState or None
        Deals the rows.

    References
    ----------
    Fatras, Zine, Flamary, Gribonval & Courty. Learning with Minibatch Wasserstein: Asymptotic and Gradient Properties.
    AISTATS 2020.
    """
    n, m = len(data.Xs), len(data.Xt)
    n_parts = min(-(-max(n, m) // batch_size), n, m)
    if approx is None or n_parts == 1:
        return [(np.arange(n), np.arange(m), data)]
    rng = check_random_state(random_state)
    deal = [[np.sort(rows) for rows in np.array_split(rng.permutation(k), n_parts)] for k in (n, m)]
    deal[1].reverse()  # the first parts have a row more where they do not divide: not of both
    labels = np.empty(m, dtype=data.yt.dtype)
    labels[data.known] = data.yt
    return [(s, t, _part(data, labels, s, t)) for s, t in zip(*deal)]


def _part(data: TransferData, labels: Array, s: Array, t: Array) -> TransferData:
    known = data.known[t]
    groups = None if data.groups is None else data.groups[s]
    return replace(data, Xs=data.Xs[s], ys=data.ys[s], Xt=data.Xt[t], known=known, yt=labels[t][known], groups=groups)


def join_plans(parts: list[Part], plans: list[sparse.csr_matrix], shape: tuple[int, int]) -> sparse.csr_matrix:
    """The plan between the domains that the parts' plans make up; each part has the mass of its source rows."""
    rows, columns, masses = [], [], []
    for (s, t, _), plan in zip(parts, plans):
        entries = plan.tocoo()
        rows.append(s[entries.row])
        columns.append(t[entries.col])
        masses.append(entries.data * (len(s) / shape[0]))
    places = np.concatenate(rows), np.concatenate(columns)
    return sparse.csr_matrix((np.concatenate(masses), places), shape=shape)
