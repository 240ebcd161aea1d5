"""The source as a trained classifier and nothing else: what source-free and test-time adaptation begin with."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, clone
from torch import nn

from ...core.constraints import Either, Fulfils, Nothing, RandomState, Rule
from ...core.errors import DomainError, ParamError
from ..answers.labels import Labels
from ..backbones import load_backbone
from ..inputs.inputs import as_rows
from ..inputs.rows import Rows
from ..networks.backbone import Backbone, weights_digest
from ..networks.estimator import NetworkEstimator
from ..networks.network import Network
from .source_task import source_head_of

__all__ = ["SOURCE_RULES", "clone_with_source", "read_source", "target_rows"]

# What the `_constraints` of every method that is given a trained classifier begin with.
SOURCE_RULES: Mapping[str, Rule] = {
    "source": Fulfils(
        "be a fitted deep estimator, a torch Module, a Backbone or a backbone's name",
        lambda v: isinstance(v, (str, nn.Module, Backbone, NetworkEstimator)) and v != "",
    ),
    "classes": Either(Nothing(), Fulfils("be one name for each output", lambda v: np.ndim(v) == 1 and len(v) > 0)),
    "random_state": RandomState(),
}


def read_source(where: str, source: Any, classes: Any, sample: Any) -> tuple[Network, Labels]:
    """A copy of the source's network with its classifier, and what its outputs stand for.

    Parameters
    ----------
    where : str
        Beginning of messages, as in ``"SHOT.fit"``.
    source : estimator, Network, Module, Backbone or str
        A fitted deep estimator or its network; or a backbone that brings a classifier.
    classes : array-like of shape (n_classes,) or None
        What the outputs stand for; None is what the estimator knows, or 0, 1, 2, ...
    sample : array, image or text
        One row, for a module of which nothing else is known.

    Returns
    -------
    network : Network
        In evaluation mode; its backbone's fingerprint is that of all its weights.
    labels : Labels

    Raises
    ------
    ParamError
        If the source is not fitted, no classifier, or has another number of outputs than there are classes.
    """
    labels = None
    if isinstance(source, NetworkEstimator):
        labels, found = getattr(source, "labels_", None), getattr(source, "network_", None)
        if found is None or labels is None:
            raise ParamError(f"{where}: source must be fitted. Got {type(source).__name__} before its fit.")
        if getattr(labels, "kind", None) != "classification":
            raise ParamError(f"{where}: source must be a classifier. Got {type(source).__name__} for another task.")
        network = found.copy()
    elif isinstance(source, Network):
        network = source.copy()
    else:
        backbone = load_backbone(source, **({"sample": sample} if isinstance(source, nn.Module) else {}))
        network = Network(backbone, source_head_of(where, backbone))  # type: ignore[arg-type]
    network.requires_grad_(True).eval()
    digest = weights_digest(network.body, network.neck, network.head)
    network.backbone = replace(network.backbone, fingerprint=digest)
    place = next(network.head.parameters(), torch.empty(0)).device
    with torch.inference_mode():
        n = network.head(torch.zeros(1, network.n_features, device=place)).shape[1]
    names = labels.classes if classes is None and labels is not None else np.arange(n) if classes is None else classes
    names = np.asarray(names)
    if len(names) != n or len(np.unique(names)) != n:
        raise ParamError(
            f"{where}: classes must be {n} different names, one for each output. Got {names.tolist()[:10]}."
        )
    return network, Labels("classification", n, names)


def target_rows(where: str, X: Any, network: Network) -> Rows:
    """Checked input as the source takes it.

    Raises
    ------
    DomainError
        If it is of another kind or shape.
    """
    rows = as_rows(where, X, network.backbone)
    wanted, got = getattr(network.backbone.preprocess, "shape", None), getattr(X, "shape", (0,))[1:]
    if wanted is not None and got and tuple(got) != tuple(wanted):
        raise DomainError(f"{where}: X must have rows of the shape {tuple(wanted)}, as the source's. Got {tuple(got)}.")
    return rows


def clone_with_source(est: BaseEstimator) -> Any:
    """scikit-learn's clone, but for the source: that is a fitted model, and stays one."""
    params = est.get_params(deep=False)
    own = {k: copy.deepcopy(v) if k == "source" else clone(v, safe=False) for k, v in params.items()}
    return type(est)(**own)
